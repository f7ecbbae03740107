"""Opens frames: which device's keys verify a frame, and with which 32-bit counter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from khaen.ids import DevAddr, DevEui
from khaen.lorawan.counter import HIGH_HALVES_WITHOUT_REFERENCE, candidates
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame
from khaen.priority import parse_prefix
from store.sessions import SessionRecord

MAX_MICS = 256
"""Integrity codes tried per frame inside the pipeline: 0.4 ms at most."""
_MAX_SESSIONS = MAX_MICS // HIGH_HALVES_WITHOUT_REFERENCE


@dataclass(slots=True)
class Session:
    """A device's session; `f_cnt` is its newest counter, None before any."""

    dev_eui: DevEui
    dev_addr: DevAddr
    cipher: SessionCipher
    f_cnt: int | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """Whose frame it is, its whole counter, and what it says."""

    dev_eui: DevEui
    f_cnt: int
    payload: bytes


class Sessions:
    """Every session known, by address; newest first. For one thread."""

    def __init__(
        self,
        records: Iterable[SessionRecord],
        counters: dict[tuple[DevEui, DevAddr], int],
        prefixes: Iterable[str],
    ) -> None:
        self._by_address: dict[DevAddr, list[Session]] = {}
        for record in records:
            cipher = SessionCipher(
                dev_addr=record.dev_addr,
                nwk_s_key=record.nwk_s_key,
                app_s_key=record.app_s_key,
            )
            session = Session(
                record.dev_eui,
                record.dev_addr,
                cipher,
                counters.get((record.dev_eui, record.dev_addr)),
            )
            self._by_address.setdefault(record.dev_addr, []).insert(0, session)
        self._prefixes = [parse_prefix(prefix) for prefix in prefixes]

    def knows(self, dev_addr: DevAddr) -> bool:
        """Whether any session has this address."""
        return dev_addr in self._by_address

    def is_ours(self, dev_addr: DevAddr) -> bool:
        """Whether the address lies in our part of the address space."""
        value = int(dev_addr, 16)
        return any(value & mask == start for start, mask in self._prefixes)

    def open(self, frame: DataFrame) -> Verified | None:
        """Whose frame it is; None where no session verifies it within the tries allowed."""
        for session in self._by_address.get(frame.dev_addr, ())[:_MAX_SESSIONS]:
            tried = candidates(frame.f_cnt16, session.f_cnt)
            f_cnt = session.cipher.find_f_cnt(frame, tried)
            if f_cnt is not None:
                return Verified(session.dev_eui, f_cnt, session.cipher.decrypt(frame, f_cnt))
        return None

    def learn(self, dev_eui: DevEui, dev_addr: DevAddr, f_cnt: int) -> None:
        """Remember a committed counter, so that the next frame's high half is found at once."""
        for session in self._by_address.get(dev_addr, ()):
            if session.dev_eui == dev_eui:
                session.f_cnt = f_cnt
