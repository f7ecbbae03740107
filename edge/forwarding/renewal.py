"""Certificates, keys and passwords that are renewed while the agent runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from edge import certificates
from edge.warnings import Warnings
from khaen import log
from khaen.clock import Clock
from khaen.errors import DecodeError, SettingsError
from khaen.mqtt import MqttSettings

_log = log.logger()
_EVERY_S = 20.0
"""A renewed file is in use within a minute, also where a certificate and its key come apart."""
_UNREADABLE = "certificate_unreadable"

Look = tuple[tuple[int, int, int] | None, ...]
"""Of each file: when it was written, its inode and its size; None where there is none."""


class Renewal:
    """Has the connection made anew with files that changed, once they can be used.

    What cannot be used leaves the connection as it is, and is warned of.
    """

    def __init__(
        self, settings: MqttSettings, renew: Callable[[], None], warnings: Warnings, clock: Clock
    ) -> None:
        self._settings, self._renew = settings, renew
        self._warnings, self._clock = warnings, clock
        self._used = self._seen = self._look()

    def _look(self) -> Look:
        return tuple(_look(file) for file in self._settings.files())

    async def run(self) -> None:
        """Look at the files for ever, where there are any."""
        if self._settings.files():
            await self._usable()
        while self._settings.files():
            await asyncio.sleep(_EVERY_S)
            await self.check()

    async def check(self) -> None:
        """Look at the files once: in a thread, because a card may hang."""
        now = await asyncio.to_thread(self._look)
        if now == self._seen:
            return
        self._seen = now
        if await self._usable() and now != self._used:
            self._used = now
            _log.info("files_renewed", files=[str(file) for file in self._settings.files()])
            self._renew()

    async def _usable(self) -> bool:
        """Whether a connection can be made with the files; it is said where none can."""
        try:
            await asyncio.to_thread(self._try)
        except SettingsError as error:
            _log.error("files_not_used", reason=str(error))
            self._warnings.add(_UNREADABLE)
            return False
        self._warnings.discard(_UNREADABLE)
        return True

    def _try(self) -> None:
        """Raises SettingsError, naming the file, where the files cannot be used."""
        self._settings.check_files()
        if (file := self._settings.cert_file) is not None:
            try:
                ends = certificates.read(file).ends
            except (OSError, DecodeError) as error:
                raise SettingsError(f"mqtt.cert_file: cannot read {file}: {error}") from error
            if ends <= self._clock.now():
                raise SettingsError(f"mqtt.cert_file: {file} has expired: renew it")


def _look(file: Path) -> tuple[int, int, int] | None:
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ino, facts.st_size
