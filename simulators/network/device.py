"""What the network server remembers of a device: its session, its counters, its queue."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from chirpstack_api import integration

from khaen.ids import DevAddr, DevEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame


@dataclass(slots=True, kw_only=True)
class Item:
    """A downlink that waits. `f_cnt` is set when a gateway sent it and its answer is awaited."""

    id: str
    f_port: int
    data: bytes = field(repr=False)
    confirmed: bool = False
    expires_at: datetime | None = None
    f_cnt: int | None = None


@dataclass(slots=True, kw_only=True)
class Session:
    """One activation. `f_cnt_up` is the next counter expected, `f_cnt_down` the next sent."""

    dev_addr: DevAddr
    cipher: SessionCipher
    f_cnt_up: int = 0
    f_cnt_down: int = 0

    def rebuild(self, frame: DataFrame) -> int | None:
        """The frame's whole counter, which may be below the expected; None if no key fits."""
        low = frame.f_cnt16
        ahead = self.f_cnt_up + ((low - self.f_cnt_up) & 0xFFFF)
        candidates = [ahead, low]
        if self.f_cnt_up and low == (self.f_cnt_up - 1) & 0xFFFF:
            candidates.insert(0, self.f_cnt_up - 1)
        fit = [count for count in candidates if count <= 0xFFFF_FFFF]
        return self.cipher.find_f_cnt(frame, fit)


@dataclass(slots=True, kw_only=True)
class Device:
    """A registered device; `info` is what its events say of it."""

    dev_eui: DevEui
    info: integration.DeviceInfo
    join_eui: str = ""
    app_key: bytes | None = field(default=None, repr=False)
    session: Session | None = None
    queue: deque[Item] = field(default_factory=deque)
    nonces: set[int] = field(default_factory=set)
    join_nonce: int = 0
