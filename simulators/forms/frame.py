"""One hearing of one frame, taken out of whatever form it travels in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from khaen.capture import Record
from khaen.clock import parse_time
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan import frame as lorawan
from khaen.lorawan.frame import DataFrame, FrameError, JoinRequest
from khaen.uplink import Number, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What one gateway heard; whatever its form does not say is None.

    With `phy` (the PHYPayload, or a point-to-point frame's bytes) address, counter and port are
    what the bytes say: to change those, change `phy`. `f_cnt` is then the low 16 bits, in a network
    server's event all 32, and `payload` is the event's decrypted FRMPayload. `at` is the gateway's
    time, `network_at` the network server's, `tmst` the concentrator's 32-bit count of microseconds,
    `number` the agent's own. `rssi` in dBm, `snr` in dB.
    """

    gateway_eui: GatewayEui | None = None
    phy: bytes | None = None
    dev_eui: DevEui | None = None
    dev_addr: DevAddr | None = None
    f_cnt: int | None = None
    f_port: int | None = None
    payload: bytes | None = None
    at: datetime | None = None
    network_at: datetime | None = None
    tmst: int | None = None
    number: Number | None = None
    origin: Origin | None = None
    rssi: int | None = None
    snr: float | None = None


class Form(Protocol):
    """A record taken apart. It is written once, then thrown away."""

    @property
    def frames(self) -> tuple[Frame, ...]:
        """What it holds, in its order."""

    def write(self, changed: tuple[Frame | None, ...]) -> Record:
        """The record with a frame for each of `frames`, at least one of them not None."""


def said_by(phy: bytes) -> dict[str, Any]:
    """What a PHYPayload shows without keys, as fields of a Frame."""
    try:
        found = lorawan.parse(phy)
    except FrameError:
        return {}
    if isinstance(found, DataFrame):
        return {"dev_addr": found.dev_addr, "f_cnt": found.f_cnt16, "f_port": found.f_port}
    return {"dev_eui": found.dev_eui} if isinstance(found, JoinRequest) else {}


def time_of(text: object) -> datetime | None:
    """An RFC 3339 time, or None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        return parse_time(text)
    except ValueError:
        return None


def is_json(payload: bytes) -> bool:
    """Whether a message is JSON: it begins with a brace, which no such protobuf does."""
    return payload[:1] == b"{"
