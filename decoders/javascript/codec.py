"""What goes into a vendor's codec and what comes out of it."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from khaen.errors import SettingsError

LARGEST_SOURCE = 512 * 1024
"""Characters; the largest of 539 public codecs has less than half of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One source, as its vendor publishes it. `id` is its name for people.

    Raises SettingsError for a source that is too large.
    """

    id: str
    source: str
    digest: str = field(init=False)
    """Tells one source from another, whatever its name: 16 hex digits of SHA-256."""

    def __post_init__(self) -> None:
        if len(self.source) > LARGEST_SOURCE:
            raise SettingsError(
                f"codec {self.id}: {len(self.source)} characters, at most {LARGEST_SOURCE};"
                " take the codec of this one device alone"
            )

        digest = hashlib.sha256(self.source.encode("utf-8", "replace")).hexdigest()[:16]
        object.__setattr__(self, "digest", digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One payload for one codec; `received_at` is the time at which the codec's clock stands."""

    codec: Codec
    payload: bytes
    f_port: int
    received_at: datetime
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class Fault(enum.StrEnum):
    """Why a codec gave nothing; without one it gave something, be it only its own errors."""

    THROWN = "thrown"
    NONSENSE = "nonsense"
    OUTPUT = "output"
    LOAD = "load"
    TIME = "time"
    MEMORY = "memory"
    KILLED = "killed"
    QUARANTINED = "quarantined"


STOPPED = frozenset({Fault.TIME, Fault.MEMORY, Fault.KILLED})
"""What costs others their time: a codec that does it again and again is quarantined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one request.

    `data` is the object that the codec made, also beside `errors` of its own; None where it made
    none. `elapsed_us` is the time in the engine, 0 where it never came there.
    """

    data: Mapping[str, Any] | None = None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fault: Fault | None = None
    elapsed_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one codec may take. `call_s` and `kill_s` are seconds of the process' own time.

    `call_s` ends a script's loop within the engine; `kill_s` ends the process where a built-in
    function does not look up; `wall_s` is for a process that gets no time at all.
    """

    call_s: float = 0.1
    kill_s: float = 0.5
    wall_s: float = 5.0
    context_bytes: int = 16 * 1024**2
    process_bytes: int = 512 * 1024**2
    output_characters: int = 64 * 1024
    contexts: int = 200
    """Codecs kept ready in the process; beyond, the one longest unused makes room."""


LIMITS = Limits()
