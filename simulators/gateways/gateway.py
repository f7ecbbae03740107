"""A gateway's concentrator, pure: its counter, and what it is to transmit just in time.

Times are seconds of the simulation. The limits are those of Semtech's sx1302_hal, jitqueue.c.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from khaen.ids import GatewayEui
from khaen.lorawan.airtime import airtime
from khaen.lorawan.region import THAI_BAND, DataRate
from khaen.site.model import Position

_START_S: Final = 0.0015
_MARGIN_S: Final = 0.001
_PROGRAMMED_S: Final = 0.040
"""So long before its time a packet is in the radio, and no other one can be."""
LEAD_S: Final = _START_S + _MARGIN_S + _PROGRAMMED_S
"""A packet must come earlier than this before its time."""
MOST_ADVANCE_S: Final = 512.0
MOST_POWER: Final = 27
"""dBm: the highest step of Semtech's reference gateways."""
_TURN: Final = 1 << 32


class TxError(enum.StrEnum):
    """Why a packet is not transmitted, as TX_ACK says it (PROTOCOL.TXT 1.4, section 5.5)."""

    TOO_LATE = "TOO_LATE"
    TOO_EARLY = "TOO_EARLY"
    COLLISION_PACKET = "COLLISION_PACKET"
    TX_FREQ = "TX_FREQ"
    TX_POWER = "TX_POWER"
    GPS_UNLOCKED = "GPS_UNLOCKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A frame to transmit at a time; `frequency` in Hz, `power` in dBm EIRP."""

    phy: bytes
    frequency: int
    data_rate: DataRate
    power: int
    at: float

    @property
    def airtime(self) -> float:
        """Seconds; downlinks go without CRC."""
        return airtime(len(self.phy), self.data_rate, crc=False)

    @property
    def ends(self) -> float:
        """When it is over."""
        return self.at + self.airtime


Emit = Callable[[GatewayEui, Packet], None]
"""Told of a packet that will be transmitted, ahead of its time."""


class Gateway:
    """One gateway. Its 32-bit microsecond counter was 0 when the simulation began.

    `satellites` is whether it knows GPS time.
    """

    def __init__(
        self, eui: GatewayEui, position: Position, emit: Emit, *, satellites: bool = True
    ) -> None:
        self.eui, self.position, self.satellites = eui, position, satellites
        self._emit = emit
        self._queue: tuple[Packet, ...] = ()

    def counter(self, at: float) -> int:
        """What the counter shows; it comes round each 71.6 minutes."""
        return round(at * 1e6) % _TURN

    def time_of(self, counter: int, now: float) -> float:
        """When the counter shows a value: the time nearest to now."""
        ahead = (counter - self.counter(now)) % _TURN
        return now + (ahead - _TURN if ahead >= _TURN // 2 else ahead) / 1e6

    def schedule(self, packet: Packet, now: float) -> TxError | None:
        """Take a packet for its time; or why not."""
        self._queue = tuple(one for one in self._queue if one.ends > now)
        error = self._judge(packet, now)
        if error is None:
            self._queue = (*self._queue, packet)
            self._emit(self.eui, packet)
        return error

    def _judge(self, packet: Packet, now: float) -> TxError | None:
        if not THAI_BAND[0] <= packet.frequency <= THAI_BAND[1]:
            return TxError.TX_FREQ
        if packet.power > MOST_POWER:
            return TxError.TX_POWER
        if packet.at - now <= LEAD_S:
            return TxError.TOO_LATE
        if packet.at - now > MOST_ADVANCE_S:
            return TxError.TOO_EARLY
        if any(_overlap(packet, other) for other in self._queue):
            return TxError.COLLISION_PACKET
        return None


def _overlap(one: Packet, other: Packet) -> bool:
    before = LEAD_S
    return one.at - before < other.ends and other.at - before < one.ends
