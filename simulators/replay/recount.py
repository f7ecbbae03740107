"""Counters that go on when a recording is played again: else the same frames come a second time,
which is one with the first within ten minutes, and suspected as an attack afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from khaen.capture import Record
from khaen.ids import DevEui
from khaen.lorawan.crypto import SessionCipher
from simulators.faults.sealing import Sealing
from simulators.frames import Frame, frames, rewrite
from simulators.replay.skip import BROKEN, Skip

_MAX: Final = 0xFFFF_FFFF


class Recount:
    """Moves counters by as much as each device counted in the first pass.

    `ciphers` are the sessions of gateway frames; a network server's events need none.
    """

    def __init__(self, ciphers: Mapping[DevEui, SessionCipher]) -> None:
        self._sealing = Sealing(ciphers)
        self._spans: dict[DevEui, tuple[int, int]] = {}

    def note(self, record: Record) -> None:
        """Take a record of the first pass in."""
        for frame in frames(record):
            device, f_cnt = self._sealing.device(frame), self._sealing.counter(frame)
            if device is not None and f_cnt is not None:
                first, last = self._spans.get(device, (f_cnt, f_cnt))
                self._spans[device] = min(first, f_cnt), max(last, f_cnt)

    def move(self, record: Record, number: int) -> Record:
        """The record in pass `number`, counted from 0. Raises Skip for what no key opens."""

        def change(frame: Frame) -> Frame:
            device, f_cnt = self._sealing.device(frame), self._sealing.counter(frame)
            if device is None or f_cnt is None or device not in self._spans:
                raise Skip("counter_not_known")
            first, last = self._spans[device]
            moved = f_cnt + number * (last - first + 1)
            changed = self._sealing.recount(frame, moved) if moved <= _MAX else None
            if changed is None:
                raise Skip("counter_not_known")
            return changed

        try:
            return rewrite(record, change) or record
        except BROKEN as error:
            raise Skip("unreadable") from error
