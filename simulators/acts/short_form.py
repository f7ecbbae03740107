"""Acts as one types them at a terminal: `sos R-0012`, `fall R-0033 moves`, `cut gw-2`.

A verb, whom it befalls, and perhaps what follows; `find_words` has how to write each.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from pydantic import ValidationError

from khaen.errors import KhaenError
from simulators.acts.subjects import Subjects
from simulators.acts.vocabulary import ACTS, Act


class BadCommand(KhaenError):
    """What was typed is no act; the text says what would be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verb:
    """`takes` are the act's fields in the order in which they are typed, `optional` more."""

    act: str
    takes: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)

    def help(self, verb: str) -> str:
        words = [name.upper() for name in self.takes]
        return " ".join([verb, *words, *(f"[{name.upper()}]" for name in self.optional)])


_RESIDENT, _GATEWAY, _DEVICE = ("resident",), ("gateway",), ("device",)
_VERBS: Mapping[str, _Verb] = {
    "sos": _Verb(act="press", takes=_RESIDENT, optional=("again", "every_s")),
    "fall": _Verb(act="fall", takes=_RESIDENT, optional=("then", "after_s")),
    "clap": _Verb(act="clap", takes=_RESIDENT),
    "off": _Verb(act="take_off", takes=_RESIDENT),
    "on": _Verb(act="put_on", takes=_RESIDENT),
    "wander": _Verb(act="wander", takes=_RESIDENT, optional=("metres", "minutes")),
    "fever": _Verb(act="fever", takes=_RESIDENT, optional=("celsius", "hours")),
    "heart": _Verb(
        act="episode",
        takes=("resident", "value"),
        optional=("minutes",),
        fixed={"vital": "heart_rate"},
    ),
    "oxygen": _Verb(
        act="episode", takes=("resident", "value"), optional=("minutes",), fixed={"vital": "spo2"}
    ),
    "button": _Verb(act="press_button", takes=_DEVICE, optional=("how",)),
    "stick": _Verb(act="stick", takes=_DEVICE),
    "drift": _Verb(act="drift", takes=_DEVICE, optional=("per_hour",)),
    "flat": _Verb(act="run_down", takes=_DEVICE),
    "mend": _Verb(act="mend", takes=_DEVICE),
    "replay": _Verb(act="replay_frame", takes=_RESIDENT),
    "cut": _Verb(act="cut_gateway", takes=_GATEWAY, optional=("how",)),
    "restore": _Verb(act="restore_gateway", takes=_GATEWAY),
    "reboot": _Verb(act="reboot_gateway", takes=_GATEWAY, optional=("clock", "off_s")),
    "clock": _Verb(act="move_clock", takes=("gateway", "by_s")),
    "broker-down": _Verb(act="broker_down", optional=("forgets",)),
    "broker-up": _Verb(act="broker_up"),
    "ns-down": _Verb(act="network_server_down"),
    "ns-up": _Verb(act="network_server_up"),
    "accept": _Verb(act="accept", takes=_RESIDENT, optional=("rule",)),
    "close": _Verb(act="close", takes=_RESIDENT, optional=("rule", "outcome")),
}


def find_words(acts: Container[str]) -> dict[str, str]:
    """The verbs of some acts, each with how to write it."""
    return {name: verb.help(name) for name, verb in _VERBS.items() if verb.act in acts}


def parse(line: str, subjects: Subjects, words: Iterable[str] = _VERBS) -> Act:
    """The act that a line says; `words` are named where it is none. Raises BadCommand and
    UnknownSubject.
    """
    word, *given = line.split() or [""]
    verb = _VERBS.get(word.lower())
    if verb is None:
        known = sorted(words)
        near = get_close_matches(word.lower(), known, n=3, cutoff=0.5) or known
        raise BadCommand(f"there is no {word!r}; there is: {', '.join(near)}")
    names = (*verb.takes, *verb.optional)
    if not len(verb.takes) <= len(given) <= len(names):
        raise BadCommand(f"{word}: write {verb.help(word.lower())}")
    values = dict(zip(names, given, strict=False))
    try:
        act = ACTS.validate_python({"act": verb.act, **verb.fixed, **values})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        said = first["msg"].removeprefix("Value error, ")
        raise BadCommand(f"{word}: {first['loc'][-1]}: {said}") from error
    subjects.check(act)
    return act
