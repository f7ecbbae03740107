"""One codec in one context of the JavaScript engine. Only the worker imports this."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import quickjs

from decoders.javascript.codec import Fault, Limits

_PRELUDE = Path(__file__).with_name("prelude.js").read_text("utf-8")
_BUFFER = Path(__file__).with_name("buffer.js").read_text("utf-8")
_NAMES_BUFFER = re.compile(r"\bBuffer\b")
_EXPORT = re.compile(
    r"^[ \t]*export[ \t]+(?:default[ \t]+)?(?=(?:function|class|const|let|var)\b)", re.M
)
_LONGEST_WORD = 300
_EXHAUSTED = ("out of memory", "null")
"""What QuickJS throws without memory; null where none is left for the error itself."""


class Stopped(Exception):
    """The engine, not the codec, ended a call."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class Context:
    """A codec that was compiled and run once. Raises Stopped where that fails.

    `reusable` says whether it can serve frame after frame. Where it cannot, each frame takes a
    context made for it `alone`. After Stopped from `run` no context may be used again.
    """

    def __init__(self, source: str, limits: Limits, *, alone: bool = False) -> None:
        self._limits = limits
        inner = quickjs.Context()
        inner.set_memory_limit(limits.context_bytes)
        inner.set_time_limit(limits.call_s)
        if _NAMES_BUFFER.search(source):
            inner.eval(_BUFFER)
        inner.eval(_PRELUDE)
        load, self._run = inner.eval("__khaen.load"), inner.eval("__khaen.run")
        inner.eval("delete globalThis.__khaen")
        self._inner = inner
        try:
            self.reusable = bool(load(_EXPORT.sub("", source.removeprefix("\ufeff")), alone))
        except (quickjs.JSException, UnicodeError) as error:
            stopped = _classify(error)
            if stopped.fault is Fault.THROWN:
                stopped.fault = Fault.LOAD
            raise stopped from None

    def run(self, payload: str, f_port: int, at_ms: float, chance: int, variables: str) -> str:
        """The codec's answer as JSON. `payload` has a character per byte. Raises Stopped."""
        try:
            answer: Any = self._run(payload, f_port, at_ms, chance, variables)
        except (quickjs.JSException, UnicodeError) as error:
            raise _classify(error) from None
        if not isinstance(answer, str):
            return refuse(Fault.NONSENSE, "it answered no object")
        if len(answer) > self._limits.output_characters:
            return refuse(Fault.OUTPUT, f"its object has {len(answer)} characters")
        return answer


def refuse(fault: Fault, text: str) -> str:
    """An answer that says why there is none."""
    return json.dumps({"errors": [text[:_LONGEST_WORD]], "fault": fault})


def _classify(error: Exception) -> Stopped:
    text = str(error).partition("\n")[0]
    if "interrupted" in text:
        return Stopped(Fault.TIME, text)
    if any(word in text for word in _EXHAUSTED):
        return Stopped(Fault.MEMORY, text)
    return Stopped(Fault.THROWN, text)
