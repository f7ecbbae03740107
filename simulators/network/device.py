"""What the network server remembers of a device: its session, its counters, its queue."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from struct import Struct
from typing import Final

from chirpstack_api import integration

from khaen.ids import DevAddr, DevEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame
from khaen.lorawan.join import SessionKeys
from khaen.lorawan.mac import DevStatusAns
from simulators.network.link import Link

EXTERNAL: Final = 0
UNKNOWN: Final = 255
_FULL: Final = 254
_SINGLE: Final = Struct("<f")


@dataclass(slots=True, kw_only=True)
class Item:
    """A downlink that waits. `f_cnt` is set when it goes to a gateway, `pending` when the gateway
    sent it and the device's answer is awaited.
    """

    id: str
    f_port: int
    data: bytes = field(repr=False)
    confirmed: bool = False
    expires_at: datetime | None = None
    f_cnt: int | None = None
    pending: bool = False


@dataclass(slots=True, kw_only=True)
class Session:
    """One activation. `f_cnt_up` is the next counter expected, `f_cnt_down` the next sent."""

    dev_addr: DevAddr
    keys: SessionKeys
    cipher: SessionCipher
    f_cnt_up: int = 0
    f_cnt_down: int = 0
    link: Link = field(default_factory=Link)

    def rebuild(self, frame: DataFrame) -> int | None:
        """The frame's whole counter, which may be below the expected; None if no key fits."""
        low = frame.f_cnt16
        ahead = self.f_cnt_up + ((low - self.f_cnt_up) & 0xFFFF)
        candidates = [ahead, low]
        if self.f_cnt_up and low == (self.f_cnt_up - 1) & 0xFFFF:
            candidates.insert(0, self.f_cnt_up - 1)
        fit = [count for count in candidates if count <= 0xFFFF_FFFF]
        return self.cipher.find_f_cnt(frame, fit)


def session_of(
    dev_addr: DevAddr, keys: SessionKeys, *, f_cnt_up: int = 0, f_cnt_down: int = 0
) -> Session:
    """A new activation. Raises ValueError for keys or an address of another length."""
    cipher = SessionCipher(dev_addr=dev_addr, nwk_s_key=keys.nwk_s_key, app_s_key=keys.app_s_key)
    return Session(
        dev_addr=dev_addr, keys=keys, cipher=cipher, f_cnt_up=f_cnt_up, f_cnt_down=f_cnt_down
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the network does with devices of one kind; `statuses` is how often a day it asks.

    Devices made for another `region` than the network's are not heard.
    """

    region: str = "AS923"
    otaa: bool = True
    flush_on_activate: bool = True
    statuses: int = 0


@dataclass(slots=True, kw_only=True)
class Device:
    """A registered device; `info` is what its events say of it."""

    dev_eui: DevEui
    info: integration.DeviceInfo
    profile: Profile = field(default_factory=Profile)
    join_eui: str = ""
    app_key: bytes | None = field(default=None, repr=False)
    disabled: bool = False
    any_counter: bool = False
    """Counters may go back (`skip_fcnt_check`): whoever records a frame may send it again."""
    session: Session | None = None
    queue: deque[Item] = field(default_factory=deque)
    nonces: set[tuple[str, int]] = field(default_factory=set)
    """JoinEUI and DevNonce, each good for one join."""
    join_nonce: int = 0
    seen_at: datetime | None = None
    status: DevStatusAns | None = None


def battery_percent(status: DevStatusAns) -> float | None:
    """The battery's level; None with power from outside, or when the device does not know."""
    if status.battery in (EXTERNAL, UNKNOWN):
        return None
    return _single(_single(status.battery / _FULL) * 100.0)


def _single(value: float) -> float:
    """As ChirpStack reckons: in 32-bit numbers."""
    found: float = _SINGLE.unpack(_SINGLE.pack(value))[0]
    return found
