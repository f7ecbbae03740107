"""A codec with its mapping, checked and put into a site's folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from decoders.javascript import cases, family, mapping
from decoders.javascript.cases import UNDATED, Suite
from decoders.javascript.checkout import fault_in_loading, name_of
from decoders.javascript.codec import Request
from decoders.javascript.coverage import Coverage
from decoders.javascript.engine import Engine
from decoders.javascript.family import Family
from khaen.errors import SettingsError
from khaen.files import write_private


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What was put there, and what its vendor's cases say of it.

    `failures` are cases that do not pass, as one line each; `unmapped` keys stay raw; entries of
    the mapping that are `absent` came in no case.
    """

    name: str
    version: int
    cases: int
    failures: tuple[str, ...]
    unmapped: tuple[str, ...]
    absent: tuple[str, ...]


def add(script: Path, table: Path, name: str, folder: Path, engine: Engine) -> Added:
    """Put a codec into `folder` as the family `name`, with its mapping and, where it has them
    beside it, its cases. The engine is made with LIMITS_FOR_CASES.

    Raises SettingsError for a codec that cannot be loaded, a mapping that is wrong or a draft, and
    for a change that keeps the version. Raises NotRunnable where the folder cannot be written.
    """
    if name != name_of(name):
        raise SettingsError(f"{name}: a family's id has a-z, 0-9 and _ only; try {name_of(name)}")
    found = family.load_one(script, table)
    found = replace(found, codec=replace(found.codec, id=name))
    request = Request(codec=found.codec, payload=b"\0", f_port=1, received_at=UNDATED)
    if (fault := fault_in_loading(request, engine)) is not None:
        raise SettingsError(f"{script}: the codec cannot be loaded: {fault}")
    _refuse_the_same_version(found, folder)
    suite = read_cases(script, engine)
    added = _try_out(found, suite, engine)
    folder.mkdir(parents=True, exist_ok=True)
    if suite.cases:
        write_private(folder / cases.beside(name), cases.render(suite).encode())
    # The mapping last: a codec without one is no family yet.
    write_private(folder / f"{name}.js", found.codec.source.encode())
    write_private(folder / f"{name}.toml", table.read_bytes())
    return added


def read_cases(script: Path, engine: Engine) -> Suite:
    """The cases beside a codec, none where there are none. Raises SettingsError."""
    path = script.with_name(cases.beside(script.stem))
    if path.exists():
        return cases.load(path, engine)
    return Suite(codec=family.read_codec(script), path=script, cases=())


def _try_out(found: Family, suite: Suite, engine: Engine) -> Added:
    coverage = Coverage(found.mapping)
    for outcome in engine.decode_batch(suite.requests()):
        if outcome.data is not None:
            coverage.note(outcome.data)
    return Added(
        name=found.codec.id,
        version=found.mapping.version,
        cases=len(suite.cases),
        failures=tuple(f"{case.name}: {why}" for case, why in cases.failures(suite, engine)),
        unmapped=tuple(coverage.unmapped()),
        absent=coverage.absent() if suite.cases else (),
    )


def _refuse_the_same_version(found: Family, folder: Path) -> None:
    """What was read by a version must stay readable as that version's."""
    script, table = folder / f"{found.codec.id}.js", folder / f"{found.codec.id}.toml"
    if not (script.exists() and table.exists()):
        return
    try:
        known = mapping.load(table)
    except SettingsError:
        return  # it is no family now
    same = (known, family.read_codec(script).digest) == (found.mapping, found.codec.digest)
    if not same and found.mapping.version <= known.version:
        raise SettingsError(
            f"{found.codec.id}: codec or mapping differ from those in {folder}, which have version"
            f" {known.version}; give the mapping version = {known.version + 1}"
        )
