"""The alarm program as a real process: whoever must be told is told, whatever is killed."""

import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from alarms import engine, machine
from alarms.program import run
from khaen.alarm import Alarm, Change, Priority, State
from khaen.errors import NotRunnable
from khaen.evaluation import Observation, Subject
from khaen.ids import DevEui, SubjectId, UplinkId, gateway_subject
from khaen.ids import GatewayEui as Eui
from khaen.reading import Decoded, Event, EventKind
from khaen.settings import AlarmSettings, LedgerSettings, Settings
from store import alarms, liveness, notifications
from store.database import Database
from store.notifications import Delivery, Notification
from store.registry import flip
from store.schema import accounts, registry
from store.schema.alarms import notification, timer
from tests.support.alarm_program import (
    AlarmProgram,
    Call,
    Receiver,
    alarm_program,
    receiver,
    wait_for,
)
from tests.support.alarms import (
    CENTRE,
    ELDER,
    add_address,
    add_gateway,
    add_organisation,
    add_person,
    add_plan,
    ledger,
    make_alarm,
    raise_alarm,
)

__all__ = ["alarm_program", "ledger", "receiver"]

Start = Callable[..., AlarmProgram]
ALL = frozenset({str(CENTRE)})
GATEWAYS = [f"aa555a00000000{n:02x}" for n in range(5)]


def now() -> datetime:
    return datetime.now(UTC)


def set_up(
    ledger: Database,
    folder: Path,
    *steps: tuple[float, str],
) -> None:
    """An organisation whose plan tells the URLs of `steps` after so many seconds each."""
    with ledger.write() as tx:
        for n, (_, url) in enumerate(steps):
            add_address(tx, f"a{n}", "webhook", folder / f"a{n}.url", url, "s3cret")
        add_plan(tx, "plan", *((after, "webhook", f"a{n}") for n, (after, _) in enumerate(steps)))
        add_organisation(tx, plan="plan")
        flip(tx)


def ring(ledger: Database, alarm: Alarm | None = None) -> Alarm:
    with ledger.write() as tx:
        return raise_alarm(tx, alarm or make_alarm(at=now()))


def calls_of(ledger: Database, alarm: Alarm) -> list[Notification]:
    with ledger.read() as connection:
        return notifications.listed(connection, alarm.id)


def wait_sent(ledger: Database, alarm: Alarm, count: int = 1) -> list[Notification]:
    def sent() -> list[Notification]:
        found = [c for c in calls_of(ledger, alarm) if c.state is Delivery.SENT]
        return found if len(found) >= count else []

    return wait_for(sent, f"{count} calls sent for {alarm.rule}")


def find_open(ledger: Database, rule: str) -> Alarm | None:
    with ledger.read() as connection:
        found = [a for a in alarms.listed(connection, ALL) if a.rule == rule]
    assert len(found) <= 1
    return found[0] if found else None


def wait_open(ledger: Database, rule: str) -> Alarm:
    found = wait_for(lambda: find_open(ledger, rule), f"open alarm {rule}")
    assert found is not None
    return found


def accept(ledger: Database, alarm: Alarm) -> None:
    with ledger.write() as tx:
        known = alarms.get(tx, alarm.id)
        assert known is not None
        alarms.change(tx, machine.accept(known, by="mali", at=now()))


