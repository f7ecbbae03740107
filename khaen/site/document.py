"""Reading a site file as plain data, with the file and line of everything in it.

Every scalar of the YAML is a text, whatever YAML would make of it: it would read the EUI
0000000000000012 as the number 10, and the country code NO as False. Lists of organisations,
places, gateways and devices may stand in CSV files, whose columns are keys, `position.latitude`
those of a table within.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from khaen.site.check import Path as Key
from khaen.site.check import Problem

LISTS = frozenset({"organisations", "places", "gateways", "devices"})
_LARGEST_BYTES = 64 * 1024 * 1024
_MOST_NODES = 500_000  # a file of aliases to aliases would otherwise grow without end
_NULL = "tag:yaml.org,2002:null"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; lines count from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class Document:
    """What was read: texts, lists and tables; where each stands; and what could not be read."""

    file: Path
    value: dict[str, Any] = field(default_factory=dict)
    places: dict[Key, Place] = field(default_factory=dict)
    problems: list[tuple[Place, Problem]] = field(default_factory=list)
    nodes: int = 0

    def place(self, path: Key) -> Place:
        """Where a path stands, or what is nearest above it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.file, 1))

    def complain(self, place: Place, path: Key, text: str, remedy: str) -> None:
        """Note what is wrong and go on."""
        self.problems.append((place, Problem(path=path, text=text, remedy=remedy)))


def read(file: Path, *, begins: str = "site: name-of-the-site") -> Document:
    """Read a site file and the lists it names; what cannot be read is in its problems.

    Another kind of file `begins` otherwise.
    """
    document = Document(file)
    text = _text(document, file, ())
    node = None
    if text is not None:
        try:
            node = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError as error:
            _complain_of_yaml(document, error)
            return document
    if isinstance(node, yaml.MappingNode):
        try:
            value = _table(document, node, (), frozenset())
        except RecursionError:
            document.complain(Place(file, 1), (), "is nested too deeply", "write fewer levels")
            return document
        document.value.update({name: _listed(document, name, v) for name, v in value.items()})
    elif text is not None:
        document.complain(Place(file, 1), (), "is not a table of keys", f"begin with `{begins}`")
    return document


def _text(document: Document, file: Path, path: Key) -> str | None:
    place = document.place(path)
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            document.complain(place, path, f"{file} is over 64 MB", "is it the right file?")
            return None
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        document.complain(
            place, path, f"cannot read {file}: {error.strerror}", "correct the path or its rights"
        )
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        document.complain(
            Place(file, line), path, "is not UTF-8", "save it as UTF-8 (in Excel: CSV UTF-8)"
        )
    return None


def _complain_of_yaml(document: Document, error: yaml.YAMLError) -> None:
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None) or str(error)
    remedy = "indent with spaces, and put quotes around texts that hold `: ` or begin with a sign"
    if "single document" in str(error):
        remedy = "take out the line `---` in the middle; it is to be one document"
    document.complain(
        Place(document.file, mark.line + 1 if mark else 1), (), f"is not YAML: {text}", remedy
    )


# -- YAML -------------------------------------------------------------------


def _value(document: Document, node: yaml.Node, path: Key, above: frozenset[int]) -> Any:
    """The node as texts, lists and tables; None for an empty one."""
    document.nodes += 1
    document.places.setdefault(path, _at(document, node))
    if id(node) in above or document.nodes > _MOST_NODES:
        if document.nodes <= _MOST_NODES + 1:
            document.complain(
                _at(document, node), path, "refers to itself", "write it out instead of `*alias`"
            )
        document.nodes += document.nodes > _MOST_NODES
        return None
    if isinstance(node, yaml.MappingNode):
        return _table(document, node, path, above)
    if isinstance(node, yaml.SequenceNode):
        inside = above | {id(node)}
        return [_value(document, n, (*path, i), inside) for i, n in enumerate(node.value)]
    return None if node.tag == _NULL else node.value


