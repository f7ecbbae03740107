"""Vendors' own cases, run: those of one codec, of a folder of codecs, or of a whole catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from decoders.javascript import cases
from decoders.javascript.engine import Engine
from khaen.errors import SettingsError

_ANY = cases.beside("*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One file of cases: `failures` are those that do not pass, a line each.

    `unread` says why the file, or its codec, could not be read at all.
    """

    name: str
    cases: int = 0
    failures: tuple[str, ...] = ()
    unread: str = ""


def find(what: str, folder: Path | None) -> Sequence[Path]:
    """The files of cases of what is named: a checkout, a codec's file, a family in `folder`, or
    all of `folder`. Raises SettingsError where there are none.
    """
    if what and Path(what).is_dir():
        return cases.find(Path(what))
    if what.endswith(".js"):
        return [cases_of(Path(what))]
    if folder is None:
        raise SettingsError("there is no folder of codecs; name it by --codecs, or a checkout")
    if what:
        return [cases_of(folder / f"{what}.js")]
    found = sorted(folder.glob(_ANY))
    if not found:
        raise SettingsError(f"{folder}: no cases there ({_ANY})")
    return found


def cases_of(script: Path) -> Path:
    """The file of cases beside a codec. Raises SettingsError where there is none."""
    if not script.exists():
        raise SettingsError(f"{script}: there is no such codec")
    names = (cases.beside(script.stem), f"{script.stem}-codec.yaml", f"{script.stem}.yaml")
    found = next((p for p in map(script.with_name, names) if p.exists()), None)
    if found is None:
        raise SettingsError(f"{script}: no cases beside it; write {names[0]} or {names[1]}")
    return found


def run(files: Iterable[Path], engine: Engine) -> Iterator[Trial]:
    """Run one file of cases after the other. Raises NotRunnable."""
    for path in files:
        try:
            suite = cases.load(path, engine)
        except SettingsError as error:
            yield Trial(name=path.name, unread=str(error))
            continue
        failures = tuple(f"{case.name}: {why}" for case, why in cases.failures(suite, engine))
        yield Trial(name=suite.codec.id, cases=len(suite.cases), failures=failures)
