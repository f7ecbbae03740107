"""Frames under another counter: opened with their session's keys, and sealed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from khaen.ids import DevAddr, DevEui
from khaen.lorawan import frame as lorawan
from khaen.lorawan.counter import candidates
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, FrameError
from simulators.frames import Frame


class Sealing:
    """The sessions of the stream's devices. A network server's events need none of them."""

    def __init__(self, ciphers: Mapping[DevEui, SessionCipher]) -> None:
        self._ciphers = ciphers
        self._devices: dict[DevAddr, DevEui] = {}
        self._counters: dict[DevEui, int] = {}

    def device(self, frame: Frame) -> DevEui | None:
        """Whose frame it is: it says so, or its address is one of the sessions'."""
        if frame.dev_eui is not None or frame.dev_addr is None:
            return frame.dev_eui
        if frame.dev_addr not in self._devices:  # sessions may begin while the stream runs
            self._devices = {cipher.dev_addr: eui for eui, cipher in self._ciphers.items()}
        return self._devices.get(frame.dev_addr)

    def counter(self, frame: Frame) -> int | None:
        """The frame's 32-bit counter, None where no session verifies it."""
        if frame.phy is None:
            return frame.f_cnt
        opened = self._open(frame)
        return opened[2] if opened else None

    def recount(self, frame: Frame, f_cnt: int) -> Frame | None:
        """The same message under another counter, None where no session verifies the frame."""
        if frame.phy is None:
            return replace(frame, f_cnt=f_cnt)
        opened = self._open(frame)
        if opened is None:
            return None
        cipher, data, counter = opened
        phy = cipher.seal_uplink(
            f_cnt=f_cnt,
            f_port=data.f_port,
            payload=cipher.decrypt(data, counter),
            confirmed=data.confirmed,
            f_opts=data.f_opts,
            adr=data.adr,
            adr_ack_req=data.adr_ack_req,
            ack=data.ack,
            class_b=data.class_b,
        )
        return replace(frame, phy=phy, f_cnt=f_cnt & 0xFFFF)

    def _open(self, frame: Frame) -> tuple[SessionCipher, DataFrame, int] | None:
        device = self.device(frame)
        cipher = self._ciphers.get(device) if device is not None else None
        if device is None or cipher is None or frame.phy is None:
            return None
        try:
            data = lorawan.parse(frame.phy)
        except FrameError:
            return None
        if not isinstance(data, DataFrame) or not data.uplink or data.dev_addr != cipher.dev_addr:
            return None
        known = self._counters.get(device)
        counter = cipher.find_f_cnt(data, candidates(data.f_cnt16, known))
        if counter is None:
            return None
        self._counters[device] = counter
        return cipher, data, counter
