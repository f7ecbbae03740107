"""Opens recorded frames with the keys of the site from which they come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from khaen.ids import DevAddr, DevEui
from khaen.lorawan import frame as lorawan
from khaen.lorawan.counter import candidates
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, FrameError
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Device

_STRANGERS: Final = 65_536
"""Addresses remembered that no key opens: those of other people's networks."""


@dataclass(slots=True)
class _Session:
    dev_eui: DevEui
    cipher: SessionCipher
    f_cnt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Whose frame it is, its 32-bit counter, and what it says."""

    dev_eui: DevEui
    f_cnt: int
    frame: DataFrame
    payload: bytes


class Keyring:
    """Session keys by device. Of devices without a known address the keys are tried on each new
    address; whose verify a frame has it from then on.
    """

    def __init__(self, keys: Mapping[DevEui, SessionKeys], devices: Iterable[Device] = ()) -> None:
        self._sessions: dict[DevAddr, list[_Session]] = {}
        self._unplaced = dict(keys)
        self._strangers: OrderedDict[DevAddr, None] = OrderedDict()
        for device in devices:
            pair = self._unplaced.pop(device.dev_eui, None) if device.dev_addr else None
            if pair is not None and device.dev_addr is not None:
                self._place(device.dev_eui, device.dev_addr, pair)

    def device(self, dev_addr: DevAddr) -> DevEui | None:
        """Whose address it is, where only one device has it."""
        found = self._sessions.get(dev_addr, ())
        return found[0].dev_eui if len(found) == 1 else None

    def open(self, phy: bytes) -> Opened | None:
        """The uplink in these bytes; None where there is none, or no key verifies it."""
        try:
            frame = lorawan.parse(phy)
        except FrameError:
            return None
        if not isinstance(frame, DataFrame) or not frame.uplink:
            return None
        for session in self._sessions.get(frame.dev_addr, ()):
            if (opened := _open(session, frame)) is not None:
                return opened
        return self._try_all(frame)

    def _try_all(self, frame: DataFrame) -> Opened | None:
        if frame.dev_addr in self._strangers:
            return None
        for dev_eui, pair in self._unplaced.items():
            session = _Session(dev_eui, _cipher(frame.dev_addr, pair))
            if (opened := _open(session, frame)) is not None:
                self._sessions.setdefault(frame.dev_addr, []).append(session)
                return opened
        if frame.dev_addr not in self._sessions:
            self._strangers[frame.dev_addr] = None
            if len(self._strangers) > _STRANGERS:
                self._strangers.popitem(last=False)
        return None

    def _place(self, dev_eui: DevEui, dev_addr: DevAddr, pair: SessionKeys) -> None:
        session = _Session(dev_eui, _cipher(dev_addr, pair))
        self._sessions.setdefault(dev_addr, []).append(session)


def _cipher(dev_addr: DevAddr, pair: SessionKeys) -> SessionCipher:
    return SessionCipher(dev_addr=dev_addr, nwk_s_key=pair.nwk_s_key, app_s_key=pair.app_s_key)


def _open(session: _Session, frame: DataFrame) -> Opened | None:
    f_cnt = session.cipher.find_f_cnt(frame, candidates(frame.f_cnt16, session.f_cnt))
    if f_cnt is None:
        return None
    session.f_cnt = f_cnt
    payload = session.cipher.decrypt(frame, f_cnt)
    return Opened(dev_eui=session.dev_eui, f_cnt=f_cnt, frame=frame, payload=payload)
