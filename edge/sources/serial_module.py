"""A LoRa module on a serial port: point-to-point payloads, in any dialect of AT commands.

Such a module repeats nothing and takes no acknowledgement: what it says is on disk a moment later,
and what it heard while it was set up, or unplugged, nobody heard. It is set up again when it comes
back, says that it began anew, or does not answer when it has been silent for a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from chirpstack_api import gw

from edge import upkeep
from edge.counts import Counts
from edge.intake import Intake
from edge.modem.dialect import BadLine, Command, Dialect, Hearing, Packet
from edge.modem.port import ModuleLost, SerialPort
from edge.outbox.outbox import Stored
from edge.source_settings import SerialSettings
from edge.warnings import Warnings
from khaen import log, plugins
from khaen.backoff import Backoff
from khaen.errors import StoreUnavailable
from khaen.uplink import Kind

_log = log.logger()
AWAY: Final = "serial_module_away"
"""The warning while there is no module that listens."""
_ANSWER_S: Final = 3.0
"""Longer than a module takes to begin anew in another network mode."""
_CHECK_S: Final = 60.0
_LONGEST_PAUSE_S: Final = 10.0
_CODE_RATES: Final = {
    "4/5": gw.CR_4_5,
    "4/6": gw.CR_4_6,
    "4/7": gw.CR_4_7,
    "4/8": gw.CR_4_8,
}


class Gateway(Protocol):
    """What this source needs of an `edge.station.Station`."""

    intake: Intake
    counts: Counts
    warnings: Warnings


class SerialModule:
    """One module; a SettingsError says that nobody knows its dialect."""

    def __init__(
        self, settings: SerialSettings, station: Gateway, *, check_s: float = _CHECK_S
    ) -> None:
        self._settings, self._station, self._check_s = settings, station, check_s
        self._dialect = plugins.load("edge.modem.at", settings.dialect, "DIALECT", Dialect)
        self._hearing = Hearing(self._dialect)
        self._backoff = Backoff(cap=_LONGEST_PAUSE_S)
        self._command: Command | None = None
        self._heard = False
        self._answer: asyncio.Future[str | None]
        self._lost: asyncio.Future[str]
        self._said = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hear until it is left."""
        try:
            async with upkeep.running({"serial module": self._run}):
                yield
        finally:
            self._station.warnings.discard(AWAY)

    # -- a life of the module -----------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self._live()
            except ModuleLost as error:
                self._complain(str(error))
            self._station.warnings.add(AWAY)
            await asyncio.sleep(self._backoff.next())

    def _complain(self, reason: str) -> None:
        """Say why, once for each reason and module that listened."""
        if reason != self._said:
            self._said = reason
            _log.warning("serial_module_lost", device=str(self._settings.device), reason=reason)

    async def _live(self) -> None:
        """Have the module listen, and look after it. Raises ModuleLost."""
        self._lost = asyncio.get_running_loop().create_future()
        baud = self._settings.baud or self._dialect.baud
        with SerialPort(self._settings.device, baud, self._take, self._lose) as port:
            port.write("")  # ends what noise, or we before, left in its buffer
            for command in self._dialect.listen(self._settings):
                await self._ask(port, command)
            self._station.warnings.discard(AWAY)
            self._said = ""
            _log.info("serial_module_listened", device=str(self._settings.device))
            while True:
                self._heard = False
                await asyncio.wait({self._lost}, timeout=self._check_s)
                if not self._heard:  # a module that is asked may miss what is on the air
                    await self._ask(port, self._dialect.check)
                self._backoff.reset()
                self._count("line_too_long", port.lines.too_long)
                port.lines.too_long = 0

    async def _ask(self, port: SerialPort, command: Command) -> None:
        """Say a command and wait for its end. Raises ModuleLost."""
        self._command = command
        self._answer = asyncio.get_running_loop().create_future()
        either: set[asyncio.Future[Any]] = {self._answer, self._lost}
        try:
            if not self._lost.done():
                port.write(command.text)
                await asyncio.wait(either, timeout=_ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._command = None
        if self._lost.done():
            raise ModuleLost(self._lost.result())
        if not self._answer.done():
            raise ModuleLost(f"it did not answer {command.text}; is baud right?")
        refusal = self._answer.result()
        if refusal is not None and command.needed:
            raise ModuleLost(f"it refused {command.text}: {refusal}")

    def _lose(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)

    # -- what it says -------------------------------------------------------

    def _take(self, line: str) -> None:
        if not self._is_answer(line) and self._dialect.restarted.search(line):
            self._lose("it began anew")
        try:
            packet = self._hearing.take(line)
        except BadLine:
            self._count("bad_line")
        else:
            if packet is not None:
                self._hear(packet)

    def _is_answer(self, line: str) -> bool:
        """Whether the line ends the command that waits for it."""
        command = self._command
        if command is None or self._answer.done():
            return False
        done = command.done.search(line)
        if done or self._dialect.failed.search(line):
            self._answer.set_result(None if done else line)
        return self._answer.done()

    def _hear(self, packet: Packet) -> None:
        self._heard = True
        intake = self._station.intake
        arrival = intake.hear_message(
            Kind.P2P,
            self._render(packet),
            priority=intake.wanted is None,  # no list names what has no DevAddr
            device=self._sender(packet.payload),
        )
        try:
            intake.store([arrival]).add_done_callback(self._stored)
        except StoreUnavailable:
            self._count("outbox_busy")

    def _stored(self, future: asyncio.Future[Stored]) -> None:
        if not future.cancelled() and future.exception() is None and not future.result().durable:
            self._count("not_durable")

    def _render(self, packet: Packet) -> gw.UplinkFrame:
        radio = self._settings
        frame = gw.UplinkFrame(
            phy_payload=packet.payload,
            tx_info=gw.UplinkTxInfo(frequency=radio.frequency),
            rx_info=gw.UplinkRxInfo(
                rssi=packet.rssi or 0, snr=packet.snr or 0.0, crc_status=gw.CRC_OK
            ),
        )
        lora = frame.tx_info.modulation.lora
        lora.bandwidth = radio.bandwidth * 1000
        lora.spreading_factor = radio.spreading_factor
        lora.code_rate = _CODE_RATES[radio.coding_rate]
        return frame

    def _sender(self, payload: bytes) -> str | None:
        """The sender's DevEUI; None where the payload is too short to hold it."""
        radio = self._settings
        if radio.sender_offset is None:
            return radio.sender
        part = payload[radio.sender_offset : radio.sender_offset + radio.sender_length]
        return radio.sender + part.hex() if len(part) == radio.sender_length else None

    def _count(self, reason: str, times: int = 1) -> None:
        self._station.counts.refused.labels(reason=reason).inc(times)
