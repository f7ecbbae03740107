"""The settings in force: the machine's file, a configuration from afar, the environment."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_settings import EnvSettingsSource

from edge.remote import memory
from edge.remote.local import Local, flatten
from edge.settings import EdgeSettings
from khaen.configuration import Configuration
from khaen.errors import KhaenError


class Source(enum.StrEnum):
    """Where the value of a key comes from; later ones lie over earlier ones."""

    DEFAULT = "default"
    FILE = "file"
    REMOTE = "remote"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """What an agent would run on if it were started now.

    `kept` is the configuration from afar that is part of it; `problem` says why there is none
    though there should be.
    """

    settings: EdgeSettings
    sources: Mapping[str, Source] = field(default_factory=dict)
    kept: Configuration | None = None
    problem: str = ""


def look(file: Path) -> Effective:
    """Read the settings of `file` and what lies over them; nothing is changed.

    Raises SettingsError naming the file and the key.
    """
    local = Local(file)
    settings, kept, problem = local.settings(), None, ""
    if settings.remote.enabled:
        try:
            kept = memory.read(settings.remote_path).kept
            settings = settings if kept is None else local.lay(kept.settings)
        except KhaenError as error:
            kept, problem = None, f"the configuration from afar is set aside: {error}"
    return Effective(
        settings=settings,
        sources=_find_sources(local.document, {} if kept is None else kept.settings),
        kept=kept,
        problem=problem,
    )


def _find_sources(document: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Source]:
    return {
        **dict.fromkeys(flatten(document), Source.FILE),
        **dict.fromkeys(flatten(over), Source.REMOTE),
        **dict.fromkeys(flatten(EnvSettingsSource(EdgeSettings)()), Source.ENVIRONMENT),
    }


def render(effective: Effective) -> str:
    """A TOML text with all keys, each with where it comes from. Secrets are files, named only."""
    return "\n".join(_lines(effective)) + "\n"


def _lines(effective: Effective) -> Iterator[str]:
    document = effective.settings.model_dump(mode="json")
    tables = {name: table for name, table in document.items() if isinstance(table, dict)}
    yield f"# configuration {effective.settings.fingerprint()}"
    if effective.kept is not None:
        yield f"# remote: {effective.kept.id}"
    yield from _keys({k: v for k, v in document.items() if k not in tables}, "", effective.sources)
    for name, table in tables.items():
        yield f"\n[{name}]"
        yield from _keys(table, f"{name}.", effective.sources)


def _keys(table: Mapping[str, Any], prefix: str, sources: Mapping[str, Source]) -> Iterator[str]:
    for key, value in table.items():
        if value is None:
            yield f"# {key} is not set"
        else:
            source = sources.get(prefix + key, Source.DEFAULT)
            yield f"{key} = {_render_value(value)}  # {source}"


def _render_value(value: object) -> str:
    """Of JSON's kinds; JSON's texts are TOML's but for DEL, which TOML wants escaped."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_render_value, value))}]"
    if isinstance(value, dict):
        pairs = (f"{k} = {_render_value(v)}" for k, v in value.items() if v is not None)
        return f"{{{', '.join(pairs)}}}"
    return str(value).lower()