def _table(
    document: Document, node: yaml.MappingNode, path: Key, above: frozenset[int]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = _at(document, key_node)
        if not isinstance(key_node, yaml.ScalarNode):
            document.complain(place, path, "a key is not a text", "write `key: value`")
            continue
        key, inside = key_node.value, (*path, key_node.value)
        if inside in document.places and key in found:
            document.complain(
                place,
                inside,
                f"stands here for the second time; first at {document.places[inside]}",
                "take one of the two out",
            )
            continue
        document.places[inside] = place
        value = _value(document, value_node, inside, above | {id(node)})
        if value is not None:
            found[key] = value
    return found


def _at(document: Document, node: yaml.Node) -> Place:
    return Place(document.file, node.start_mark.line + 1)


# -- CSV --------------------------------------------------------------------


def _listed(document: Document, name: str, value: Any) -> Any:
    """A list whose entries may stand in CSV files: `devices: devices.csv`, or names in the list."""
    if name not in LISTS:
        return value
    if isinstance(value, str):
        rows: list[Any] = []
        _append(document, rows, name, value, document.place((name,)))
        return rows
    if not isinstance(value, list) or not any(isinstance(entry, str) for entry in value):
        return value
    places = _take_places(document, name)
    rows = []
    for index, entry in enumerate(value):
        if isinstance(entry, str):
            _append(document, rows, name, entry, places[index][()])
        else:
            for rest, place in places[index].items():
                document.places[(name, len(rows), *rest)] = place
            rows.append(entry)
    return rows


def _take_places(document: Document, name: str) -> defaultdict[str | int, dict[Key, Place]]:
    """The places within a list by entry, taken out: CSV rows will move the entries."""
    taken: defaultdict[str | int, dict[Key, Place]] = defaultdict(dict)
    for path in [p for p in document.places if p[0:1] == (name,) and len(p) > 1]:
        taken[path[1]][path[2:]] = document.places.pop(path)
    return taken


def _append(document: Document, rows: list[Any], name: str, listed: str, named_at: Place) -> None:
    document.places[(name, len(rows))] = named_at
    file = document.file.parent / listed
    text = _text(document, file, (name, len(rows)))
    if text is None:
        return
    for row, places in _rows(document, file, name, text):
        path = (name, len(rows))
        document.places.update({(*path, *rest): place for rest, place in places.items()})
        rows.append(row)


def _rows(
    document: Document, file: Path, name: str, text: str
) -> Iterator[tuple[dict[str, Any], dict[Key, Place]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    line = 1
    try:
        for raw in reader:
            place, line = Place(file, line), reader.line_num + 1
            cells = [cell.strip() for cell in raw]
            if not any(cells):
                continue
            if not header:
                header = cells
                if not _has_header(document, place, name, header):
                    return
            elif len(cells) > len(header) and any(cells[len(header) :]):
                document.complain(
                    place,
                    (name,),
                    f"this row has {len(cells)} cells, the first line names {len(header)}",
                    'put quotes around a text that holds a comma: "a, b"',
                )
            else:
                yield _row(header, cells, place)
    except csv.Error as error:
        document.complain(
            Place(file, line), (name,), f"is not CSV: {error}", "check the quotes of this row"
        )


def _has_header(document: Document, place: Place, name: str, header: list[str]) -> bool:
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        document.complain(
            place,
            (name,),
            "its columns are not separated by commas",
            "save it with commas (in Excel: CSV UTF-8, with a comma as list separator)",
        )
        return False
    for column in {column for column in header if header.count(column) > 1}:
        document.complain(
            place, (name,), f"the column {column!r} stands there twice", "take one out"
        )
        return False
    return True


def _row(
    header: list[str], cells: list[str], place: Place
) -> tuple[dict[str, Any], dict[Key, Place]]:
    row: dict[str, Any] = {}
    places: dict[Key, Place] = {(): place}
    for column, cell in zip(header, cells, strict=False):
        path = tuple(column.split("."))
        places[path] = place
        if not cell:
            continue
        table = row
        for part in path[:-1]:
            table = table.setdefault(part, {})
        table[path[-1]] = cell
    return row, places
