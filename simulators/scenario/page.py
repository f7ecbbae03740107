"""Render docs/scenario-words.md from the models: `python -m simulators.scenario.page FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from simulators.acts import vocabulary as acts
from simulators.acts.duration import show
from simulators.scenario import expectation
from simulators.scenario.expectation import Timed
from simulators.scenario.loader import load, shipped
from simulators.scenario.model import Scenario, SiteOf

_HEAD: Final = """# The words of scenarios

Generated from `simulators/acts`, `simulators/scenario` and `simulators/scenarios` by `make
generated`. How to write a scenario: docs/scenarios.md. Faults: docs/faults.md.
"""
_PLAIN: Final = frozenset({"act", "see", "at", "name"})
_ONCE: Final = {"after", "within"}
"""Keys of several expectations, said once before them."""


def render() -> str:
    """All keys, acts and expectations, in Markdown."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## The file\n"
    yield from _keys(Scenario)
    yield "\n## `site`\n"
    yield from _keys(SiteOf)
    yield "\n## Acts\n"
    yield "Each says `at` which time it happens, and may have a `name`. *Real*: also for real.\n"
    yield from _kinds(acts.KINDS, real=True)
    yield "\n## Expectations\n"
    yield "`alarm`, `no_alarm`, `call` and `change` may say `after` which act by its name (what was"
    yield "before it does not count), and `within` how long at the latest.\n"
    yield from _kinds(expectation.KINDS, real=False)
    yield "\n## Scenarios that ship\n"
    yield "| scenario | lasts | runs | what it shows |"
    yield "|---|---|---|---|"
    for file in shipped():
        found = load(file).scenario
        ways = ", ".join(found.runs)
        yield f"| `{found.name}` | {show(found.lasts)} | {ways} | {found.text.en} |"


def _keys(model: type[BaseModel]) -> Iterator[str]:
    yield "| key | by itself | what |"
    yield "|---|---|---|"
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {_default(field)} | {_text(field.description)} |"


def _kinds(kinds: Mapping[str, type[BaseModel]], *, real: bool) -> Iterator[str]:
    yield f"| word | {'real | ' if real else ''}what | keys |"
    yield f"|---|{'---|' if real else ''}---|---|"
    for name, kind in kinds.items():
        way = f" {'yes' if getattr(kind, 'real', False) else 'no'} |" if real else ""
        yield f"| `{name}` |{way} {_text(kind.__doc__)} | {'; '.join(_fields(kind))} |"


def _fields(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        if name in _PLAIN | (_ONCE if issubclass(kind, Timed) else set()):
            continue
        default = _default(field)
        said = f" {_text(field.description)}" if field.description else ""
        yield f"`{name}`{f' ({default})' if default else ''}{said}"


def _default(field: FieldInfo) -> str:
    """What holds where the key is absent; empty for nothing."""
    if field.is_required():
        return "needed"
    value: Any = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ((), {}, ""):
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"`{each}`" for each in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _text(text: str | None) -> str:
    """A docstring in a cell of a table."""
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
