"""What a mapping leaves aside and what it waits for in vain, counted over many objects."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping as Table
from typing import Any

from decoders.javascript import path as paths
from decoders.javascript.mapping import EventEntry, Mapping, ReadingEntry
from decoders.javascript.path import EACH, Path

MOST_KEYS = 500
"""Of one codec; one that makes up keys as it goes is not followed further."""
MOST_RAW = 64
LONGEST_RAW = 200
"""So many values of one object that no entry names are kept, and so many characters of each."""


class Coverage:
    """Counts for one mapping. Not for several threads at once."""

    def __init__(self, mapping: Mapping) -> None:
        entries: list[ReadingEntry | EventEntry] = [*mapping.readings, *mapping.events]
        self._entries = tuple(entry.path for entry in entries)
        self._known = frozenset(_general(path) for path in _all(mapping))
        self._raw = mapping.raw
        self._unmapped: Counter[Path] = Counter()
        self._seen: set[Path] = set()
        self.objects = 0

    def note(self, data: Table[str, Any]) -> tuple[tuple[str, str], ...]:
        """Take one object into account; what no entry names of it, and the values as JSON."""
        self.objects += 1
        self._seen.update(
            path for path in self._entries if any(True for _ in paths.find(data, path))
        )
        left = [(path, value) for path, value in paths.leaves(data) if self._is_left(path)]
        for path in {path for path, _ in left}:
            if path in self._unmapped or len(self._unmapped) < MOST_KEYS:
                self._unmapped[path] += 1
        return tuple(
            (paths.render(path), json.dumps(value, ensure_ascii=False)[:LONGEST_RAW])
            for path, value in left[:MOST_RAW]
        )

    def unmapped(self) -> dict[str, int]:
        """Keys that stay raw, and in how many objects they came, the most frequent first."""
        return {paths.render(path): count for path, count in self._unmapped.most_common()}

    def absent(self) -> tuple[str, ...]:
        """Paths of the mapping that never came, in its order."""
        never = (path for path in self._entries if path not in self._seen)
        return tuple(dict.fromkeys(paths.render(path) for path in never))

    def _is_left(self, path: Path) -> bool:
        return path not in self._known and all(path[: len(raw)] != raw for raw in self._raw)


def _all(mapping: Mapping) -> list[Path]:
    found = [mapping.measured_at.path] if mapping.measured_at else []
    for reading in mapping.readings:
        found.append(reading.path)
        if reading.channel_key:
            found.append((*reading.path[:-1], reading.channel_key))
    for event in mapping.events:
        found += [event.path, *event.detail.values(), *([event.press] if event.press else [])]
    dated = [entry.measured_at for entry in mapping.readings]
    dated += [entry.measured_at for entry in mapping.events]
    return found + [each.path for each in dated if each is not None]


def _general(path: Path) -> Path:
    return tuple(EACH if isinstance(step, int) else step for step in path)
