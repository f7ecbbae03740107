"""Whose an uplink is: the wearer of the time at which it was heard."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from ingest.knowledge import Loader
from khaen.clock import Rung, to_micros
from store import inventory
from store.schema import registry
from tests.support.in_process import InProcess, Sent, late
from tests.support.traffic import KEY, WRISTBAND, Device, Gateway


def wear(ingest: InProcess, since: datetime, until: datetime | None, person: str) -> None:
    """Give the wristband to somebody."""
    with ingest.database.write() as tx:
        tx.connection.execute(
            insert(registry.person).values(id=person, organisation="ward", seeded=False)
        )
        tx.connection.execute(
            insert(registry.assignment).values(
                dev_eui=WRISTBAND,
                person=person,
                valid_from=to_micros(since),
                valid_until=None if until is None else to_micros(until),
                seeded=False,
            )
        )
        inventory.flip(tx)
    ingest.reader.knowledge = Loader(ingest.database, KEY, ingest.clock).load()


def test_a_call_is_that_of_the_wearer_when_it_was_heard(ingest: InProcess) -> None:
    device, gateway, moved = Device(WRISTBAND), Gateway(), ingest.now()
    wear(ingest, moved - timedelta(days=9), moved, "before")
    wear(ingest, moved, None, "after")
    ingest.clock.advance(300)
    old = device.say(bytes((0x10, 1, 90, 0)), 11)
    new = device.say(bytes((0x10, 2, 90, 0)), 11)
    ingest.take(late(gateway.eui, gateway.hear(old, moved - timedelta(seconds=30))))
    ingest.take(Sent(topic=gateway.up, payload=gateway.hear(new, ingest.now())))
    found = ingest.rows("SELECT subject FROM alarm ORDER BY event_at")
    assert found == [("person:before",), ("person:after",)]


def test_a_call_dated_by_a_span_is_that_of_the_wearer_at_its_end(ingest: InProcess) -> None:
    """A gateway that never had true time: the span may begin before anybody wore the band."""
    device, gateway = Device(WRISTBAND), Gateway()
    wear(ingest, ingest.now() - timedelta(days=1), None, "now")
    envelope = gateway.hear(
        device.say(bytes((0x10, 1, 90, 0)), 11),
        datetime(2024, 1, 1, tzinfo=UTC),
        clock=Rung.BETWEEN,
        until=ingest.now(),
    )
    ingest.take(late(gateway.eui, envelope))
    assert ingest.rows("SELECT subject FROM uplink") == [("person:now",)]
    assert ingest.rows("SELECT subject, late FROM alarm") == [("person:now", 1)]
