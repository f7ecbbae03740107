"""Every rule raises what its timeline says: observations, timers and silences in virtual time."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alarms import engine, machine, rules
from khaen import plugins
from khaen.alarm import Outcome
from khaen.evaluation import (
    AlarmChange,
    Evaluation,
    Observation,
    Silence,
    Subject,
    SubjectState,
    TimerSet,
)
from khaen.ids import DevEui, GatewayEui, OrganisationId, SubjectId, UplinkId
from khaen.reading import Decoded, Event, EventKind

FOLDER = Path(rules.__file__).parent
START = datetime(2026, 4, 13, 1, 0, tzinfo=UTC)
GATEWAY = GatewayEui("a84041ffff000001")


def _scenarios() -> list[Any]:
    return [
        pytest.param(scenario, id=f"{name}-{scenario['name']}")
        for name in plugins.names("alarms.rules")
        for scenario in json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["scenarios"]
    ]


class Play:
    """One subject's life: steps in order of their time, timers firing between them."""

    def __init__(self, subject: str, parameters: dict[str, dict[str, float]]) -> None:
        self.subject = Subject(id=SubjectId(subject), organisation=OrganisationId("chum-phae"))
        self.state = SubjectState(subject=self.subject.id)
        self.parameters = parameters
        self.timers: dict[str, datetime] = {}
        self.seen: list[dict[str, Any]] = []
        self.now = START

    def run_to(self, now: datetime) -> None:
        while self.timers:
            rule, due_at = min(self.timers.items(), key=lambda item: item[1])
            if due_at > now:
                break
            del self.timers[rule]
            self.now = due_at
            self.take(engine.tick(rule, self.subject, self.state, self.parameters, due_at, due_at))
        self.now = now

    def take(self, evaluation: Evaluation) -> None:
        assert evaluation.failures == ()
        json.dumps(evaluation.state.rules, allow_nan=False)
        self.state = evaluation.state
        for timer in evaluation.timers:
            if isinstance(timer, TimerSet):
                self.timers[timer.rule] = timer.due_at
            else:
                self.timers.pop(timer.rule, None)
        for change in evaluation.changes:
            self.saw(change)

    def saw(self, change: AlarmChange) -> None:
        alarm = change.alarm
        self.seen.append(
            {
                "at": (change.at - START).total_seconds(),
                "change": str(change.change),
                "state": str(alarm.state),
                "priority": int(alarm.priority),
                "presses": alarm.presses,
                "reason": alarm.reason,
                "late": alarm.late,
                "notify": change.notify,
            }
        )

    def person(self, step: dict[str, Any]) -> None:
        (alarm,) = self.state.open.values()
        if step["do"] == "accept":
            change = machine.accept(alarm, by="nok", at=self.now)
        else:
            change = machine.close(alarm, by="nok", outcome=Outcome.ASSISTED, at=self.now)
        still_open = {alarm.rule: change.alarm} if change.alarm.open else {}
        self.state = SubjectState(
            subject=self.state.subject,
            event_at=self.state.event_at,
            rules=self.state.rules,
            open=still_open,
        )

    def observe(self, step: dict[str, Any]) -> None:
        events = tuple(
            Event(kind=EventKind(e["kind"]), press=e.get("press"), detail=e.get("detail", {}))
            for e in step["events"]
        )
        observation = Observation(
            subject=self.subject,
            dev_eui=DevEui(step.get("dev_eui", "a81758fffe000001")),
            family="khaen_wristband",
            uplink_id=UplinkId(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(step))),
            event_at=START + timedelta(seconds=step.get("heard", step["at"])),
            decoded=Decoded(events=events),
            late=step.get("late", False),
            fresh=step.get("fresh", True),
        )
        assert engine.wants(observation.decoded)
        self.take(engine.evaluate(observation, self.state, self.parameters, self.now))

    def look(self, step: dict[str, Any]) -> None:
        heard = step["last_heard"]
        silence = Silence(
            gateway_eui=GATEWAY,
            last_heard=None if heard is None else START + timedelta(seconds=heard),
            unseen=tuple(SubjectId(s) for s in step.get("unseen", ())),
        )
        self.take(engine.watch(silence, self.subject, self.state, self.parameters, self.now))


@pytest.mark.parametrize("scenario", _scenarios())
def test_raises_what_the_timeline_says(scenario: dict[str, Any]) -> None:
    play = Play(scenario.get("subject", "person:R-0012"), scenario.get("parameters", {}))
    for step in scenario["steps"]:
        play.run_to(START + timedelta(seconds=step["at"]))
        if "do" in step:
            play.person(step)
        elif "events" in step:
            play.observe(step)
        else:
            play.look(step)
    play.run_to(START + timedelta(seconds=scenario["until"]))
    expected = [
        {
            "presses": 1,
            "late": False,
            "notify": True,
            "state": "unacknowledged",
            "change": "raised",
            "priority": 1,
        }
        | change
        for change in scenario["expected"]
    ]
    assert play.seen == expected


@pytest.mark.parametrize("name", plugins.names("alarms.rules"))
def test_each_timeline_also_shows_when_nothing_is_raised(name: str) -> None:
    scenarios = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["scenarios"]
    assert any(not scenario["expected"] for scenario in scenarios)
    assert any(scenario["expected"] for scenario in scenarios)
