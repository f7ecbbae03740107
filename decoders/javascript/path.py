"""Where a value stands in a codec's object: `air.temperature`, `channels[*].value`, `['a.b'].c`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|\['([^']+)'\]|\[(\*|\d+)\]")
EACH = "*"
"""The step that stands for every element of a list."""
MOST_ELEMENTS = 256
"""Of one list in one object; the rest is not looked at."""
DEEPEST = 32

Step = str | int
Path = tuple[Step, ...]


def parse(text: str) -> Path:
    """The steps of a path. Raises ValueError for a text that is none.

    A key stands between dots, one with a dot or bracket in it as `['a.b']`, an element of a list
    as `[2]`, all elements as `[*]`.
    """
    steps: list[Step] = []
    at = 0
    for match in _STEP.finditer(text):
        if match.start() != at:
            break
        plain, quoted, element = match.groups()
        key = plain if plain is not None else quoted
        steps.append(key if key is not None else element if element == EACH else int(element))
        at = match.end()
    if not steps or at != len(text) or text.startswith("."):
        raise ValueError(f"{text!r} is no path; write for example air.temperature or list[*].value")
    return tuple(steps)


def render(path: Path) -> str:
    """The text that `parse` reads."""
    text = ""
    for step in path:
        if isinstance(step, int) or step == EACH:
            text += f"[{step}]"
        elif re.search(r"[.\[\]]", step):
            text += f"['{step}']"
        else:
            text += f".{step}" if text else step
    return text


def find(data: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every value at a path, with the way that was taken to it; a null is no value."""
    yield from _find(data, path, ())


def _find(data: Any, path: Path, taken: Path) -> Iterator[tuple[Path, Any]]:
    if not path:
        if data is not None:
            yield taken, data
        return
    step, rest = path[0], path[1:]
    if step == EACH and isinstance(data, list):
        for index, each in enumerate(data[:MOST_ELEMENTS]):
            yield from _find(each, rest, (*taken, index))
    elif _has(data, step):
        yield from _find(data[step], rest, (*taken, step))


def _has(data: Any, step: Step) -> bool:
    if isinstance(step, int):
        return isinstance(data, list) and step < len(data)
    return isinstance(data, Mapping) and step in data


def leaves(data: Any, taken: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All values that are no objects, with their ways; the elements of a list share one, `[*]`.

    What lies deeper than DEEPEST is not looked at.
    """
    if len(taken) > DEEPEST:
        return
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from leaves(value, (*taken, str(key)))
    elif isinstance(data, list):
        for each in data[:MOST_ELEMENTS]:
            yield from leaves(each, (*taken, EACH))
    elif data is not None:
        yield taken, data
