"""A public catalogue of codecs, taken into a folder of drafts: codec, proposed mapping, cases.

Nothing of it is a family yet: each mapping waits for somebody to look through it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from decoders.javascript import cases, mapping
from decoders.javascript.cases import Suite
from decoders.javascript.codec import Fault, Request
from decoders.javascript.draft import draft_mapping
from decoders.javascript.engine import Engine
from khaen.errors import SettingsError
from khaen.files import write_private

LONGEST_NAME = 64
"""Characters of an id (khaen/ids.py)."""


class How(enum.StrEnum):
    """What became of one codec."""

    NEW = "new"
    CHANGED = "changed"
    """The vendor's codec or its cases are others now; a mapping that is there stays."""
    SAME = "the same"
    REFUSED = "not taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One codec of a checkout: its name here, how many cases it has and how many fail.

    `why` is the reason where it was not taken, else what its person should know.
    """

    name: str
    how: How
    why: str = ""
    cases: int = 0
    failed: int = 0
    mapped: int = 0
    """Entries of the proposed mapping."""


@dataclass(slots=True, kw_only=True)
class Catalogue:
    """What a checkout has: suites by the names that they get here, and what cannot be read."""

    suites: dict[str, Suite] = field(default_factory=dict)
    refused: list[Taken] = field(default_factory=list)


def read(files: Iterable[Path], engine: Engine) -> Catalogue:
    """The codecs of these files of cases (see `cases.find`); several may be of one codec.

    The engine is made with LIMITS_FOR_CASES. Raises NotRunnable.
    """
    found = Catalogue()
    for path in files:
        try:
            suite = cases.load(path, engine)
        except SettingsError as error:
            found.refused.append(Taken(name=path.stem, how=How.REFUSED, why=str(error)))
            continue
        name = name_of(suite.codec.id)
        known = found.suites.setdefault(name, suite)
        if known.path != suite.path:
            why = f"{suite.path}: {known.path} has this name already"
            found.refused.append(Taken(name=name, how=How.REFUSED, why=why))
        elif known is not suite:
            found.suites[name] = replace(known, cases=known.cases + suite.cases)
    return found


def take(catalogue: Catalogue, folder: Path, engine: Engine) -> Iterator[Taken]:
    """Take codecs into `folder`, one after the other; then what could not be taken.

    Raises NotRunnable where the folder cannot be written.
    """
    for name, suite in catalogue.suites.items():
        yield _take(name, suite, folder, engine)
    yield from catalogue.refused


def name_of(codec: str) -> str:
    """An id made of a vendor's names: small letters, digits and `_`."""
    return re.sub(r"[^a-z0-9]+", "_", codec.lower()).strip("_")[:LONGEST_NAME]


def fault_in_loading(request: Request, engine: Engine) -> str | None:
    """Why the codec of a request cannot be loaded at all; None where it can."""
    (outcome,) = engine.decode_batch([request])
    return "; ".join(outcome.errors) if outcome.fault is Fault.LOAD else None


def _take(name: str, suite: Suite, folder: Path, engine: Engine) -> Taken:
    request = Request(codec=suite.codec, payload=b"\0", f_port=1, received_at=cases.UNDATED)
    if (fault := fault_in_loading(request, engine)) is not None:
        return Taken(name=name, how=How.REFUSED, why=fault)
    failed = sum(1 for _ in cases.failures(suite, engine))
    script, table = folder / f"{name}.js", folder / f"{name}.toml"
    new = not table.exists()
    changed = _write(script, suite.codec.source) | _write(
        folder / cases.beside(name), cases.render(suite)
    )
    if new:
        _write(table, draft_mapping(suite, engine))
    how = How.NEW if new else How.CHANGED if changed else How.SAME
    return Taken(
        name=name,
        how=how,
        why=_remark(suite, table),
        cases=len(suite.cases),
        failed=failed,
        mapped=_entries(table),
    )


def _write(path: Path, text: str) -> bool:
    """Put the text there where it is another; whether it was."""
    content = text.encode("utf-8", "replace")
    if path.exists() and path.read_bytes() == content:
        return False
    write_private(path, content)
    return True


def _entries(table: Path) -> int:
    try:
        found = mapping.parse(table.read_text("utf-8"))
    except SettingsError:
        return 0
    return len(found.readings) + len(found.events)


def _remark(suite: Suite, table: Path) -> str:
    if not suite.cases:
        return "it has no cases: nothing could be proposed"
    return "" if _entries(table) else "nothing in it has a name that is known"
