"""A mapping to begin with, proposed from what a codec says in its vendor's own cases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from decoders.javascript import path as paths
from decoders.javascript.cases import Suite
from decoders.javascript.engine import Engine
from decoders.javascript.path import Path
from decoders.javascript.vocabulary import EVENTS, Guess
from decoders.javascript.vocabulary import QUANTITIES as NAMES
from khaen.quantity import QUANTITIES
from khaen.reading import EventKind

_NUMBER_FIRST = re.compile(r"\s*[-+]?\d")
_MOST_SHOWN = 5
_LONGEST = 24
_MOST_VOLTS = 15
"""A battery of more is a percentage."""

_HEAD = """\
# Proposed from the vendor's own cases, {count} objects in all. Look through every entry: what it
# means, its unit, the values that say that there is none. Then take away the line `draft = true`.
draft = true
maker = {maker}
model = {model}
source = "where the codec and its words come from"
version = 1
"""


def draft_mapping(suite: Suite, engine: Engine) -> str:
    """The text of a mapping file for a person to finish. Raises NotRunnable."""
    outcomes = engine.decode_batch(suite.requests())
    maker, _, model = suite.codec.id.partition("/")
    objects = [outcome.data for outcome in outcomes if outcome.data is not None]
    return render(objects, maker=maker, model=model)


def render(objects: Sequence[Mapping[str, Any]], *, maker: str, model: str) -> str:
    """The same from objects; a draft that `mapping.parse` reads and `mapping.load` refuses."""
    seen: dict[Path, list[Any]] = {}
    for data in objects:
        for path, value in paths.leaves(data):
            seen.setdefault(path, []).append(value)
    entries, rest = [], []
    for path, values in seen.items():
        lines = _event(path, values) or _reading(path, values)
        entry = "\n".join(lines) if _can_be_written(path) else ""
        if entry:
            entries.append(entry)
        else:
            rest.append(f"# {_path(path)}: {_show(values)}")
    head = _HEAD.format(count=len(objects), maker=_quote(maker), model=_quote(model))
    left = ["# Not mapped; name under `raw` what shall not be listed:", *rest, "raw = []"]
    return "\n\n".join([head + "\n".join(left if rest else []), *entries]).rstrip() + "\n"


def _event(path: Path, values: Sequence[Any]) -> list[str]:
    name = _plain(path[-1])
    kind = next((kind for part, kind in EVENTS.items() if part in name), None)
    if kind is None or not all(isinstance(value, bool | str) for value in values):
        return []
    words = sorted({_word(value) for value in values})
    if any(isinstance(value, bool) for value in values):
        kinds, ignored = {"true": kind}, ["false"]
    else:
        kinds = {word: _kind(word, kind) for word in words}
        ignored = []
    table = ", ".join(f"{_quote(word)} = {_quote(k)}" for word, k in kinds.items())
    return [
        f"# {_show(values)}; add the words that no case has",
        "[[events]]",
        f"path = {_path(path)}",
        f"kinds = {{{table}}}",
        f"ignore = {json.dumps(ignored)}",
    ]


def _kind(word: str, otherwise: EventKind) -> EventKind:
    plain = _plain(word)
    return next((kind for part, kind in EVENTS.items() if part in plain), otherwise)


def _reading(path: Path, values: Sequence[Any]) -> list[str]:
    guess = _guess(path, values)
    in_text = all(isinstance(v, str) and _NUMBER_FIRST.match(v) for v in values)
    if guess is None or not (in_text or all(isinstance(v, bool | int | float) for v in values)):
        return []
    quantity = QUANTITIES[guess.quantity]
    lines = [f"# {_show(values)}", "[[readings]]", f"path = {_path(path)}"]
    lines += [f'quantity = "{guess.quantity}"', f'unit = "{guess.unit or quantity.unit}"']
    if guess.factor != 1:
        lines.append(f"factor = {guess.factor!r}")
    if in_text:
        lines.append("number_in_text = true")
    elif not all(quantity.low <= v * guess.factor <= quantity.high for v in values):
        bounds = f"{quantity.low:g} to {quantity.high:g} {quantity.unit}"
        lines[0] += f"; some are not within {bounds}: another unit, or `missing`?"
    return lines


def _guess(path: Path, values: Sequence[Any]) -> Guess | None:
    """By the last key that is a name: `value` and its like say nothing of themselves."""
    for name in _names(path):
        guess = NAMES.get(name)
        if guess is None:
            continue
        if name == "battery" and all(isinstance(v, bool) for v in values):
            return None  # whether it is low
        numbers = [v for v in values if isinstance(v, int | float)]
        if name == "battery" and numbers and max(numbers) <= _MOST_VOLTS:
            return NAMES["batteryvoltage"]
        return guess
    return None


def _names(path: Path) -> Iterator[str]:
    keys = [step for step in path if isinstance(step, str) and step != paths.EACH]
    if keys and _plain(keys[-1]) in {"value", "val", "data"}:
        keys.pop()
    return (_plain(key) for key in keys[-1:])


def _plain(step: str | int) -> str:
    return re.sub(r"[^a-z0-9]", "", str(step).lower())


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _path(path: Path) -> str:
    return _quote(paths.render(path))


def _can_be_written(path: Path) -> bool:
    try:
        return paths.parse(paths.render(path)) == path
    except ValueError:
        return False


def _quote(value: Any) -> str:
    """As JSON and TOML both have it; TOML wants DEL escaped, too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _show(values: Sequence[Any]) -> str:
    told = dict.fromkeys(_quote(value)[:_LONGEST] for value in values)
    return ", ".join(list(told)[:_MOST_SHOWN]) + (", …" if len(told) > _MOST_SHOWN else "")
