"""A ledger with organisations, plans and alarms in it, for the tests of several rooms."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from khaen.alarm import Alarm, AlarmClass, Change, Priority, State
from khaen.clock import Clock
from khaen.evaluation import AlarmChange, Evaluation, SubjectState
from khaen.ids import AlarmId, OrganisationId, SubjectId
from store import alarms, migrate
from store.database import Database, Transaction
from store.schema import registry

ELDER = SubjectId("person:R-0012")
CENTRE = OrganisationId("centre")
START = datetime(2026, 3, 1, 5, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Database]:
    """An empty ledger of the present shape, by the host's clock."""
    database = open_ledger(tmp_path / "ledger.sqlite")
    yield database
    database.close()


def open_ledger(path: Path, clock: Clock | None = None) -> Database:
    """A ledger of the present shape at `path`."""
    database = Database(f"sqlite:///{path}", clock=clock)
    migrate.upgrade(database)
    return database


def make_alarm(
    *,
    subject: SubjectId = ELDER,
    rule: str = "sos",
    priority: Priority = Priority.P1,
    alarm_class: AlarmClass = AlarmClass.CARE,
    organisation: OrganisationId = CENTRE,
    simulated: bool = False,
    at: datetime = START,
) -> Alarm:
    """A new alarm with an id of its own."""
    return Alarm(
        id=AlarmId(uuid.uuid4()),
        organisation=organisation,
        subject=subject,
        rule=rule,
        alarm_class=alarm_class,
        priority=priority,
        state=State.UNACKNOWLEDGED,
        event_at=at,
        raised_at=at,
        simulated=simulated,
        reason="press",
    )


def raising(alarm: Alarm) -> AlarmChange:
    """The change by which it begins, which people are told."""
    return AlarmChange(alarm=alarm, change=Change.RAISED, at=alarm.raised_at, notify=True)


def raise_alarm(tx: Transaction, alarm: Alarm) -> Alarm:
    """Record its raise as ingest would."""
    state = alarms.states(tx, [alarm.subject])[alarm.subject]
    state = SubjectState(subject=alarm.subject, event_at=alarm.event_at, rules=state.rules)
    alarms.record(tx, Evaluation(state=state, changes=(raising(alarm),)))
    return alarm


def add_organisation(
    tx: Transaction,
    organisation: str = CENTRE,
    *,
    parent: str | None = None,
    plan: str | None = None,
    simulated: bool = False,
) -> None:
    """An organisation of the registry."""
    tx.connection.execute(
        insert(registry.organisation).values(
            id=organisation,
            parent=parent,
            name_th=organisation,
            name_en=organisation,
            simulated=simulated,
            plan=plan,
        )
    )


def add_plan(
    tx: Transaction,
    plan: str,
    *steps: tuple[float, str, str],
    repeat_s: float = 300.0,
) -> None:
    """A plan of steps (seconds, channel, address)."""
    tx.connection.execute(
        insert(registry.plan).values(
            id=plan,
            repeat_us=int(repeat_s * 1e6),
            steps=json.dumps(
                [{"after_us": int(after * 1e6), "channel": c, "to": to} for after, c, to in steps]
            ),
        )
    )


def add_address(tx: Transaction, address: str, channel: str, url_file: Path, *lines: str) -> None:
    """An address with its secret file."""
    url_file.touch(mode=0o600)
    url_file.write_text("\n".join(lines) + "\n")
    tx.connection.execute(
        insert(registry.address).values(id=address, channel=channel, url_file=str(url_file))
    )


def add_gateway(tx: Transaction, eui: str, organisation: str = CENTRE) -> None:
    """A gateway of the registry."""
    tx.connection.execute(
        insert(registry.gateway).values(
            eui=eui, name=eui, organisation=organisation, simulated=False
        )
    )


def add_person(tx: Transaction, person: str, organisation: str = CENTRE) -> None:
    """Somebody cared for."""
    tx.connection.execute(
        insert(registry.person).values(id=person, organisation=organisation, seeded=False)
    )
