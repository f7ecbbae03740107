"""What a device said, once, and each hearing of it.

An uplink's identity is the same by every way in, so that a redelivery changes nothing. The tuple
is `(dev_eui, dev_addr, generation, f_cnt, f_port, SHA-256 of the decrypted FRMPayload)`; the id
is its UUID version 5. No port counts as port 0; on ports 0 and 226 (relay) the payload counts as
empty, because only the network reads it.
"""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1, sha256

from khaen.clock import Rung
from khaen.ids import DevAddr, DevEui, Epoch, GatewayEui, UplinkId

UPLINK_NAMESPACE = uuid.UUID("6b6861656e3a5f8e9a3c75706c696e6b")
_NAMESPACE = UPLINK_NAMESPACE.bytes
PORTS_OF_THE_NETWORK = frozenset({0, 226})


class Kind(enum.StrEnum):
    """What an agent numbers."""

    LORAWAN = "lorawan"
    P2P = "p2p"
    APPLICATION = "application"
    HEARTBEAT = "heartbeat"
    GONE = "gone"


class Origin(enum.StrEnum):
    """Where a frame comes from; never decides by itself whether anyone is paged."""

    RADIO = "radio"
    SIMULATED = "simulated"
    REPLAY = "replay"
    DRILL = "drill"
    HEARTBEAT = "heartbeat"


class Way(enum.StrEnum):
    """By which road a reception came in."""

    LIVE = "live"
    BACKLOG = "backlog"
    NETWORK_SERVER = "network_server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A gateway's own number of a reception; numbers start at 1 and leave no holes."""

    epoch: Epoch
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """One hearing of a frame by one gateway.

    `received_at` is the gateway's time by the rung `clock`; `received_until` closes the span of
    the rung `between`. `rssi` in dBm, `snr` in dB, `frequency` in Hz. `context` is the packet
    forwarder's own (its counter), which tells two receptions of one gateway apart.
    """

    gateway_eui: GatewayEui
    way: Way
    received_at: datetime
    clock: Rung
    received_until: datetime | None = None
    number: Number | None = None
    context: bytes = b""
    rssi: int | None = None
    snr: float | None = None
    frequency: int | None = None
    dr: str | None = None
    """Data rate as the packet forwarder writes it: `SF7BW125`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """What a device said, opened: `f_cnt` has 32 bits, `payload` is decrypted.

    `receptions` has at least one entry, the first that came at its head.
    """

    dev_eui: DevEui
    dev_addr: DevAddr
    generation: int
    f_cnt: int
    f_port: int
    payload: bytes
    phy_payload: bytes | None
    confirmed: bool
    origin: Origin
    receptions: tuple[Reception, ...]

    @property
    def id(self) -> UplinkId:
        """The id that every way in computes alike."""
        return uplink_id(
            self.dev_eui,
            self.dev_addr,
            self.generation,
            self.f_cnt,
            self.f_port,
            self.payload,
        )

    @property
    def received_at(self) -> datetime:
        """When the first reception that came was heard."""
        return self.receptions[0].received_at


def uplink_id(
    dev_eui: DevEui,
    dev_addr: DevAddr,
    generation: int,
    f_cnt: int,
    f_port: int | None,
    payload: bytes,
) -> UplinkId:
    """The UUIDv5 of an uplink's identity; see the module's text for the tuple."""
    port = f_port or 0
    body = b"" if port in PORTS_OF_THE_NETWORK else payload
    digest = sha256(body).hexdigest()
    name = f"{dev_eui}|{dev_addr}|{generation}|{f_cnt}|{port}|{digest}"
    # As uuid.uuid5 does, with the namespace's bytes made once.
    hashed = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).digest()
    return UplinkId(uuid.UUID(bytes=hashed[:16], version=5))
