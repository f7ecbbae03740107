"""One uplink within a transaction: its row, who heard it, and what is to be written of both.

A reception's key is (gateway, epoch, seq); where a number is lacking it is (gateway, context). So a
gateway's frame and the network server's event about the same reception are one, in any order, and
two antennas of one gateway, which share a context, are two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from khaen.clock import to_micros
from khaen.ids import GatewayEui, UplinkId
from khaen.uplink import Reception, Way

KEPT = 32
"""Receptions kept per uplink; further ones are counted."""
NOWHERE = GatewayEui("0" * 16)
"""Stands for the gateway in an event that names none."""


@dataclass(slots=True)
class Heard:
    """One reception as a row; `fresh` must be written."""

    reception: Reception
    context: bytes
    ingested_at: int
    fresh: bool


@dataclass(slots=True)
class Hearing:
    """An uplink that a transaction adds to, new or known."""

    id: UplinkId
    seq: int
    new: bool
    received_at: int
    count: int
    has_phy: bool
    by_key: dict[tuple[GatewayEui, bytes], Heard] = field(default_factory=dict)
    phy_payload: bytes | None = None
    """Bytes that come after the uplink was admitted without them."""
    changed: bool = False

    def add(self, reception: Reception, now: int) -> bool:
        """Take a reception in; False when it was known."""
        known = self._find(reception)
        if known is not None:
            if _is_better(reception, known.reception):
                known.reception, known.fresh, self.changed = reception, True, True
            return False
        self.count += 1
        self.changed = True
        if len(self.by_key) < KEPT:
            context = self._free_key(reception)
            self.by_key[reception.gateway_eui, context] = Heard(reception, context, now, True)
        return True

    def fill(self, phy_payload: bytes | None) -> None:
        """Keep the bytes as they were heard, where nobody had them yet."""
        if phy_payload is not None and not self.has_phy:
            self.phy_payload, self.has_phy, self.changed = phy_payload, True, True

    def rows(self) -> Iterable[tuple[object, ...]]:
        """The receptions to be written, in the order of the table's columns."""
        return (reception_row(self.seq, heard) for heard in self.by_key.values() if heard.fresh)

    def _find(self, reception: Reception) -> Heard | None:
        number = reception.number
        if number is not None:
            for heard in self.by_key.values():
                other = heard.reception
                if other.number == number and other.gateway_eui == reception.gateway_eui:
                    return heard
        found = self.by_key.get((reception.gateway_eui, context_key(reception)))
        if found is None or number is None or found.reception.number is None:
            return found
        # Within an epoch another number is another antenna; a new epoch numbers the same one anew.
        return None if found.reception.number.epoch == number.epoch else found

    def _free_key(self, reception: Reception) -> bytes:
        context = context_key(reception)
        if (reception.gateway_eui, context) not in self.by_key:
            return context
        return _number_key(reception)


def context_key(reception: Reception) -> bytes:
    """What tells receptions of one uplink by one gateway apart."""
    if reception.context or reception.number is None:
        return reception.context
    return _number_key(reception)


def _number_key(reception: Reception) -> bytes:
    number = reception.number
    return b"" if number is None else f"{number.epoch}:{number.seq}".encode()


def reception_row(seq: int, heard: Heard) -> tuple[object, ...]:
    """A row of the reception table."""
    reception = heard.reception
    number, until = reception.number, reception.received_until
    return (
        seq,
        reception.gateway_eui,
        heard.context,
        None if number is None else number.epoch,
        None if number is None else number.seq,
        reception.way.value,
        to_micros(reception.received_at),
        None if until is None else to_micros(until),
        reception.clock.value,
        heard.ingested_at,
        reception.rssi,
        reception.snr,
        reception.frequency,
        reception.dr,
    )


def _is_better(new: Reception, old: Reception) -> bool:
    """The gateway's own word stands before what a network server repeats of it."""
    return old.way is Way.NETWORK_SERVER and new.way is not Way.NETWORK_SERVER
