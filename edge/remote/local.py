"""The settings of the machine, and what may be laid over them from afar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from edge.settings import EdgeSettings
from khaen import settings
from khaen.errors import SettingsError

_OPEN: Final = (
    "log_level",
    "heartbeat_s",
    "status_s",
    "mqtt.host",
    "mqtt.port",
    "mqtt.version",
    "mqtt.keepalive",
    "mqtt.username",
    "forward.*",
)
"""What may be set from afar, but for what is closed; a key that is in neither table may not."""
_RADIO: Final = "a trial does not show that the radio is no longer heard"
_SHARED: Final = "the network server relies on it, and a trial's heartbeat does not go there"
_CLOSED: Final = (
    ("*_file", "it names a file of the machine, whose content would go to the broker, or be trust"),
    ("gateway_eui", "it is who the agent is"),
    ("gateways", "they are who the agent is"),
    ("site", "it says whose receipts let frames be forgotten"),
    ("simulated", "it says whether what is heard is real"),
    ("trust_clock", "who keeps the clock is a fact of the machine"),
    ("region", _SHARED),
    ("encoding", _SHARED),
    ("outbox*", "what it drops, no rollback brings back"),
    ("forward.live*", _SHARED),
    ("forward.puback", "it says what proves that a frame is safe"),
    ("metrics*", "it is looked for on the machine"),
    ("remote*", "it is the way back"),
    ("udp*", _RADIO),
    ("network_server*", _RADIO),
    ("serial*", _RADIO),
    ("concentratord*", _RADIO),
)
"""What may not, by its pattern, and why."""
_MOST_HEARTBEAT_S: Final = 120.0
"""A gateway that is not heard for longer than `alarms.heartbeat_s` (150) is called down."""
_ELSE: Final = "it is not among the settings that may be"


class Local:
    """The machine's own file, as it was when the agent began; the environment lies over all."""

    def __init__(self, file: Path) -> None:
        """Raises SettingsError naming the file."""
        self.file = file
        self.document = settings.read(file)

    def settings(self) -> EdgeSettings:
        """Those without anything from afar. Raises SettingsError."""
        return settings.build(EdgeSettings, self.document, where=str(self.file))

    def lay(self, over: Mapping[str, Any]) -> EdgeSettings:
        """Those with `over` from afar. Raises SettingsError naming the key and what is wrong."""
        _refuse(flatten(over))
        own = self.settings()
        laid = settings.build(EdgeSettings, dict(over), self.document, where="settings")
        _refuse(find_changed(own, laid))  # an empty table opens a source, too
        _guard(own, laid)
        return laid


def _refuse(keys: Iterable[str]) -> None:
    """Raises SettingsError where one of `keys` may not be set from afar."""
    for key in keys:
        if (reason := find_reason(key)) is not None:
            raise SettingsError(f"{key}: not from afar: {reason}")


def _guard(own: EdgeSettings, laid: EdgeSettings) -> None:
    """Over plain TCP whoever answers is told passwords and all that is heard, and is believed when
    he says that it is safe; with TLS the local `ca_file` says who may. Raises SettingsError.
    """
    if laid.mqtt.host != own.mqtt.host and laid.mqtt.ca_file is None:
        raise SettingsError(
            "mqtt.host: not from afar without TLS: nobody could tell who the other host is; "
            "set mqtt.ca_file on the machine"
        )
    if laid.heartbeat_s != own.heartbeat_s and laid.heartbeat_s > _MOST_HEARTBEAT_S:
        raise SettingsError(
            f"heartbeat_s: not from afar above {_MOST_HEARTBEAT_S:.0f}: it would be called down"
        )


def find_reason(key: str) -> str | None:
    """Why `section.key` may not be set from afar; None where it may."""
    for pattern, reason in _CLOSED:
        if fnmatch(key, pattern):
            return reason
    return None if any(fnmatch(key, pattern) for pattern in _OPEN) else _ELSE


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """All values of a table and its tables, by their whole name."""
    return dict(_walk(table, prefix))


def _walk(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _walk(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def find_changed(before: EdgeSettings, after: EdgeSettings) -> tuple[str, ...]:
    """The keys whose values differ."""
    old, new = flatten(before.model_dump()), flatten(after.model_dump())
    return tuple(key for key in {**new, **old} if old.get(key) != new.get(key))
