"""Settings: a TOML file, then the environment (`KHAEN_SECTION__KEY`), checked once at start.

`khaen.toml` serves ingest, alarms and console; a gateway has its own `edge.toml`, read by the
same loader. Unknown keys are errors; secrets are files (`*_file`).
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretBytes, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as SourceError

from khaen.errors import SettingsError
from khaen.mqtt import MqttSettings

KEY_BYTES = 32


class Section(BaseModel):
    """A table of a settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class LedgerSettings(Section):
    """Where the truth is kept."""

    url: str = "sqlite:////var/lib/khaen/ledger.sqlite"
    """An SQLAlchemy URL."""
    key_file: Path = Path("/var/lib/khaen/ledger.key")
    """32 bytes that encrypt session keys at rest; made by `up`, not in the backup."""

    def key(self) -> SecretBytes:
        """The key. Raises SettingsError when the file is not 32 readable bytes."""
        try:
            key = self.key_file.read_bytes()
        except OSError as error:
            raise SettingsError(
                f"ledger.key_file: cannot read {self.key_file}: {error.strerror}"
            ) from error
        if len(key) != KEY_BYTES:
            raise SettingsError(f"ledger.key_file: {self.key_file} is not {KEY_BYTES} bytes long")
        return SecretBytes(key)


class SeriesSettings(Section):
    """The embedded series of readings; empty means that nothing follows the ledger into one."""

    path: Path | None = None
    """An SQLite file."""


class IngestSettings(Section):
    """The ingest program."""

    name: str = Field(default="main", pattern=r"^[a-z0-9]{1,16}$")
    """Names the two MQTT sessions; unique per broker."""
    group_ms: float = Field(default=20.0, gt=0, le=1000)
    """A group of frames is committed at this age at the latest."""
    group_frames: int = Field(default=64, ge=1, le=4096)
    """… and at this many frames."""
    window: int = Field(default=512, ge=1, le=65535)
    """MQTT receive maximum per connection."""
    queue: int = Field(default=1024, ge=1, le=100_000)
    """Messages held per connection before the reader waits."""
    hold_s: float = Field(default=20.0, gt=0, le=60)
    """How long a message may wait for the ledger before the connection is closed on purpose."""
    receipt_s: float = Field(default=0.2, gt=0, le=5)
    """Receipts of one gateway are gathered for this long."""
    metrics_port: int = Field(default=9102, ge=0, le=65535)
    """Prometheus, `/health` and `/ready` on loopback; 0 takes any free port."""


class DecoderSettings(Section):
    """What reads payloads, beside the native families."""

    codecs: Path | None = None
    """The folder of the site's codecs and mappings; `up` names `codecs` beside the site file."""


class AlarmSettings(Section):
    """The alarm program."""

    name: str = Field(default="main", pattern=r"^[a-z0-9]{1,16}$")
    """Names its leases, where several run."""
    heartbeat_s: float = Field(default=150.0, gt=0)
    """A gateway without a heartbeat for this long is down."""
    metrics_port: int = Field(default=9103, ge=0, le=65535)
    """Prometheus and `/health` on loopback; 0 takes any free port."""


class ConsoleSettings(Section):
    """The care centre's web console."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """0 takes any free port."""
    public_url: str = ""
    """How a browser reaches it, when not by host and port."""


class Settings(BaseSettings):
    """All of `khaen.toml`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="KHAEN_",
        env_nested_delimiter="__",
        use_attribute_docstrings=True,
    )

    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """DEBUG, INFO, WARNING or ERROR."""
    ledger: LedgerSettings = LedgerSettings()
    series: SeriesSettings = SeriesSettings()
    mqtt: MqttSettings = MqttSettings()
    decoders: DecoderSettings = DecoderSettings()
    ingest: IngestSettings = IngestSettings()
    alarms: AlarmSettings = AlarmSettings()
    console: ConsoleSettings = ConsoleSettings()


S = TypeVar("S", bound=BaseSettings)


def load(model: type[S], file: Path | None) -> S:
    """Read `file` (None: defaults) and the environment into `model`.

    Raises SettingsError naming the file, the key and what is wrong with it.
    """
    document = read(file) if file is not None else {}
    return build(model, document, where=str(file or "environment"))


def read(file: Path) -> dict[str, Any]:
    """The document of a settings file. Raises SettingsError naming the file."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is not TOML: {error}") from error


def _explain(model: type[BaseModel], error: ErrorDetails) -> str:
    """What is wrong with a key, in words of somebody who writes a file."""
    if error["type"] == "missing":
        return "is missing"
    if error["type"] != "extra_forbidden":
        return error["msg"].removeprefix("Value error, ")
    *tables, key = (part for part in error["loc"] if isinstance(part, str))
    table: Any = model
    for name in tables:
        found = table.model_fields[name].annotation
        kinds = (found, *get_args(found), *(a for k in get_args(found) for a in get_args(k)))
        table = next(k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
    near = difflib.get_close_matches(key, [*table.model_fields], n=1)
    return "there is no such key" + (f"; is {near[0]} meant?" if near else "")


def build(model: type[S], *documents: dict[str, Any], where: str) -> S:
    """Lay `documents` over one another, the first on top, and the environment over all of them.

    Raises SettingsError naming `where` they come from, the key and what is wrong with it.
    """

    class FromDocuments(model):  # type: ignore[valid-type,misc]
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            **_sources: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            laid = (InitSettingsSource(settings_cls, document) for document in documents)
            return EnvSettingsSource(settings_cls), *laid

    try:
        return FromDocuments()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{where}: {key}: {_explain(model, first)}") from error
    except SourceError as error:
        raise SettingsError(f"environment: {error}: it is to be JSON") from error
