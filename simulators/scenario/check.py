"""What a scenario may not say though each key by itself is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final

from pydantic import BaseModel

from khaen.site.check import Path, Problem, suggest
from simulators.acts.subjects import Subjects, UnknownSubject
from simulators.acts.vocabulary import Act
from simulators.scenario.expectation import Expectation, SeeQuarantine, named_acts
from simulators.scenario.model import Scenario
from simulators.scenario.words import QUARANTINE_REASONS, TECHNICAL_RULES, care_rules

LONGEST_REAL_S: Final = 60.0
"""Across processes time is real: no longer than this."""


def problems(
    scenario: Scenario, subjects: Subjects, organisations: Collection[str]
) -> Iterator[Problem]:
    """All problems, in the order of the file; `organisations` are the site's."""
    yield from _times(scenario)
    yield from _names(scenario)
    yield from _subjects(scenario, subjects)
    yield from _words(scenario, organisations)
    if "real" in scenario.runs:
        yield from _hinders_real(scenario)


def _times(scenario: Scenario) -> Iterator[Problem]:
    for index, act in enumerate(scenario.acts):
        if act.at > scenario.lasts:
            text = f"{act.at:g} s is after the end, which is at {scenario.lasts:g} s"
            yield _problem(("acts", index, "at"), text, "let it last longer, or happen sooner")


def _names(scenario: Scenario) -> Iterator[Problem]:
    names = Counter(act.name for act in scenario.acts if act.name is not None)
    seen: set[str] = set()
    for index, act in enumerate(scenario.acts):
        if act.name is not None and act.name in seen:
            text = f"another act is named {act.name!r} already"
            yield _problem(("acts", index, "name"), text, "give each act a name of its own")
        seen.add(act.name or "")
    for index, expectation in enumerate(scenario.expect):
        for name in named_acts(expectation):
            if name not in names:
                text = f"no act is named {name!r}"
                there = ", ".join(sorted(names)) or "none has a name"
                yield _problem(("expect", index, "after"), text, f"there are: {there}")


def _subjects(scenario: Scenario, subjects: Subjects) -> Iterator[Problem]:
    for index, act in enumerate(scenario.acts):
        yield from _named(("acts", index), act, subjects)
    for index, expectation in enumerate(scenario.expect):
        yield from _named(("expect", index), expectation, subjects)
    for index, fault in enumerate(scenario.faults):
        for gateway in fault.named_gateways:
            yield from _known(("faults", index, "gateways"), "gateway", gateway, subjects)


def _words(scenario: Scenario, organisations: Collection[str]) -> Iterator[Problem]:
    """What can never come, because nothing has such a name: it would be expected in vain."""
    care = care_rules()
    for name in scenario.rules:
        yield from _among(("rules", name), "rule", name, care)
    for index, expectation in enumerate(scenario.expect):
        path: Path = ("expect", index)
        if (rule := _field(expectation, "rule")) is not None:
            yield from _among((*path, "rule"), "rule", rule, care | TECHNICAL_RULES)
        if (owner := _field(expectation, "organisation")) is not None:
            yield from _among((*path, "organisation"), "organisation", owner, organisations)
        if isinstance(expectation, SeeQuarantine):
            reason = expectation.reason
            yield from _among((*path, "reason"), "reason", reason, QUARANTINE_REASONS)


def _among(path: Path, kind: str, name: str, known: Collection[str]) -> Iterator[Problem]:
    if name not in known:
        remedy = suggest(name, known, f"there are: {', '.join(sorted(known))}")
        yield _problem(path, f"there is no {kind} {name!r}", remedy)


def _named(path: Path, part: Act | Expectation, subjects: Subjects) -> Iterator[Problem]:
    """What a part says of whom, where the site has no such one."""
    for key in ("resident", "gateway", "device", "after_frame_of"):
        name = _field(part, key)
        if name is not None:
            kind = "resident" if key == "after_frame_of" else key
            yield from _known((*path, key), kind, name, subjects)


def _known(path: Path, kind: str, name: str, subjects: Subjects) -> Iterator[Problem]:
    try:
        {
            "resident": subjects.resident,
            "gateway": subjects.gateway,
            "device": subjects.device,
        }[kind](name)
    except UnknownSubject as error:
        text, _, near = str(error).partition("; ")
        yield _problem(path, text, near)


def _field(part: BaseModel, key: str) -> str | None:
    value = getattr(part, key, None)
    return None if value is None else str(value)


def _hinders_real(scenario: Scenario) -> Iterator[Problem]:
    remedy = "take `real` out of `runs`"
    for index, act in enumerate(scenario.acts):
        if not act.real:
            yield _problem(("acts", index, "act"), f"a real run has no {act.act}", remedy)
    for key in ("faults", "network_server", "calm"):
        if getattr(scenario, key):
            yield _problem((key,), f"a real run has no {key}", remedy)
    if scenario.lasts + scenario.drains > LONGEST_REAL_S:
        text = f"a real run lasts {LONGEST_REAL_S:g} s at most, its drain among them"
        yield _problem(("lasts",), text, remedy)


def _problem(path: Path, text: str, remedy: str) -> Problem:
    return Problem(path=path, text=text, remedy=remedy)
