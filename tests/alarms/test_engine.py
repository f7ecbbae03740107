"""The engine: each rule by itself, urgent ones first, and nothing lost by a broken one."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from alarms import engine
from alarms.rule import Rule, Situation, Verdict, new_alarm, raised
from khaen.alarm import AlarmClass, Change, Priority, State
from khaen.errors import SettingsError
from khaen.evaluation import Observation, Subject, SubjectState
from khaen.ids import DevEui, OrganisationId, SubjectId, UplinkId
from khaen.reading import Decoded, Event, EventKind, Quality, Reading

NOW = datetime(2026, 4, 13, 1, 0, tzinfo=UTC)
SUBJECT = Subject(
    id=SubjectId("person:R-0012"), organisation=OrganisationId("chum-phae"), simulated=True
)
STATE = SubjectState(subject=SUBJECT.id)
PRESS = Decoded(
    readings=(Reading(quantity="battery_level", value=200, quality=Quality.SUSPECT),),
    events=(Event(kind=EventKind.SOS, press=5),),
)


def seen(decoded: Decoded = PRESS, *, event_at: datetime = NOW) -> Observation:
    return Observation(
        subject=SUBJECT,
        dev_eui=DevEui("a81758fffe000001"),
        family="khaen_wristband",
        uplink_id=UplinkId(uuid.UUID(int=7)),
        event_at=event_at,
        decoded=decoded,
    )


def broken(observation: Observation, situation: Situation) -> Verdict:
    raise ZeroDivisionError(situation.memory, observation.event_at)


def only_without_memory(observation: Observation, situation: Situation) -> Verdict:
    if situation.memory:
        raise KeyError("what an older version wrote")
    alarm = new_alarm(
        "careful",
        AlarmClass.CARE,
        situation,
        origin=observation.uplink_id,
        priority=Priority.P1,
        event_at=observation.event_at,
        reason="press",
    )
    return Verdict(memory={"seen": 1}, changes=(raised(alarm, at=situation.now),))


def no_json(observation: Observation, situation: Situation) -> Verdict:
    return Verdict(memory={"at": observation.event_at, "now": situation.now})


def a_rule(name: str, observe: object, *, urgent: bool = False) -> Rule:
    assert callable(observe)
    return Rule(
        id=name,
        alarm_class=AlarmClass.CARE,
        urgent=urgent,
        events=frozenset({EventKind.SOS}),
        observe=observe,
    )


def test_calls_and_falls_come_first() -> None:
    assert [rule.id for rule in engine.rules()] == ["fall", "sos", "gateway_down"]


def test_a_press_raises_with_the_organisations_word_on_simulation() -> None:
    evaluation = engine.evaluate(seen(), STATE, {}, NOW)
    (change,) = evaluation.changes
    assert (change.change, change.notify) == (Change.RAISED, True)
    assert change.alarm.priority is Priority.P1
    assert change.alarm.simulated
    assert change.uplink_id == uuid.UUID(int=7)
    assert evaluation.state.open == {"sos": change.alarm}
    assert evaluation.state.event_at == NOW
    assert STATE.open == {}


@pytest.mark.parametrize("broken_rule", [broken, no_json])
def test_a_rule_that_throws_costs_itself_only(
    monkeypatch: pytest.MonkeyPatch, broken_rule: object
) -> None:
    rules = (a_rule("broken", broken_rule, urgent=True), *engine.rules())
    monkeypatch.setattr(engine, "rules", lambda: rules)
    evaluation = engine.evaluate(seen(), STATE, {}, NOW)
    assert [failure.rule for failure in evaluation.failures] == ["broken"]
    assert evaluation.failures[0].error in {"ZeroDivisionError", "TypeError"}
    assert [change.alarm.rule for change in evaluation.changes] == ["sos"]
    assert "broken" not in evaluation.state.rules


def test_an_urgent_rule_forgets_what_it_cannot_read_rather_than_a_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        engine, "rules", lambda: (a_rule("careful", only_without_memory, urgent=True),)
    )
    state = SubjectState(subject=SUBJECT.id, rules={"careful": {"old": True}})
    evaluation = engine.evaluate(seen(), state, {}, NOW)
    assert [failure.error for failure in evaluation.failures] == ["KeyError"]
    assert [change.change for change in evaluation.changes] == [Change.RAISED]
    assert evaluation.state.rules == {"careful": {"seen": 1}}


def test_memory_of_another_make_still_rings() -> None:
    state = SubjectState(subject=SUBJECT.id, rules={"sos": {"a81758fffe000001": {"spans": "x"}}})
    evaluation = engine.evaluate(seen(), state, {}, NOW)
    assert [change.change for change in evaluation.changes] == [Change.RAISED]
    assert evaluation.failures


@pytest.mark.parametrize(
    ("event_at", "before", "late"),
    [
        (NOW, None, False),
        (NOW - timedelta(minutes=10), None, False),
        (NOW - timedelta(minutes=10, seconds=1), None, True),
        (NOW - timedelta(seconds=2), NOW - timedelta(seconds=1), True),
        (NOW, NOW, False),
    ],
)
def test_what_is_late(event_at: datetime, before: datetime | None, late: bool) -> None:
    state = SubjectState(subject=SUBJECT.id, event_at=before)
    evaluation = engine.evaluate(seen(event_at=event_at), state, {}, NOW)
    assert evaluation.changes[0].alarm.late is late
    assert evaluation.state.event_at == (before if late else event_at)


def test_a_doubtful_counter_does_not_move_the_state() -> None:
    evaluation = engine.evaluate(replace(seen(), fresh=False), STATE, {}, NOW)
    assert evaluation.changes[0].alarm.reason == "press_counter_not_fresh"
    assert evaluation.state.event_at is None


def test_a_call_breaks_through_what_was_put_aside() -> None:
    raised_first = engine.evaluate(seen(), STATE, {}, NOW).state
    shelved = replace(raised_first.open["sos"], state=State.SHELVED)
    again = Decoded(events=(Event(kind=EventKind.SOS, press=6),))
    evaluation = engine.evaluate(seen(again), replace(raised_first, open={"sos": shelved}), {}, NOW)
    (change,) = evaluation.changes
    assert (change.change, change.alarm.state) == (Change.PRESSED_AGAIN, State.UNACKNOWLEDGED)
    assert change.notify


def test_an_end_does_not_touch_what_was_put_aside() -> None:
    raised_first = engine.evaluate(seen(), STATE, {}, NOW).state
    shelved = replace(raised_first.open["sos"], state=State.SHELVED)
    end = Decoded(events=(Event(kind=EventKind.SOS_END, press=5),))
    evaluation = engine.evaluate(seen(end), replace(raised_first, open={"sos": shelved}), {}, NOW)
    assert (evaluation.changes, evaluation.failures) == ((), ())


def test_wants_only_what_a_rule_listens_to() -> None:
    assert engine.wants(PRESS)
    assert not engine.wants(Decoded(readings=PRESS.readings))
    assert not engine.wants(Decoded(events=(Event(kind=EventKind.BUTTON),)))
    assert not engine.wants(Decoded())


def test_state_survives_its_own_json() -> None:
    evaluation = engine.evaluate(seen(), STATE, {}, NOW)
    rules = json.loads(json.dumps(dict(evaluation.state.rules), allow_nan=False))
    again = SubjectState(subject=SUBJECT.id, rules=rules, open=evaluation.state.open)
    assert engine.evaluate(seen(), again, {}, NOW).changes == ()


def test_a_timer_of_a_rule_that_is_gone_leads_to_nothing() -> None:
    evaluation = engine.tick("long_gone", SUBJECT, STATE, {}, NOW, NOW)
    assert (evaluation.changes, evaluation.state) == ((), STATE)


def test_the_registry_overrides_a_parameter() -> None:
    fall = seen(Decoded(events=(Event(kind=EventKind.FALL, press=3),)))
    timers = engine.evaluate(fall, STATE, {"fall": {"cancel_s": 5, "still_s": 10}}, NOW).timers
    assert [timer.due_at for timer in timers if hasattr(timer, "due_at")] == [
        NOW + timedelta(seconds=10)
    ]


def test_a_folder_with_a_module_that_is_no_rule_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine.rules.cache_clear()
    monkeypatch.setattr(engine, "Rule", str)
    with pytest.raises(SettingsError):
        engine.rules()
    monkeypatch.undo()
    engine.rules.cache_clear()


def test_most_telemetry_costs_next_to_nothing() -> None:
    telemetry = Decoded(
        readings=tuple(Reading(quantity=q, value=1) for q in ("worn", "steps", "spo2", "motion"))
    )
    ask = partial(engine.wants, telemetry)
    ask()
    started = time.perf_counter()
    for _ in range(10_000):
        ask()
    assert time.perf_counter() - started < 1.0
