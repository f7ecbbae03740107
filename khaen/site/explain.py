"""What pydantic found wrong with a site file, in words that say what to do."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from khaen.site.check import Path, Problem, suggest
from khaen.site.model import Site

_EUI = (
    "write the 16 hexadecimal digits that are printed on it; a spreadsheet that showed it as a "
    "number has lost digits: format the column as text and enter it anew"
)
# By key, whatever is wrong with its value.
_REMEDIES = {
    "dev_eui": _EUI,
    "eui": _EUI,
    "dev_addr": "write the 8 hexadecimal digits of the DevAddr, in quotes",
    "net_ids": "write six hexadecimal digits in quotes, such as '000013'",
    "prefixes": "write a DevAddr and the number of its leading bits, such as '26010000/16'",
    "counter": "write `continues`, or `restarts` for a device that counts anew after a battery",
    "latitude": "write degrees north as a decimal number, such as 16.4419",
    "longitude": "write degrees east as a decimal number, such as 102.8360",
    "name": "write a text (of organisations and places: `{th: …, en: …}`)",
}
# By pydantic's type of error.
_TYPES = {
    "bool_parsing": "write true or false",
    "float_parsing": "write a number, with a point before its decimals",
    "int_parsing": "write a whole number",
    "string_too_short": "write a text, or take the key out",
    "tuple_type": "write a list: one entry a line, each after a dash",
    "model_type": "write a table of keys, indented below this one",
    "model_attributes_type": "write a table of keys, indented below this one",
    "dict_type": "write a table of keys, indented below this one",
    "too_short": "write at least one entry",
}
_SLUG = "write an id of 1 to 64 letters, digits, '_', '.', '-', beginning with a letter or digit"


def explain(error: ErrorDetails) -> Problem:
    """One error of `Site.model_validate` as a problem."""
    path: Path = tuple(part for part in error["loc"] if part != "[key]")
    kind = error["type"]
    if kind == "extra_forbidden":
        word = str(path[-1])
        return Problem(
            path=path,
            text=f"there is no key {word!r} here",
            remedy=suggest(word, keys_at(path[:-1])),
        )
    if kind == "missing":
        return Problem(path=path, text="is missing", remedy=f"add `{path[-1]}: …`")
    text = error["msg"].removeprefix("Value error, ")
    if text.startswith("Input "):  # a sentence of pydantic's own
        text = "i" + text[1:]
    return Problem(path=path, text=text, remedy=_remedy(path, kind, text, error))


def _remedy(path: Path, kind: str, text: str, error: ErrorDetails) -> str:
    names = [part for part in path if isinstance(part, str)]
    if names and names[-1] in _REMEDIES:
        return _REMEDIES[names[-1]]
    if "is not an id" in text:
        return _SLUG
    limits = error.get("ctx", {})
    bounds = [f"{name} {limits[name]}" for name in ("ge", "gt", "le", "lt") if name in limits]
    if bounds:
        words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
        return "write a number of " + " and ".join(
            f"{words[bound.split()[0]]} {bound.split()[1]}" for bound in bounds
        )
    return _TYPES.get(kind, "look the key up in docs/site-file.md")


def keys_at(path: Path) -> Iterable[str]:
    """The keys that the model allows in the table at `path`; none where there is no such table."""
    found: Any = Site
    for part in path:
        found = _inside(found, part)
        if found is None:
            return ()
    return found.model_fields if _is_model(found) else ()


def _inside(kind: Any, part: str | int) -> Any:
    if _is_model(kind):
        field = kind.model_fields.get(str(part))
        return _plain(field.annotation) if field else None
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and isinstance(part, int):
        return _plain(arguments[0])
    if typing.get_origin(kind) in (dict, Mapping):
        return _plain(arguments[1])
    return None


def _plain(annotation: Any) -> Any:
    """An annotation without `| None`."""
    if isinstance(annotation, types.UnionType):
        return next(a for a in typing.get_args(annotation) if a is not type(None))
    return annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
