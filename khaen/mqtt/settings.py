"""How to reach a broker."""

from __future__ import annotations

import enum
import hashlib
import ssl
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from khaen.errors import SettingsError

# Brokers log client ids: a password that people made up must not be quickly found from one.
_ITERATIONS = 10_000
_SECRET_DIGITS = 20
_MAX_PASSWORD = 65_535
"""Bytes (MQTT 5, 3.1.3.6: binary data has a length of two bytes)."""


class Version(enum.StrEnum):
    """MQTT version; `auto` tries 5 first, and the other one whenever a broker that can be reached
    refuses a version or does not answer it (old brokers wait for ever on a CONNECT of MQTT 5).
    """

    V5 = "5"
    V311 = "3.1.1"
    AUTO = "auto"


class MqttSettings(BaseModel):
    """How to reach a broker. Secrets are files; `username` may be empty for an open broker."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """The broker's name or address."""
    port: int = Field(default=1883, ge=1, le=65535)
    """1883 plain, 8883 with TLS."""
    version: Version = Version.AUTO
    """`5`, `3.1.1` or `auto`."""
    keepalive: int = Field(default=60, ge=5, le=3600)
    """Seconds."""
    username: str = ""
    """Empty for a broker that asks for none."""
    password_file: Path | None = None
    """A file with the password in one line."""
    ca_file: Path | None = None
    """Turns TLS on and names whom to trust."""
    cert_file: Path | None = None
    """Our certificate, where the broker asks for one …"""
    key_file: Path | None = None
    """… and its key."""

    def files(self) -> tuple[Path, ...]:
        """The files that a connection is made with."""
        named = (self.password_file, self.ca_file, self.cert_file, self.key_file)
        return tuple(file for file in named if file is not None)

    def check_files(self) -> None:
        """Read all that a connection is made with. Raises SettingsError naming the file."""
        self.password()
        if self.ca_file is not None:
            self.tls()

    def password(self) -> str | None:
        """The password, read afresh. Raises SettingsError naming the file."""
        if self.password_file is None:
            return None
        try:
            password = self.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(
                f"mqtt.password_file: cannot read {self.password_file}: {error.strerror}"
            ) from error
        except UnicodeDecodeError as error:
            raise SettingsError(f"mqtt.password_file: {self.password_file} is no text") from error
        if not password or len(password.encode()) > _MAX_PASSWORD:
            raise SettingsError(
                f"mqtt.password_file: {self.password_file} has no password in its one line"
            )
        return password

    def client_id(self, name: str) -> str:
        """`name`, and something that only who has our password can tell. Raises SettingsError.

        A broker hands a session, and closes its connection, to whoever brings its client id, by
        whatever account: one gateway's account must not do for turning all others deaf.
        """
        password = self.password()
        if not password:
            return name
        secret = hashlib.pbkdf2_hmac("sha256", password.encode(), name.encode(), _ITERATIONS)
        return f"{name}-{secret.hex()[:_SECRET_DIGITS]}"

    def tls(self) -> ssl.SSLContext:
        """The TLS context that `ca_file` asks for, with our certificate where there is one.

        Raises SettingsError naming the files.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(f"mqtt.ca_file: cannot use {self.ca_file}: {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert_file is not None:
            try:
                # Without a password nobody is asked for one on a terminal.
                context.load_cert_chain(self.cert_file, self.key_file, password="")
            except OSError as error:
                files = f"{self.cert_file} with {self.key_file or 'the key in it'}"
                raise SettingsError(f"mqtt.cert_file: cannot use {files}: {error}") from error
        return context
