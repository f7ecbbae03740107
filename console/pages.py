"""Renders templates: escaped, in the reader's language, every name in them defined."""

from __future__ import annotations

import functools
import json
import zlib
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from console.house import Visit
from console.text import say

HERE = Path(__file__).parent
STATIC = HERE / "static"
_UNITS = ("unit.s", "unit.m", "unit.h", "unit.d", "ago")
_MESSAGES = ("link.live", "link.lost", "link.lost_long", "link.store", "link.as_of", "sent.failed",
             "sound.on", "sound.off", "sound.is_on", "sound.is_off")  # fmt: skip


def render(template: str, language: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """A page or a part of one."""
    text = (
        _environment()
        .get_template(template)
        .render(
            t=functools.partial(say, language),
            language=language,
            script_texts=_script_texts(language),
            **values,
        )
    )
    return HTMLResponse(text, status_code=status)


def render_for(visit: Visit, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """The same for somebody who is signed in."""
    return render(
        template,
        visit.language,
        status=status,
        user=visit.session.user,
        csrf=visit.session.csrf,
        **values,
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["version"] = _version
    environment.globals["static"] = _static
    return environment


def _version(body: Markup) -> str:
    """Changes with what is shown, so that the script replaces only what did."""
    return f"{zlib.crc32(str(body).encode()):08x}"


@functools.cache
def _static(name: str) -> str:
    """The address of a static file; it changes with its content."""
    digest = sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


@functools.cache
def _script_texts(language: str) -> str:
    """What the script says, as JSON for a data attribute."""
    values = {"n": "{n}", "age": "{age}"}
    return json.dumps(
        {key: say(language, key, **values) for key in (*_UNITS, *_MESSAGES)}, ensure_ascii=False
    )
