"""Loading a site file: every problem at once, each with its file, line, key and remedy."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from khaen.errors import SettingsError
from khaen.ids import DevEui
from khaen.lorawan.join import SessionKeys
from khaen.site import keys as keys_file
from khaen.site.check import NOTHING_KNOWN, Known, Problem, problems
from khaen.site.document import Document, Place, read
from khaen.site.explain import explain
from khaen.site.model import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem and where it stands."""

    place: Place
    problem: Problem

    def __str__(self) -> str:
        key = self.problem.key
        return (
            f"{self.place}: {f'{key}: ' if key else ''}{self.problem.text} ({self.problem.remedy})"
        )


class SiteErrors(SettingsError):
    """Everything that is wrong with a site file, one line each; `findings` has it in parts."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A site that is right. Paths in it are absolute; `warnings` are to be said aloud."""

    site: Site
    keys: Mapping[DevEui, SessionKeys]
    warnings: tuple[Finding, ...]


def load(file: Path, known: Known = NOTHING_KNOWN, *, with_keys: bool = True) -> Loaded:
    """Read and check a site file, its lists and its keys. Raises SiteErrors with all there is.

    Without `with_keys` the keys file is not opened: it may not exist yet, or belong to another.
    """
    document = read(file)
    _resolve_paths(document)
    keys: dict[DevEui, SessionKeys] | None = None
    if with_keys and isinstance(path := document.value.get("keys_file"), str):
        keys = _read_keys(document, Path(path))
    known = replace(known, keys=None if keys is None else frozenset(keys))
    findings = [Finding(place=place, problem=problem) for place, problem in document.problems]
    site = _validate(document, findings)
    findings += (
        Finding(place=document.place(problem.path), problem=_full(document, problem))
        for problem in problems(document.value, known)
    )
    errors = [finding for finding in findings if not finding.problem.warning]
    if errors or site is None:
        raise SiteErrors(tuple(sorted(errors, key=_order(file))))
    warnings = [finding for finding in findings if finding.problem.warning]
    return Loaded(site=site, keys=keys or {}, warnings=tuple(sorted(warnings, key=_order(file))))


def read_keys(file: Path) -> Mapping[DevEui, SessionKeys]:
    """The keys that the site file's keys file has, complete or not. Raises SiteErrors."""
    document = read(file)
    _resolve_paths(document)
    path = document.value.get("keys_file")
    keys = _read_keys(document, Path(path)) if isinstance(path, str) else None
    if document.problems:
        raise SiteErrors(tuple(Finding(place=at, problem=p) for at, p in document.problems))
    return keys or {}


def _order(file: Path) -> Callable[[Finding], tuple[bool, str, int, str]]:
    return lambda f: (f.place.file != file, str(f.place.file), f.place.line, f.problem.key)


def _validate(document: Document, findings: list[Finding]) -> Site | None:
    if not document.value and document.problems:
        return None  # it could not be read at all, which was said
    try:
        return Site.model_validate(document.value)
    except ValidationError as error:
        unread = {problem.path for _, problem in document.problems}
        for detail in error.errors(include_url=False):
            # The model's own check of the whole says again what `problems` says with its place,
            # and a list of wrong entries counts as one without any.
            again = not detail["loc"] or (detail["type"] == "too_short" and detail["input"])
            if not again and detail["loc"] not in unread:
                problem = explain(detail)
                findings.append(Finding(place=document.place(problem.path), problem=problem))
    return None


def _full(document: Document, problem: Problem) -> Problem:
    if problem.other is None:
        return problem
    return replace(problem, text=f"{problem.text}; see also {document.place(problem.other)}")


def _resolve_paths(document: Document) -> None:
    """Make what names a file absolute: paths are relative to the site file."""
    folder = document.file.resolve().parent
    tables: list[tuple[Any, str]] = [(document.value, "keys_file")]
    addresses = document.value.get("addresses")
    if isinstance(addresses, list):
        tables += [(entry, "url_file") for entry in addresses]
    for table, key in tables:
        if isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = str(folder / table[key])


def _read_keys(document: Document, path: Path) -> dict[DevEui, SessionKeys] | None:
    key = ("keys_file",)
    try:
        private, text = keys_file.is_private(path), path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        remedy = "make it: `khaen site keys`, or copy the one that belongs to this site"
        document.complain(document.place(key), key, f"there is no {path}", remedy)
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        document.complain(document.place(key), key, f"{path}: {reason}", "mend the file's rights")
        return None
    if not private:
        text_of = f"{path} can be read by others than its owner"
        document.complain(document.place(key), key, text_of, f"chmod 600 {path}")
        return None
    return _parse_keys(document, path, text)


def _parse_keys(document: Document, path: Path, text: str) -> dict[DevEui, SessionKeys]:
    found: dict[DevEui, SessionKeys] = {}
    rows = csv.reader(io.StringIO(text, newline=""))
    header = [cell.strip() for cell in next(rows, [])]
    if header != list(keys_file.HEADER):
        line = ",".join(keys_file.HEADER)
        document.complain(
            Place(path, 1), (), "has another first line", f"let the first line be {line}"
        )
        return found
    for cells in rows:
        place = Place(path, rows.line_num)
        if not any(cells):
            continue
        try:
            dev_eui, pair = keys_file.parse_pair(*cells)
        except (ValueError, TypeError) as error:
            text_of = str(error) if isinstance(error, ValueError) else "a row has three cells"
            document.complain(place, (), text_of, "write dev_eui,nwk_s_key,app_s_key in hex digits")
            continue
        if dev_eui in found:
            document.complain(place, (), f"{dev_eui} has keys already", "take one row out")
        found[dev_eui] = pair
    return found
