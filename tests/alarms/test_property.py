"""Duplicates, reorderings and delays leave the same presses and falls, each of them told."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alarms import engine, press
from khaen.alarm import Change
from khaen.evaluation import AlarmChange, Json, Observation, Subject, SubjectState
from khaen.ids import DevEui, OrganisationId, SubjectId, UplinkId
from khaen.reading import Decoded, Event, EventKind

START = datetime(2026, 4, 13, 1, 0, tzinfo=UTC)
SUBJECT = Subject(id=SubjectId("person:R-0012"), organisation=OrganisationId("chum-phae"))
BANDS = ("a81758fffe000001", "a81758fffe000002")
RINGS = {Change.RAISED, Change.PRESSED_AGAIN}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it was sent: by whom, which press, when it was heard."""

    band: str
    count: int | None
    heard: int
    kind: EventKind


@dataclass(frozen=True, slots=True)
class Told:
    """What a delivery of frames left behind."""

    memory: Json
    changes: tuple[AlarmChange, ...]

    @property
    def rings(self) -> int:
        return sum(change.change in RINGS for change in self.changes)


def deliver(rule: str, frames: Iterable[tuple[Frame, int]]) -> Told:
    """Evaluate frames in this order, each so many seconds after it was heard."""
    state = SubjectState(subject=SUBJECT.id)
    changes: list[AlarmChange] = []
    for frame, delay in frames:
        heard = START + timedelta(seconds=frame.heard)
        observation = Observation(
            subject=SUBJECT,
            dev_eui=DevEui(frame.band),
            family="khaen_wristband",
            uplink_id=UplinkId(uuid.uuid5(uuid.NAMESPACE_OID, repr(frame))),
            event_at=heard,
            decoded=Decoded(events=(Event(kind=frame.kind, press=frame.count),)),
        )
        evaluation = engine.evaluate(observation, state, {}, heard + timedelta(seconds=delay))
        assert evaluation.failures == ()
        state = evaluation.state
        state = SubjectState(
            subject=state.subject,
            event_at=state.event_at,
            rules=json.loads(json.dumps(dict(state.rules))),
            open=state.open,
        )
        changes += evaluation.changes
    return Told(memory=state.rules.get(rule, {}), changes=tuple(changes))


def shuffled(frames: list[Frame], data: st.DataObject) -> list[tuple[Frame, int]]:
    """Any order, any copies, any delays up to two days."""
    copies = data.draw(st.lists(st.sampled_from(frames), max_size=10)) if frames else []
    order = data.draw(st.permutations(frames + copies))
    return [(frame, data.draw(st.integers(0, 172_800))) for frame in order]


def any_frames(*kinds: EventKind) -> st.SearchStrategy[list[Frame]]:
    """Frames of two bands, near enough in time and count to touch one another."""
    return st.lists(
        st.builds(
            Frame,
            band=st.sampled_from(BANDS),
            count=st.sampled_from([None, 3, 4]),
            heard=st.integers(0, 3600),
            kind=st.sampled_from(kinds),
        ),
        max_size=20,
    )


@given(frames=any_frames(EventKind.SOS, EventKind.SOS_END), data=st.data())
def test_the_same_presses_in_any_order(frames: list[Frame], data: st.DataObject) -> None:
    in_order = deliver("sos", [(f, 0) for f in sorted(frames, key=lambda f: f.heard)])
    told = deliver("sos", shuffled(frames, data))
    assert press.presses(told.memory) == press.presses(in_order.memory)


@given(frames=any_frames(EventKind.FALL, EventKind.FALL_CANCELLED), data=st.data())
def test_the_same_falls_in_any_order(frames: list[Frame], data: st.DataObject) -> None:
    in_order = deliver("fall", [(f, 0) for f in sorted(frames, key=lambda f: f.heard)])
    told = deliver("fall", shuffled(frames, data))
    assert press.presses(_known(told.memory)) == press.presses(_known(in_order.memory))


def _known(memory: Json) -> Json:
    known = memory.get("known", {})
    assert isinstance(known, dict)
    return known


@st.composite
def real_presses(draw: st.DrawFn) -> list[list[Frame]]:
    """Presses as a band sends them: each its own count, repeated each 10 to 15 s for 3 minutes."""
    at = 0
    found = []
    for count in range(draw(st.integers(1, 5))):
        at += draw(st.integers(1, 300))
        heard = [at]
        while draw(st.booleans()) and heard[-1] - at < 165:
            heard.append(heard[-1] + draw(st.integers(10, 15)))
        found.append([Frame(BANDS[0], count, second, EventKind.SOS) for second in heard])
    return found


@given(presses=real_presses(), data=st.data())
def test_each_press_is_told_exactly_once(presses: list[list[Frame]], data: st.DataObject) -> None:
    frames = [frame for repeats in presses for frame in repeats]
    told = deliver("sos", shuffled(frames, data))
    assert told.rings == len(presses)
    assert sum(change.change is Change.RAISED for change in told.changes) == 1
    assert told.changes[-1].alarm.presses == len(presses)


@given(presses=real_presses(), data=st.data())
def test_whatever_is_lost_a_press_heard_once_is_told(
    presses: list[list[Frame]], data: st.DataObject
) -> None:
    heard = [data.draw(st.sampled_from(repeats)) for repeats in presses]
    assert deliver("sos", shuffled(heard, data)).rings == len(presses)


@given(frames=any_frames(EventKind.SOS, EventKind.SOS_END), data=st.data())
def test_no_press_stays_untold(frames: list[Frame], data: st.DataObject) -> None:
    told = deliver("sos", shuffled(frames, data))
    counted = {row for row in press.presses(told.memory) if row[1] is not None}
    assert told.rings >= len(counted)


@given(frames=any_frames(EventKind.SOS, EventKind.FALL), data=st.data())
def test_a_replay_of_the_same_traffic_gives_the_same_alarms(
    frames: list[Frame], data: st.DataObject
) -> None:
    order = shuffled(frames, data)
    assert deliver("sos", order) == deliver("sos", order)


def test_what_is_remembered_has_bounds() -> None:
    memory: Json = {}
    for second in range(2000):
        at = second * 700 * press.SECOND
        memory = press.note(memory, BANDS[0], count=second % 256, at=at).memory
        memory = press.note(memory, f"{second % 40:016x}", count=None, at=at).memory
    assert len(memory) == press.DEVICES_KEPT
    assert len(json.dumps(dict(memory))) < 64_000


def test_many_presses_later_a_repeat_of_the_newest_is_still_known() -> None:
    memory: Json = {}
    for count in range(200):
        memory = press.note(memory, BANDS[0], count=count, at=count * press.SECOND).memory
    assert press.knows(memory, BANDS[0], count=199, at=210 * press.SECOND)


def test_a_button_that_counts_nothing_may_be_pressed_more_often_than_is_remembered() -> None:
    memory: dict[str, object] = {}
    for hour in range(3 * press.MARKS_KEPT):
        noted = press.note(memory, BANDS[0], count=None, at=hour * 3600 * press.SECOND)
        assert noted.new
        memory = dict(noted.memory)


def test_ends_that_end_nothing_do_not_push_presses_out() -> None:
    memory = dict(press.note({}, BANDS[0], count=None, at=0).memory)
    for minute in range(1, 3 * press.MARKS_KEPT):
        at = minute * 60 * press.SECOND
        memory = dict(press.note(memory, BANDS[0], count=None, at=at, end=True).memory)
    assert press.knows(memory, BANDS[0], count=None, at=0)
    assert press.note(memory, BANDS[0], count=None, at=90 * press.SECOND).new
