"""The clocks by which frames without receipt are sent again (docs/wire.md)."""

import pytest

from edge.forwarding.flights import Flight, Flights
from edge.settings import ForwardSettings
from khaen.ids import Epoch
from khaen.receipt import EpochReceipt
from khaen.uplink import Number

EPOCH = Epoch("00000000000000aa")


def number(seq: int) -> Number:
    return Number(epoch=EPOCH, seq=seq)


def flight(seq: int = 1, *, priority: bool = False, late: bool = False, tries: int = 1) -> Flight:
    return Flight(
        number=number(seq), position=seq, priority=priority, topic="t", late=late, tries=tries
    )


@pytest.mark.parametrize(
    ("priority", "waits"),
    [
        (True, [5, 10, 20, 40, 60, 60]),
        (False, [30, 60, 120, 240, 480, 600, 600]),
    ],
)
def test_waits_double_up_to_their_limit(priority: bool, waits: list[float]) -> None:
    flights = Flights(ForwardSettings())
    now = 1000.0
    for tries, wait in enumerate(waits, start=1):
        flights.add(flight(priority=priority, tries=tries))
        assert flights.due(now + 10_000) == [], "the clock starts when the broker took it"
        flights.take(number(1), now)
        assert flights.next_due() == now + wait
        assert not flights.due(now + wait - 0.001)
        assert [f.number for f in flights.due(now + wait)] == [number(1)]
        now += wait


@pytest.mark.parametrize(
    ("age", "hastened"), [(0.0, False), (4.9, False), (5.0, True), (29.0, True)]
)
def test_a_gap_hastens_only_what_was_taken_five_seconds_ago(age: float, hastened: bool) -> None:
    flights = Flights(ForwardSettings())
    for seq in (1, 2, 3):
        flights.add(flight(seq))
        flights.take(number(seq), 100.0)
    receipt = EpochReceipt(epoch=EPOCH, watermark=1, upto=3, missing=((2, 2),))
    assert flights.obey([receipt], 100.0 + age) == 2
    assert [f.number.seq for f in flights.due(100.0 + age)] == ([2] if hastened else [])


def test_nothing_is_said_of_what_lies_above_upto() -> None:
    flights = Flights(ForwardSettings())
    flights.add(flight(5))
    flights.take(number(5), 0.0)
    assert flights.obey([EpochReceipt(epoch=EPOCH, watermark=3, upto=4, missing=())], 29.0) == 0
    assert not flights.due(29.0)


def test_another_epoch_settles_nothing() -> None:
    flights = Flights(ForwardSettings())
    flights.add(flight(1))
    other = EpochReceipt(epoch=Epoch("00000000000000bb"), watermark=9, upto=9)
    assert flights.obey([other], 0.0) == 0
    assert number(1) in flights


def test_a_new_connection_of_ingest_starts_every_clock_again() -> None:
    flights = Flights(ForwardSettings())
    flights.add(flight(1, tries=9))
    flights.take(number(1), 0.0)
    flights.add(flight(2))
    flights.take(number(2), 0.0)
    flights.add(flight(3))
    assert flights.next_due() == 30
    flights.reset(10.0)
    due = {f.number.seq: f.due for f in flights}
    assert due == {1: 40.0, 2: 30.0, 3: None}, "none becomes later, none starts before its PUBACK"


def test_priority_is_due_first_then_the_oldest() -> None:
    flights = Flights(ForwardSettings())
    for seq, priority in ((4, False), (3, True), (1, False), (2, True)):
        flights.add(flight(seq, priority=priority))
        flights.take(number(seq), 0.0)
    assert [f.number.seq for f in flights.due(30.0)] == [2, 3, 1, 4]


def test_late_ones_are_counted() -> None:
    flights = Flights(ForwardSettings())
    flights.add(flight(1, late=True))
    flights.add(flight(2, late=True, priority=True))
    flights.add(flight(3))
    assert (flights.late, flights.late_ordinary) == (2, 1)
    flights.add(flight(3, late=True))
    flights.remove(number(1))
    assert (flights.late, flights.late_ordinary) == (2, 1)
    flights.clear()
    assert (flights.late, flights.late_ordinary, len(flights)) == (0, 0, 0)
