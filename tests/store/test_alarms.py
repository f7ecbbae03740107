"""Alarms in the ledger: one open per subject and rule, written with all that belongs to them."""

import multiprocessing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from alarms import machine
from khaen.alarm import AlarmClass, Change, Outcome, Priority, State
from khaen.errors import IllegalTransition
from khaen.evaluation import Evaluation, SubjectState, TimerCancelled, TimerSet
from khaen.ids import SubjectId
from store import alarms, journal, notifications, timers
from store.alarm_row import to_row
from store.database import Database
from store.notifications import Delivery
from store.schema.alarms import alarm as table
from store.timers import TimerKind
from tests.support.alarms import (
    CENTRE,
    ELDER,
    START,
    add_organisation,
    ledger,
    make_alarm,
    open_ledger,
    raise_alarm,
    raising,
)

__all__ = ["ledger"]

ALL = frozenset({str(CENTRE)})
GATEWAY = SubjectId("gateway:aa555a0000000000")


def test_raise_is_read_back_with_its_event_its_call_and_its_journal_entry(ledger: Database) -> None:
    with ledger.write() as tx:
        alarm = raise_alarm(tx, make_alarm())
    with ledger.read() as connection:
        assert alarms.get(connection, alarm.id) == alarm
        assert alarms.listed(connection, ALL) == [alarm]
        (event,) = alarms.events(connection, alarm.id)
        assert (event.change, event.state, event.at) == (Change.RAISED, alarm.state, START)
        (entry,) = journal.read(connection, 0)
        assert (entry.kind, entry.ref) == (journal.Kind.ALARM, str(alarm.id))
        call = timers.get(connection, f"plan|{alarm.id}")
        assert call is not None
        assert (call.kind, call.alarm, call.step) == (TimerKind.ESCALATION, alarm.id, None)
        assert alarms.states(connection, [ELDER])[ELDER].open == {"sos": alarm}


def test_state_of_rules_survives_as_json(ledger: Database) -> None:
    state = SubjectState(subject=ELDER, event_at=START, rules={"fall": {"since": 3, "x": [1, 2]}})
    with ledger.write() as tx:
        assert alarms.states(tx, [ELDER])[ELDER] == SubjectState(subject=ELDER, rules={}, open={})
        alarms.record(tx, Evaluation(state=state))
    with ledger.read() as connection:
        assert alarms.states(connection, [ELDER, GATEWAY]) == {
            ELDER: replace(state, open={}),
            GATEWAY: SubjectState(subject=GATEWAY, rules={}, open={}),
        }


def test_rules_timer_is_set_replaced_and_cancelled(ledger: Database) -> None:
    first, second = START + timedelta(seconds=30), START + timedelta(seconds=90)
    state = SubjectState(subject=ELDER)
    for entry, due_at in (
        (TimerSet(rule="fall", due_at=first), first),
        (TimerSet(rule="fall", due_at=second), second),
        (TimerCancelled(rule="fall"), None),
    ):
        with ledger.write() as tx:
            alarms.record(tx, Evaluation(state=state, timers=(entry,)))
        with ledger.read() as connection:
            found = timers.get(connection, f"fall|{ELDER}")
        assert (found and found.due_at) == due_at


def test_database_itself_refuses_a_second_open_alarm(ledger: Database) -> None:
    with ledger.write() as tx:
        raise_alarm(tx, make_alarm())
    with pytest.raises(IntegrityError), ledger.write() as tx:
        tx.connection.execute(insert(table).values(to_row(make_alarm())))


def test_raise_beside_an_open_one_joins_it(ledger: Database) -> None:
    with ledger.write() as tx:
        first = raise_alarm(tx, make_alarm(priority=Priority.P2))
        second = raise_alarm(tx, make_alarm(priority=Priority.P1))
    with ledger.read() as connection:
        (alarm,) = alarms.listed(connection, ALL)
        assert (alarm.id, alarm.presses, alarm.priority) == (first.id, 2, Priority.P1)
        event = alarms.events(connection, first.id)[-1]
        assert event.change is Change.PRESSED_AGAIN
        assert event.detail == {"joined": str(second.id)}


