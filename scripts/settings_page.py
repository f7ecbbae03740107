"""Write the reference of all settings from their models: `settings_page.py FILE`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from edge.settings import EdgeSettings
from khaen.settings import Settings

INTRODUCTION = """# Settings

Generated from the models by `make generated`. A program reads its TOML file, then the environment
(`KHAEN_SECTION__KEY`); an unknown key is an error. Secrets are files, named by `*_file`.
"""


def render_page(files: dict[str, type[BaseModel]]) -> str:
    """The reference of several settings files, in Markdown."""
    parts = [INTRODUCTION]
    for name, model in files.items():
        parts += [f"## {name}\n", *render_table(model)]
    return "\n".join(parts)


def render_table(model: type[BaseModel]) -> Iterator[str]:
    """A table of all keys of a model, those of its sections by their whole name."""
    yield "| key | default | |"
    yield "|---|---|---|"
    for key, field in walk(model, ""):
        text = " ".join((field.description or "").split()).replace("|", r"\|")
        yield f"| `{key}` | {render_default(field)} | {text} |"
    yield ""


def walk(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    """All keys of a model and its sections, in their order."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        section = next(filter(is_model, (kind, *get_args(kind))), None)
        if section is not kind:  # a table that may be left out, or come several times
            yield f"{prefix}{name}", field
        if section is not None:
            several = "[]" if get_origin(kind) is tuple else ""
            yield from walk(section, f"{prefix}{name}{several}.")


def is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    """Whether a type is that of a section."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def render_default(field: FieldInfo) -> str:
    """A default as TOML would have it; empty where there is none, or none is set."""
    value: Any = field.default
    if field.is_required():
        return "required"
    if value is None or value == "":
        return ""
    if isinstance(value, bool | tuple):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"


if __name__ == "__main__":
    page = render_page({"khaen.toml (server)": Settings, "edge.toml (gateway)": EdgeSettings})
    Path(sys.argv[1]).write_text(page)