def test_raise_is_told_at_once_and_signed(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up(ledger, tmp_path, (0, f"{receiver.url}/duty"), (60, f"{receiver.url}/lead"))
    program = alarm_program()
    alarm = ring(ledger)
    (sent,) = wait_sent(ledger, alarm)
    (call,) = receiver.calls
    assert call.path == "/duty"
    assert call.headers["Idempotency-Key"] == str(sent.id)
    assert call.document["alarm"] == str(alarm.id)
    assert ELDER not in call.body.decode()
    assert sent.sent_at is not None
    assert sent.sent_at - alarm.raised_at < timedelta(seconds=2)
    with ledger.read() as connection:
        told = alarms.events(connection, alarm.id)[-1]
    assert told.change is Change.NOTIFIED
    assert told.detail["address"] == "a0"
    health = program.metrics.replace("/metrics", "/health")
    with urllib.request.urlopen(health) as answer:
        assert answer.read() == b"ok\n"
    with urllib.request.urlopen(program.metrics) as answer:
        assert 'khaen_alarms_calls_sent_total{channel="webhook"} 1.0' in answer.read().decode()
    assert program.stop() < 2.0


def test_acceptance_ends_the_plan(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up(ledger, tmp_path, (0, receiver.url), (1, receiver.url))
    alarm_program()
    accepted, other = ring(ledger), make_alarm(rule="fall", at=now())
    wait_sent(ledger, accepted)
    accept(ledger, accepted)
    ring(ledger, other)
    wait_sent(ledger, other, 2)  # whose second step came later than that of the accepted one
    assert len(calls_of(ledger, accepted)) == 1


def test_new_press_is_told_again_while_the_plan_keeps_its_course(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up(ledger, tmp_path, (0, f"{receiver.url}/duty"), (300, f"{receiver.url}/lead"))
    alarm_program()
    alarm = ring(ledger)
    wait_sent(ledger, alarm)
    accept(ledger, alarm)
    with ledger.write() as tx:
        known = alarms.get(tx, alarm.id)
        assert known is not None
        alarms.change(tx, machine.recur(known, pressed=True, at=now()))
    wait_sent(ledger, alarm, 2)
    assert [call.path for call in receiver.calls] == ["/duty", "/duty"]


def test_program_killed_while_it_sends_is_followed_by_another_with_the_same_key(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    program = alarm_program()

    def die(_call: Call) -> int:
        receiver.answer = lambda _: 204
        program.kill()
        return 204

    receiver.answer = die
    set_up(ledger, tmp_path, (0, receiver.url), (300, receiver.url))
    alarm = ring(ledger)
    wait_for(lambda: receiver.calls, "first try")
    wait_for(lambda: program.has_ended, "end of the first program")
    (held,) = calls_of(ledger, alarm)
    assert held.state is Delivery.QUEUED
    with ledger.write() as tx:  # its lease runs out
        tx.connection.execute(update(notification).values(lease_until=tx.now))
    alarm_program()
    wait_sent(ledger, alarm)
    assert receiver.keys() == [str(held.id)] * 2
    assert len(calls_of(ledger, alarm)) == 1


def test_acceptance_while_a_call_hangs_stops_its_retries(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up(ledger, tmp_path, (0, receiver.url), (1, receiver.url))
    alarm = make_alarm(at=now())

    def accept_meanwhile(_call: Call) -> int:
        accept(ledger, alarm)
        receiver.answer = lambda _: 204
        return 503

    receiver.answer = accept_meanwhile
    alarm_program()
    ring(ledger, alarm)
    wait_open(ledger, "channel")  # which is raised with the failure's settling
    other = ring(ledger, make_alarm(rule="fall", at=now()))
    wait_sent(ledger, other, 2)  # its second step comes after that of the accepted one would
    assert [call.document["rule"] for call in receiver.calls].count("sos") == 1
    (entry,) = calls_of(ledger, alarm)
    assert (entry.state, entry.tries) == (Delivery.CANCELLED, 1)


def test_restart_at_every_step_of_a_plan_loses_none(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up(ledger, tmp_path, *((n * 120.0, f"{receiver.url}/{n}") for n in range(3)))
    alarm = ring(ledger)
    for step in range(3):
        program = alarm_program()
        wait_sent(ledger, alarm, step + 1)
        program.kill()
        with ledger.write() as tx:  # two minutes go by while nothing runs
            tx.connection.execute(update(timer).values(due_at=timer.c.due_at - 120_000_000))
    assert [call.path for call in receiver.calls] == ["/0", "/1", "/2"]
    assert len(set(receiver.keys())) == 3


def test_two_programs_make_each_call_once(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up(ledger, tmp_path, (0, receiver.url))
    alarm_program(name="one")
    alarm_program(name="two")
    made = [
        ring(ledger, make_alarm(subject=SubjectId(f"person:R-{n}"), at=now())) for n in range(30)
    ]
    for alarm in made:
        wait_sent(ledger, alarm)
    assert len(receiver.keys()) == len(set(receiver.keys())) == len(made)


def test_failing_channel_falls_through_at_once_and_says_so(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    receiver.answer = lambda call: 403 if call.path == "/broken" else 204
    set_up(ledger, tmp_path, (0, f"{receiver.url}/broken"), (3600, f"{receiver.url}/next"))
    alarm_program()
    alarm = ring(ledger)
    (sent,) = wait_sent(ledger, alarm)
    assert sent.address == "a1"
    failed = calls_of(ledger, alarm)[0]
    assert (failed.state, failed.error, failed.tries) == (Delivery.FAILED, "status 403", 1)
    channel = find_open(ledger, "channel")
    assert channel is not None
    assert channel.subject == f"channel:a0@{CENTRE}"


def test_channel_that_hesitates_is_tried_again_with_its_key(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    receiver.answer = lambda _: 503 if len(receiver.calls) == 1 else 204
    set_up(ledger, tmp_path, (0, receiver.url))
    alarm_program()
    alarm = ring(ledger)
    (sent,) = wait_sent(ledger, alarm)
    assert sent.tries == 2
    assert receiver.keys().count(str(sent.id)) == 2

    def returned() -> bool:
        channel = find_open(ledger, "channel")
        return channel is not None and channel.state is State.RETURNED_UNACKNOWLEDGED

    wait_for(returned, "channel alarm that has returned")


def test_simulated_organisation_reaches_the_terminal_only(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    with ledger.write() as tx:
        add_address(tx, "duty", "webhook", tmp_path / "duty.url", receiver.url)
        add_address(tx, "wall", "terminal", tmp_path / "wall.url")
        add_plan(tx, "plan", (0, "webhook", "duty"), (0, "terminal", "wall"))
        add_organisation(tx, plan="plan", simulated=True)
    program = alarm_program()
    alarm = ring(ledger, make_alarm(at=now()))  # whose own mark is missing: the registry decides
    wait_sent(ledger, alarm)
    webhook, terminal = calls_of(ledger, alarm)
    assert (webhook.state, webhook.error, webhook.tries) == (Delivery.CANCELLED, "simulated", 0)
    assert terminal.state is Delivery.SENT
    assert receiver.calls == []
    line = wait_for(lambda: [x for x in program.output if str(alarm.id) in x], "line")[0]
    assert "P1 sos" in line
    assert ELDER not in line


def test_organisation_without_a_plan_is_said_aloud(ledger: Database, alarm_program: Start) -> None:
    with ledger.write() as tx:
        add_organisation(tx)
    alarm_program()
    ring(ledger)
    found = wait_open(ledger, "unreachable")
    assert found.priority is Priority.P3
    assert found.organisation == CENTRE


def test_fall_becomes_a_p1_by_its_timer_also_after_a_restart(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up(ledger, tmp_path, (0, receiver.url))
    device = DevEui("a81758fffe000001")
    with ledger.write() as tx:
        add_person(tx, "R-0012")
    begun = now() - timedelta(seconds=59.5)  # the wearer's time to cancel is over in half a second
    observation = Observation(
        subject=Subject(id=ELDER, organisation=CENTRE),
        dev_eui=device,
        family="khaen-band",
        uplink_id=UplinkId(make_alarm().id),
        event_at=begun,
        decoded=Decoded(events=(Event(kind=EventKind.FALL, press=1),)),
    )
    with ledger.write() as tx:
        state = alarms.states(tx, [ELDER])[ELDER]
        evaluation = engine.evaluate(observation, state, {}, begun)
        assert evaluation.timers
        alarms.record(tx, evaluation)
    assert find_open(ledger, "fall") is None
    alarm_program()
    fall = wait_open(ledger, "fall")
    assert fall.priority is Priority.P1
    wait_sent(ledger, fall)


def hear(ledger: Database, *gateways: str, ingest: bool = True) -> None:
    """Heartbeats of these gateways come in now."""
    table = accounts.gateway_state
    with ledger.write() as tx:
        for eui in gateways:
            at = {"heartbeat_at": tx.now, "heartbeat_seen_at": tx.now}
            done = tx.connection.execute(update(table).where(table.c.gateway_eui == eui).values(at))
            if done.rowcount == 0:
                tx.connection.execute(insert(table).values(gateway_eui=eui, **at))
        if ingest:
            liveness.beat(tx, liveness.INGEST, now() - timedelta(hours=1))


def set_up_gateways(ledger: Database, tmp_path: Path, url: str, count: int = 3) -> None:
    set_up(ledger, tmp_path, (0, url))
    with ledger.write() as tx:
        for eui in GATEWAYS[:count]:
            add_gateway(tx, eui)
        for n in range(40):
            add_person(tx, f"R-{n:04}")
            tx.connection.execute(
                insert(accounts.heard_by).values(
                    subject=f"person:R-{n:04}", gateway_eui=GATEWAYS[0], at=tx.now
                )
            )
        tx.connection.execute(
            insert(accounts.heard_by).values(
                subject="person:R-0000", gateway_eui=GATEWAYS[1], at=tx.now
            )
        )
        tx.connection.execute(
            insert(registry.rule_parameter).values(
                rule="gateway_down", parameter="stable_s", value=0.5
            )
        )


def keep_hearing(ledger: Database, gateways: list[str], until: Callable[[], object]) -> None:
    """Heartbeats of `gateways` go on until something is so."""

    def beat() -> object:
        hear(ledger, *gateways)
        return until()

    wait_for(beat, "change while other gateways are heard")


def test_silent_gateway_is_one_call_that_lists_whom_nobody_hears(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up_gateways(ledger, tmp_path, receiver.url)
    hear(ledger, *GATEWAYS[:3])
    alarm_program(heartbeat_s=1.0)
    keep_hearing(ledger, GATEWAYS[1:3], lambda: find_open(ledger, "gateway_down"))
    down = find_open(ledger, "gateway_down")
    assert down is not None
    assert down.subject == gateway_subject(Eui(GATEWAYS[0]))
    with ledger.read() as connection:
        raised = alarms.events(connection, down.id)[0]
    assert raised.detail["unseen"] == [f"person:R-{n:04}" for n in range(1, 40)]

    def returned() -> bool:
        found = find_open(ledger, "gateway_down")
        return found is not None and found.state is State.RETURNED_UNACKNOWLEDGED

    keep_hearing(ledger, GATEWAYS[:3], returned)
    assert len(receiver.calls) == 1
    assert find_open(ledger, "pipeline") is None


def test_each_organisation_is_shown_its_own_unseen_people_and_told_once(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up_gateways(ledger, tmp_path, receiver.url)
    with ledger.write() as tx:
        add_address(tx, "there", "webhook", tmp_path / "there.url", f"{receiver.url}/there")
        add_plan(tx, "theirs", (0, "webhook", "there"))
        add_organisation(tx, "neighbour", plan="theirs")
        add_organisation(tx, "distant")
        add_person(tx, "N-1", "neighbour")
        add_person(tx, "D-1", "distant")
        for subject, eui in (
            ("person:N-1", GATEWAYS[0]),
            ("person:stranger", GATEWAYS[0]),
            ("person:D-1", GATEWAYS[1]),
        ):
            tx.connection.execute(
                insert(accounts.heard_by).values(subject=subject, gateway_eui=eui, at=tx.now)
            )
        flip(tx)
    hear(ledger, *GATEWAYS[:3])
    alarm_program(heartbeat_s=1.0)

    def listed() -> dict[str, Alarm]:
        with ledger.read() as connection:
            found = alarms.listed(connection, ALL | {"neighbour", "distant"})
        return {a.organisation: a for a in found if a.rule == "gateway_down"}

    keep_hearing(ledger, GATEWAYS[1:3], listed)
    down = listed()
    assert set(down) == {CENTRE, "neighbour"}
    assert down["neighbour"].subject == f"gateway:{GATEWAYS[0]}@neighbour"
    with ledger.read() as connection:
        unseen = {of: alarms.events(connection, a.id)[0].detail["unseen"] for of, a in down.items()}
    assert unseen["neighbour"] == ["person:N-1"]
    assert unseen[CENTRE] == [f"person:R-{n:04}" for n in range(1, 40)]
    for alarm in down.values():
        wait_sent(ledger, alarm)

    def returned() -> bool:
        return {a.state for a in listed().values()} == {State.RETURNED_UNACKNOWLEDGED}

    keep_hearing(ledger, GATEWAYS[:3], returned)
    assert sorted(call.path for call in receiver.calls) == ["/", "/there"]
    for alarm in listed().values():
        accept(ledger, alarm)
    # The next outage is another case.
    keep_hearing(ledger, GATEWAYS[1:3], lambda: len(listed()) == 2)
    assert {a.id for a in listed().values()}.isdisjoint(a.id for a in down.values())


def test_silence_of_most_gateways_is_one_pipeline_alarm_that_clears(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up_gateways(ledger, tmp_path, receiver.url)
    hear(ledger, *GATEWAYS[:3])
    alarm_program(heartbeat_s=1.0)
    keep_hearing(ledger, [], lambda: find_open(ledger, "pipeline"))
    pipeline = find_open(ledger, "pipeline")
    assert pipeline is not None
    assert (pipeline.priority, pipeline.reason) == (Priority.P1, "gateways_silent")
    wait_sent(ledger, pipeline)

    def returned() -> bool:
        found = find_open(ledger, "pipeline")
        return found is not None and found.state is State.RETURNED_UNACKNOWLEDGED

    keep_hearing(ledger, GATEWAYS[:3], returned)
    assert find_open(ledger, "gateway_down") is None
    assert len(receiver.calls) == 1


def test_silence_while_ingest_is_away_raises_no_gateway(
    ledger: Database, tmp_path: Path, receiver: Receiver, alarm_program: Start
) -> None:
    set_up_gateways(ledger, tmp_path, receiver.url, count=1)
    hear(ledger, GATEWAYS[0])
    with ledger.write() as tx:
        hour_ago = tx.now - 3_600_000_000
        tx.connection.execute(update(accounts.gateway_state).values(heartbeat_seen_at=hour_ago))
        liveness.beat(tx, liveness.INGEST, now())  # it has only just begun to listen
    program = alarm_program(heartbeat_s=4.0)
    marker = ring(ledger)
    wait_sent(ledger, marker)
    wait_for(lambda: _looked(program), "look at the gateways")
    assert find_open(ledger, "gateway_down") is None
    keep_hearing(ledger, [], lambda: True)
    wait_open(ledger, "gateway_down")


def _looked(program: AlarmProgram) -> bool:
    with urllib.request.urlopen(program.metrics) as answer:
        text = answer.read().decode()
    return "khaen_alarms_looks_total 0.0" not in text and "khaen_alarms_looks_total" in text


def test_taken_port_is_said(ledger: Database, alarm_program: Start) -> None:
    program = alarm_program()
    port = int(program.metrics.split(":")[2].split("/")[0])
    settings = Settings(
        ledger=LedgerSettings(url=f"sqlite:///{ledger.path}"),
        alarms=AlarmSettings(metrics_port=port),
    )
    with pytest.raises(NotRunnable, match=f"metrics_port.*{port}"):
        run(settings)
