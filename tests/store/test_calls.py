"""Timers and notifications: rows that one program at a time holds, for a while."""

from datetime import timedelta
from pathlib import Path

import pytest

from khaen.alarm import Priority
from khaen.clock import ManualClock
from khaen.ids import SubjectId
from store import liveness, notifications, timers
from store.database import Database
from store.notifications import Delivery
from store.timers import Timer, TimerKind
from tests.support.alarms import ELDER, START, make_alarm, open_ledger, raise_alarm

LEASE_S = 10.0


class Site:
    """A ledger in virtual time."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock(START)
        self.ledger = open_ledger(path, self.clock)

    def claim_timers(self, by: str, *, limit: int = 100) -> list[str]:
        with self.ledger.write() as tx:
            return [t.rule for t in timers.claim(tx, by=by, lease_s=LEASE_S, limit=limit)]

    def set_timer(self, rule: str, after_s: float) -> Timer:
        due_at = self.clock.now() + timedelta(seconds=after_s)
        with self.ledger.write() as tx:
            timers.put(tx, Timer(kind=TimerKind.RULE, subject=ELDER, rule=rule, due_at=due_at))
            found = timers.get(tx.connection, f"{rule}|{ELDER}")
        assert found is not None
        assert found.due_at == due_at
        return found

    def queue(self, priority: Priority = Priority.P1) -> notifications.Notification:
        with self.ledger.write() as tx:
            subject = SubjectId(f"person:{priority}")
            alarm = raise_alarm(tx, make_alarm(subject=subject, priority=priority))
            notifications.queue(tx, alarm.id, step=0, round=0, channel="terminal", address="a")
            (entry,) = notifications.listed(tx.connection, alarm.id)
        return entry

    def claim(self, by: str, **more: int) -> list[notifications.Notification]:
        limit = more.pop("limit", 10)
        least = Priority(more.pop("least", Priority.P3))
        with self.ledger.write() as tx:
            return notifications.claim(tx, by=by, lease_s=LEASE_S, limit=limit, least=least)

    def get(self, entry: notifications.Notification) -> notifications.Notification:
        with self.ledger.read() as connection:
            (found,) = notifications.listed(connection, entry.alarm)
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "ledger.sqlite")


def test_due_timers_are_claimed_once_oldest_first(site: Site) -> None:
    site.set_timer("second", 2)
    site.set_timer("first", 1)
    site.set_timer("later", 60)
    assert site.claim_timers("one") == []
    site.clock.advance(2)
    assert site.claim_timers("one", limit=1) == ["first"]
    assert site.claim_timers("two") == ["second"]
    assert site.claim_timers("two") == []


def test_timer_of_a_program_that_died_is_claimed_after_its_lease(site: Site) -> None:
    site.set_timer("fall", 0)
    assert site.claim_timers("dead") == ["fall"]
    with site.ledger.read() as connection:
        ahead = timers.next_due(connection, site.clock.now())
    assert ahead == START + timedelta(seconds=LEASE_S)
    site.clock.advance(LEASE_S)
    assert site.claim_timers("heir") == ["fall"]


def test_timer_is_taken_by_its_holder_once(site: Site) -> None:
    timer = site.set_timer("fall", 0)
    site.claim_timers("one")
    with site.ledger.write() as tx:
        assert not timers.take(tx, timer, by="two")
        assert timers.take(tx, timer, by="one")
        assert not timers.take(tx, timer, by="one")


def test_timer_set_anew_meanwhile_is_not_taken(site: Site) -> None:
    timer = site.set_timer("fall", 0)
    site.claim_timers("one")
    site.set_timer("fall", 30)
    with site.ledger.write() as tx:
        assert not timers.take(tx, timer, by="one")
    site.clock.advance(30)
    assert site.claim_timers("one") == ["fall"]
    with site.ledger.write() as tx:  # also when the new one is held by the same program
        assert not timers.take(tx, timer, by="one")


def test_next_timer_is_told_whether_due_or_ahead(site: Site) -> None:
    with site.ledger.read() as connection:
        assert timers.next_due(connection, START) is None
    timer = site.set_timer("fall", 30)
    with site.ledger.read() as connection:
        assert timers.next_due(connection, START) == timer.due_at


def test_released_leases_are_free_at_once(site: Site) -> None:
    site.set_timer("fall", 0)
    entry = site.queue()
    site.claim_timers("one")
    site.claim("one")
    with site.ledger.write() as tx:
        timers.release(tx, by="one")
        notifications.release(tx, by="one")
    assert "fall" in site.claim_timers("two")
    assert [n.id for n in site.claim("two")] == [entry.id]


def test_urgent_notifications_are_claimed_first_and_may_be_the_only_ones(site: Site) -> None:
    third, first, second = (site.queue(Priority(p)) for p in (3, 1, 2))
    assert [n.id for n in site.claim("one", least=1)] == [first.id]
    assert [n.id for n in site.claim("one", limit=1)] == [second.id]
    assert [n.id for n in site.claim("one")] == [third.id]
    assert site.claim("one") == []


def test_notification_of_a_program_that_died_keeps_its_id(site: Site) -> None:
    entry = site.queue()
    assert [n.tries for n in site.claim("dead")] == [1]
    assert site.claim("heir") == []
    site.clock.advance(LEASE_S)
    (again,) = site.claim("heir")
    assert (again.id, again.tries) == (entry.id, 2)
    with site.ledger.write() as tx:
        assert not notifications.sent(tx, entry, by="dead")
        assert notifications.sent(tx, entry, by="heir")
    assert site.get(entry).state is Delivery.SENT


def test_retry_waits_for_its_time_and_a_failed_one_rests(site: Site) -> None:
    entry = site.queue()
    site.claim("one")
    later = START + timedelta(seconds=5)
    with site.ledger.write() as tx:
        assert notifications.retry(tx, entry, by="one", at=later, error="status 503")
    with site.ledger.read() as connection:
        assert notifications.next_due(connection) == later
    assert site.claim("one") == []
    site.clock.advance(5)
    (again,) = site.claim("two")
    assert again.error == "status 503"
    with site.ledger.write() as tx:
        assert notifications.failed(tx, again, by="two", error="status 404")
    assert site.get(entry).state is Delivery.FAILED
    with site.ledger.read() as connection:
        assert notifications.next_due(connection) is None


def test_cancelled_in_mid_send_is_not_tried_again_but_sent_stays_true(site: Site) -> None:
    one, two = site.queue(Priority.P1), site.queue(Priority.P2)
    assert len(site.claim("me")) == 2
    with site.ledger.write() as tx:
        assert notifications.cancel(tx, one.alarm) == 1
        assert notifications.cancel(tx, two.alarm) == 1
        assert not notifications.retry(tx, one, by="me", at=START, error="x")
        assert notifications.sent(tx, two, by="me")
    assert site.get(one).state is Delivery.CANCELLED
    assert site.get(two).state is Delivery.SENT


def test_liveness_is_what_was_said_last(site: Site) -> None:
    for _ in range(2):
        with site.ledger.write() as tx:
            liveness.beat(tx, liveness.INGEST, START)
        site.clock.advance(2)
    with site.ledger.read() as connection:
        found = liveness.read(connection)
    assert set(found) == {liveness.INGEST}
    assert found["ingest"].since == START
    assert found["ingest"].at == START + timedelta(seconds=2)


def test_claims_look_at_their_index(site: Site) -> None:
    def plan(database: Database, sql: str) -> str:
        with database.read() as connection:
            return connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").one()[3]  # type: ignore[no-any-return]

    assert "ix_timer_due_at" in plan(
        site.ledger,
        "SELECT due_at FROM timer WHERE lease_until IS NULL ORDER BY due_at LIMIT 1",
    )
    assert "ix_notification_state_next_at" in plan(
        site.ledger, "SELECT min(next_at) FROM notification WHERE state = 'queued'"
    )
