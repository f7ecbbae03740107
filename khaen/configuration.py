"""A gateway's configuration from afar, and what became of it (docs/remote-configuration.md)."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Never

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from khaen.errors import WireError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
"""Tables within tables; settings have three."""
MAX_DIGITS = 18
"""Of a whole number: it fits 64 bits."""
MAX_REASON = 300
MAX_CHANGED = 256

DocumentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Outcome(enum.StrEnum):
    """What became of a document."""

    TRYING = "trying"
    KEPT = "kept"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    UNCHANGED = "unchanged"


class Configuration(BaseModel):
    """What lies over the local file: `settings` has the structure of `edge.toml`.

    It is the whole of it: what a document does not name is the local file's again, and so is what
    is null. `id` is chosen by the publisher, anew for each document.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    v: Literal[1] = 1
    id: DocumentId
    settings: dict[str, Any]


class ConfigurationState(BaseModel):
    """What became of the last document. `id` is None where it was too broken to have one.

    `changed` are the settings that differ from those before it; `configuration` is the hash of
    those in force, as the status has it.
    """

    model_config = ConfigDict(frozen=True)

    v: int = 1
    at: AwareDatetime
    id: str | None
    outcome: Outcome
    reason: str | None = Field(default=None, max_length=MAX_REASON)
    changed: tuple[str, ...] = Field(default=(), max_length=MAX_CHANGED)
    configuration: str


def parse(payload: bytes) -> Configuration:
    """Parse a configuration. Raises WireError `bad_configuration` or `newer_version`."""
    if len(payload) > MAX_BYTES:
        raise WireError("bad_configuration", f"longer than {MAX_BYTES} bytes")
    document = _read(payload)
    if not isinstance(document, dict):
        raise WireError("bad_configuration", "not a JSON object")
    version = document.get("v")
    if isinstance(version, int) and version > 1:
        raise WireError("newer_version", f"configuration v {version}")
    try:
        found = Configuration.model_validate(document)
    except ValidationError as error:
        raise WireError("bad_configuration", _first(error)) from error
    return found.model_copy(update={"settings": _drop_nulls(found.settings)})


def parse_state(payload: bytes) -> ConfigurationState:
    """Parse what became of one. Raises WireError `bad_configuration_state`."""
    try:
        return ConfigurationState.model_validate_json(payload)
    except ValidationError as error:
        raise WireError("bad_configuration_state", _first(error)) from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]


def _read(payload: bytes) -> object:
    """JSON in which every name stands once, every number is finite, and every text can be told."""
    try:
        document: object = json.loads(
            payload.decode(),
            object_pairs_hook=_unite,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_refuse,
        )
        _check(document, MAX_DEPTH)
    except RecursionError as error:
        raise WireError("bad_configuration", "too deep") from error
    except ValueError as error:  # not JSON, not UTF-8
        raise WireError("bad_configuration", str(error)[:200]) from error
    return document


def _unite(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name stands twice in one table")
    return table


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise ValueError("a number is too large")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError("a number is too large")
    return value


def _refuse(text: str) -> Never:
    raise ValueError(f"{text} is not JSON")


def _check(value: object, depth: int) -> None:
    if isinstance(value, str):
        if not value.isprintable():  # a NUL, a line's end, half a surrogate pair
            raise ValueError("a text has characters that cannot be printed")
    elif isinstance(value, dict | list):
        if depth == 0:
            raise ValueError("too deep")
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        for part in parts:
            _check(part, depth - 1)


def _drop_nulls(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _drop_nulls(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }
