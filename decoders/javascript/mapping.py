"""A codec's mapping file: which of its words are which readings and events. Nothing is guessed.

It is TOML and stands beside the codec, under its name. docs/codecs.md says it key by key.
"""

from __future__ import annotations

import json
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from decoders.javascript import path as paths
from khaen.errors import SettingsError
from khaen.quantity import QUANTITIES
from khaen.reading import EventKind

Scalar = bool | int | float | str
PathText = Annotated[paths.Path, BeforeValidator(paths.parse)]
"""Text in the file, steps here."""
TimeForm = Literal["rfc3339", "s", "ms"]
_MOST_NAMES = 5


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class MeasuredAt(_Table):
    """Where the device's own time stands."""

    path: PathText
    form: TimeForm = "rfc3339"
    """RFC 3339 with a zone, or seconds or milliseconds since 1970."""


class ReadingEntry(_Table):
    """One value of the object that is a reading: (number × factor + offset) in `unit`."""

    path: PathText
    quantity: str
    """An id of the catalogue."""
    unit: str = ""
    """The codec's unit, in UCUM; needed where factor or offset convert it, else the catalogue's."""
    factor: float = 1.0
    offset: float = 0.0
    missing: tuple[Scalar, ...] = ()
    """Values that say that there is none."""
    values: dict[str, float] = Field(default_factory=dict)
    """What the codec's words stand for, where it says words: `{open = 1, closed = 0}`."""
    number_in_text: bool = False
    """The codec writes `"31 °C"`: the number at the text's beginning is meant."""
    channel: str = ""
    channel_key: str = ""
    """Beside the value, in the same object: what tells its channel. A list's elements without one
    are numbered from 1."""
    measured_at: MeasuredAt | None = None
    """In place of the mapping's."""

    @model_validator(mode="after")
    def _check(self) -> ReadingEntry:
        quantity = QUANTITIES.get(self.quantity)
        if quantity is None:
            raise ValueError(f"quantity {self.quantity!r} is not in the catalogue; {_near(self)}")
        converts = (self.factor, self.offset) != (1.0, 0.0)
        if converts and not self.unit:
            raise ValueError(
                f"{self.quantity}: say in which unit the codec speaks; the catalogue has"
                f" {quantity.unit}"
            )
        if not converts and self.unit not in {"", quantity.unit}:
            raise ValueError(
                f"{self.quantity} is in {quantity.unit}, the codec's unit is {self.unit};"
                " add the factor or the offset between them"
            )
        return self


class EventEntry(_Table):
    """One value of the object that tells events."""

    path: PathText
    kinds: dict[str, EventKind] = Field(min_length=1)
    """What the codec's words stand for: `{pressed = "sos"}`; truth values are `true`, `false`."""
    ignore: tuple[str, ...] = ()
    """Words that stand for nothing: `["released"]`."""
    press: PathText | None = None
    """Where the running count of presses stands."""
    detail: dict[str, PathText] = Field(default_factory=dict)
    """Numbers to keep with the event, by name."""
    measured_at: MeasuredAt | None = None


class Mapping(_Table):
    """A whole file: what the family is, and what its codec's words mean."""

    maker: str = Field(min_length=1)
    model: str = Field(min_length=1)
    source: str = Field(min_length=1)
    """Where codec and words come from: a document's address."""
    version: int = Field(ge=1)
    """Rises with every change of what comes out, also by a new codec."""
    draft: bool = False
    """Not looked through by a person yet; such a file is refused."""
    priority_f_ports: frozenset[Annotated[int, Field(ge=1, le=255)]] = frozenset()
    expects_answer: bool = False
    measured_at: MeasuredAt | None = None
    readings: tuple[ReadingEntry, ...] = ()
    events: tuple[EventEntry, ...] = ()
    raw: tuple[PathText, ...] = ()
    """What is known and meant to be no reading, all beneath it too: not listed as unmapped."""

    @property
    def quantities(self) -> frozenset[str]:
        """The ids of all quantities that can come."""
        return frozenset(entry.quantity for entry in self.readings)

    @property
    def kinds(self) -> frozenset[EventKind]:
        """All kinds of events that can come."""
        return frozenset(kind for entry in self.events for kind in entry.kinds.values())


NOTHING = Mapping(maker="?", model="?", source="?", version=1)
"""Leaves all that a codec says as it is."""


def load(file: Path) -> Mapping:
    """Read a mapping file. Raises SettingsError with the file, the key and the remedy."""
    mapping = read(file)
    if mapping.draft:
        raise SettingsError(
            f"{file}: it is a draft; look through each entry, then take away the line draft = true"
        )
    return mapping


def read(file: Path) -> Mapping:
    """The same for a file that may be a draft. Raises SettingsError."""
    try:
        return parse(file.read_text("utf-8"))
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from error
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from error


def parse(text: str) -> Mapping:
    """The mapping of a text. Raises SettingsError with the key and the remedy."""
    try:
        return Mapping.model_validate_json(_as_json(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"no TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise SettingsError(f"{where or 'the file'}: {first['msg']}") from error


def _as_json(text: str) -> bytes:
    """TOML's values by way of JSON, from which strict models take lists as tuples and sets."""
    return json.dumps(tomllib.loads(text), default=str).encode()


def _near(entry: ReadingEntry) -> str:
    near = get_close_matches(entry.quantity, QUANTITIES, n=_MOST_NAMES, cutoff=0.5)
    return f"near it are {', '.join(near)}" if near else "khaen/quantity.py lists all"
