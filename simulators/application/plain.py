"""Devices without the radio's cost: frames in clear, and no windows for answers that never come.

What goes when, on which channel and under which counter is the same as at radio level.
"""

from __future__ import annotations

from typing import Any

from khaen.ids import DevAddr
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import MIC_SIZE
from khaen.lorawan.region import DATA_RATES
from simulators.agenda import NEVER
from simulators.devices.device import Message, Transmission
from simulators.mac import Mac
from simulators.mac.transmitter import seconds_of
from simulators.mac.windows import LISTENING

_OVERHEAD = 9 + MIC_SIZE
"""Bytes of a frame around its payload: MHDR, FHDR without options, FPort, MIC."""


class PlainCipher(SessionCipher):
    """A session without keys: what it seals can be read, and its MIC is four zeros."""

    __slots__ = ()

    def __init__(self, dev_addr: DevAddr) -> None:
        self.dev_addr = dev_addr

    def mic(self, message: bytes, *, f_cnt: int, uplink: bool) -> bytes:
        """Zeros."""
        del message, f_cnt, uplink
        return bytes(MIC_SIZE)

    def crypt(self, data: bytes, *, f_port: int, f_cnt: int, uplink: bool) -> bytes:
        """The data as they are."""
        del f_port, f_cnt, uplink
        return data


class PlainMac(Mac):
    """A device whose frames nobody needs to open; a `cipher` serves for its address only."""

    __slots__ = ("_plain",)

    def __init__(self, **made: Any) -> None:
        super().__init__(**made)
        if self._cipher is not None:
            self._cipher = PlainCipher(self._cipher.dev_addr)
        rate = self.settings.data_rate
        self._plain = rate, self.settings.frequencies(rate)

    def send(self, message: Message, at: float) -> Transmission | None:
        """As `Mac.send`; a report that nothing stands in the way of goes straight out."""
        if message.confirmed or self._waiting or self._adaptive or at < self._free_at:
            return super().send(message, at)
        if (self._frame is not None and self._frame.left) or self._cipher is None:
            return super().send(message, at)
        index, frequencies = self._plain
        seconds = seconds_of(_OVERHEAD + len(message.payload), index)
        clear = self._transmitter.clear_at(at, seconds, regular=True) <= at
        if not clear or len(message.payload) > DATA_RATES[index].max_payload_dwell:
            return super().send(message, at)
        f_cnt, self.memory.f_cnt = self.memory.f_cnt, self.memory.f_cnt + 1
        phy = self._cipher.seal_uplink(f_cnt=f_cnt, f_port=message.f_port, payload=message.payload)
        sent = self._transmitter.transmit(
            phy, index, frequencies, at, self.settings, f_cnt=f_cnt, f_port=message.f_port
        )
        self._transmitter.keep_quiet(sent)
        self._free_at = sent.ends + self.settings.rx_delay + 1 + LISTENING
        self._frame, self._windows, self.wake_at = None, (), NEVER
        return sent
