"""What an agent remembers of its configurations, in a file beside the outbox."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from khaen import log
from khaen.configuration import Configuration, Outcome
from khaen.errors import NotRunnable
from khaen.files import write_private

_log = log.logger()
_REMEMBERED: Final = 64
"""Decisions; a document whose id is older than these would be tried again."""


def digest(configuration: Configuration) -> str:
    """What tells two documents with the same id apart."""
    return sha256(configuration.model_dump_json().encode()).hexdigest()[:16]


class Decision(BaseModel):
    """What became of a document."""

    model_config = ConfigDict(frozen=True)

    id: str | None
    digest: str
    at: AwareDatetime
    outcome: Outcome
    reason: str | None = None
    changed: tuple[str, ...] = ()


class Memory(BaseModel):
    """The configuration that is kept, the one on trial, and the last decisions, the newest last."""

    model_config = ConfigDict(frozen=True)

    v: Literal[1] = 1
    kept: Configuration | None = None
    trial: Configuration | None = None
    decided: tuple[Decision, ...] = Field(default=())

    def find(self, id_: str) -> Decision | None:
        """What became of the document with this id, as far as it is remembered."""
        return next((d for d in reversed(self.decided) if d.id == id_), None)

    def begin(self, trial: Configuration) -> Memory:
        """With a trial under way."""
        return self.model_copy(update={"trial": trial})

    def decide(self, decision: Decision, kept: Configuration | None) -> Memory:
        """With one decision more, no trial, and `kept` from now on."""
        decided = (*self.decided, decision)[-_REMEMBERED:]
        return Memory(kept=kept, decided=decided)


def read(path: Path) -> Memory:
    """What `path` says, nothing where there is no such file. Raises NotRunnable."""
    try:
        return Memory.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Memory()
    except OSError as error:
        raise NotRunnable(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise NotRunnable(f"{path}: is damaged: the next start moves it aside") from error


def load(path: Path) -> Memory:
    """The same; a file that cannot be used is said aloud, and moved aside where it is damaged: the
    machine's own settings are always there.
    """
    try:
        return read(path)
    except NotRunnable as error:
        _log.error("remote_configuration_lost", reason=str(error))
        if isinstance(error.__cause__, ValidationError):
            with suppress(OSError):
                path.replace(path.with_name(f"{path.name}.damaged"))
        return Memory()


def save(path: Path, known: Memory) -> None:
    """Put it on the disk, whole or not at all. Raises NotRunnable."""
    write_private(path, known.model_dump_json().encode())