def test_same_raise_twice_leaves_one_event(ledger: Database) -> None:
    alarm = make_alarm()
    for _ in range(2):
        with ledger.write() as tx:
            raise_alarm(tx, alarm)
    with ledger.read() as connection:
        assert len(alarms.events(connection, alarm.id)) == 1
        assert journal.head(connection) == 1


def test_change_after_a_joined_raise_costs_nothing_else(ledger: Database) -> None:
    other = make_alarm(rule="fall")
    with ledger.write() as tx:
        raise_alarm(tx, make_alarm())
        doomed = make_alarm()
        cleared = machine.clear(doomed, latching=True, at=START)
        assert cleared is not None
        alarms.record(
            tx,
            Evaluation(
                state=SubjectState(subject=ELDER),
                changes=(raising(doomed), cleared, raising(other)),
            ),
        )
    with ledger.read() as connection:
        assert {alarm.rule for alarm in alarms.listed(connection, ALL)} == {"sos", "fall"}


def _raise_many(path: Path, rounds: int) -> None:
    database = Database(f"sqlite:///{path}")
    for number in range(rounds):
        with database.write() as tx:
            raise_alarm(tx, make_alarm(subject=SubjectId(f"person:R-{number:04}")))
    database.close()


def test_four_writers_at_once_keep_one_open_alarm_per_subject(tmp_path: Path) -> None:
    rounds, writers = 25, 4
    path = tmp_path / "ledger.sqlite"
    database = open_ledger(path)
    fork = multiprocessing.get_context("spawn")
    processes = [fork.Process(target=_raise_many, args=(path, rounds)) for _ in range(writers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
        process.close()
    with database.read() as connection:
        found = alarms.listed(connection, ALL, limit=1000)
        assert len(found) == rounds
        assert {alarm.presses for alarm in found} == {writers}
        assert journal.head(connection) == rounds * writers
    database.close()


def test_accept_ends_all_calls_in_its_transaction(ledger: Database) -> None:
    with ledger.write() as tx:
        alarm = raise_alarm(tx, make_alarm())
        notifications.queue(tx, alarm.id, step=0, round=0, channel="terminal", address="wall")
    with ledger.write() as tx:
        known = alarms.get(tx, alarm.id)
        assert known is not None
        alarms.change(tx, machine.accept(known, by="mali", at=START))
    with ledger.read() as connection:
        assert timers.next_due(connection, START) is None
        assert notifications.next_due(connection) is None
        (entry,) = notifications.listed(connection, alarm.id)
        assert entry.state is Delivery.CANCELLED
        accepted = alarms.get(connection, alarm.id)
        assert accepted is not None
        assert (accepted.state, accepted.accepted_by) == (State.ACKNOWLEDGED, "mali")


def test_second_click_leaves_no_trace_and_a_closed_case_stays_closed(ledger: Database) -> None:
    with ledger.write() as tx:
        alarm = raise_alarm(tx, make_alarm())
        accepted = machine.accept(alarm, by="mali", at=START)
        alarms.change(tx, accepted)
        alarms.change(tx, accepted)
        closed = machine.close(accepted.alarm, by="mali", outcome=Outcome.ASSISTED, at=START)
        alarms.change(tx, closed)
        alarms.change(tx, closed)
        with pytest.raises(IllegalTransition):
            alarms.change(tx, accepted)
    with ledger.read() as connection:
        kinds = [event.change for event in alarms.events(connection, alarm.id)]
        assert kinds == [Change.RAISED, Change.ACCEPTED, Change.CLOSED]
        assert alarms.listed(connection, ALL) == []
        assert alarms.listed(connection, ALL, open_only=False) == [closed.alarm]
    with ledger.write() as tx:
        raise_alarm(tx, make_alarm())
    with ledger.read() as connection:
        assert len(alarms.listed(connection, ALL)) == 1


def test_new_press_calls_once_more_and_leaves_the_plan_its_course(ledger: Database) -> None:
    with ledger.write() as tx:
        alarm = raise_alarm(tx, make_alarm())
        before = timers.get(tx.connection, f"plan|{alarm.id}")
        alarms.change(tx, machine.recur(alarm, pressed=True, at=START))
        assert timers.get(tx.connection, f"plan|{alarm.id}") == before
        again = timers.get(tx.connection, f"again|{alarm.id}")
    assert again is not None
    assert again.kind is TimerKind.AGAIN


def test_press_at_an_accepted_case_calls_without_starting_the_plan(ledger: Database) -> None:
    with ledger.write() as tx:
        alarm = raise_alarm(tx, make_alarm())
        accepted = machine.accept(alarm, by="mali", at=START)
        alarms.change(tx, accepted)
        alarms.change(tx, machine.recur(accepted.alarm, pressed=True, at=START))
        assert timers.get(tx.connection, f"plan|{alarm.id}") is None
        assert timers.get(tx.connection, f"again|{alarm.id}") is not None


def test_queue_is_by_priority_then_age_and_only_ours(ledger: Database) -> None:
    made = [
        make_alarm(rule="a", priority=Priority.P2, at=START),
        make_alarm(rule="b", priority=Priority.P1, at=START + timedelta(seconds=2)),
        make_alarm(rule="c", priority=Priority.P1, at=START + timedelta(seconds=1)),
        make_alarm(rule="d", organisation=SubjectId("other")),  # type: ignore[arg-type]
    ]
    with ledger.write() as tx:
        for alarm in made:
            raise_alarm(tx, alarm)
        alarms.change(tx, machine.accept(made[2], by="mali", at=START))
    with ledger.read() as connection:
        assert [alarm.rule for alarm in alarms.listed(connection, ALL)] == ["c", "b", "a"]
        assert [alarm.rule for alarm in alarms.listed(connection, ALL, limit=1)] == ["c"]
        counted = alarms.counts(connection, ALL)
    assert counted.open == {Priority.P1: 2, Priority.P2: 1, Priority.P3: 0}
    assert counted.waiting == {Priority.P1: 1, Priority.P2: 1, Priority.P3: 0}


def test_technical_alarm_is_joined_silently_and_told_when_it_comes_back(ledger: Database) -> None:
    with ledger.write() as tx:
        add_organisation(tx, CENTRE, simulated=True)

    def poison() -> None:
        with ledger.write() as tx:
            alarms.raise_technical(
                tx,
                organisation=CENTRE,
                subject=GATEWAY,
                rule="pipeline",
                priority=Priority.P2,
                reason="decode_error",
                event_at=START,
            )

    poison()
    poison()
    with ledger.read() as connection:
        (alarm,) = alarms.listed(connection, ALL)
        assert (alarm.presses, alarm.alarm_class) == (2, AlarmClass.TECHNICAL)
        assert alarm.simulated
        assert len(alarms.events(connection, alarm.id)) == 1
        assert journal.head(connection) == 1
    with ledger.write() as tx:
        cleared = machine.clear(alarm, latching=False, at=START)
        assert cleared is not None
        alarms.change(tx, cleared)
        assert timers.get(tx.connection, f"plan|{alarm.id}") is None
    poison()
    with ledger.read() as connection:
        kinds = [event.change for event in alarms.events(connection, alarm.id)]
        assert kinds == [Change.RAISED, Change.CONDITION_CLEARED, Change.CONDITION_RETURNED]
        assert timers.get(connection, f"plan|{alarm.id}") is not None


def test_open_alarms_of_subjects_are_found_by_their_index(ledger: Database) -> None:
    query = select(table).where(table.c.subject.in_([ELDER]), table.c.open_key.is_not(None))
    with ledger.read() as connection:
        text = str(query.compile(ledger.engine, compile_kwargs={"literal_binds": True}))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    assert "ix_alarm_open" in plan[0][3]
