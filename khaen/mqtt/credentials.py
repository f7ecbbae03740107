"""What a connection is made with: read afresh for each, as before where files are broken."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from khaen import log
from khaen.errors import SettingsError
from khaen.mqtt.settings import MqttSettings

_log = log.logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to a broker, and whom we trust."""

    client_id: str
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None


class Keyring:
    """The credentials of one client, which its files may renew at any time."""

    def __init__(self, settings: MqttSettings, client_id: str) -> None:
        self._settings, self._client_id = settings, client_id
        self._tried: Credentials | None = None
        self._good: Credentials | None = None

    def read(self) -> Credentials:
        """What the files say now, else what a broker took last: a renewal that went wrong cuts
        nobody off. Raises SettingsError naming the file where none was taken yet.
        """
        try:
            self._tried = self._read()
        except SettingsError as error:
            if self._good is None:
                raise
            _log.warning("mqtt_files_unusable", client_id=self._client_id, reason=str(error))
            self._tried = self._good
        return self._tried

    def keep(self) -> None:
        """A broker took what was read last."""
        self._good = self._tried

    def _read(self) -> Credentials:
        settings = self._settings
        return Credentials(
            client_id=settings.client_id(self._client_id),
            password=settings.password(),
            tls=None if settings.ca_file is None else settings.tls(),
        )
