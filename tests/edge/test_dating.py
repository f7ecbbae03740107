"""Which clock dates a frame."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from edge.dating import Date, Dating
from edge.host import Host
from edge.record import Instant, Record
from khaen.clock import ManualClock, Rung
from khaen.ids import Epoch
from khaen.uplink import Kind, Number, Origin
from tests.edge.fixtures import BOOT, START, FakeHost

HOUR = timedelta(hours=1)


def make(*, true: bool, trust: bool = False, start: datetime = START) -> tuple[Dating, ManualClock]:
    clock = ManualClock(start)
    return Dating(clock, FakeHost(clock=clock, true=true), trust=trust), clock


def record(
    instant: Instant, after: datetime | None = None, before: datetime | None = None
) -> Record:
    return Record(
        position=1,
        number=Number(epoch=Epoch("00000000000000aa"), seq=1),
        kind=Kind.LORAWAN,
        frame=b"",
        priority=False,
        origin=Origin.RADIO,
        instant=instant,
        after=after,
        before=before,
    )


@pytest.mark.parametrize(
    ("true", "trust", "satellite", "rung", "at"),
    [
        (True, False, None, Rung.SYNCED, START),
        (False, True, None, Rung.SYNCED, START),
        (False, False, None, None, None),
        (True, False, START + timedelta(seconds=1), Rung.GPS, START + timedelta(seconds=1)),
        (True, False, START + timedelta(seconds=31), Rung.SYNCED, START),
        (False, False, START + HOUR, Rung.GPS, START + HOUR),
        (False, False, datetime(1980, 1, 6, tzinfo=UTC), None, None),
        (False, False, datetime.max.replace(tzinfo=UTC), None, None),
    ],
)
def test_the_best_clock_there_is(
    true: bool, trust: bool, satellite: datetime | None, rung: Rung | None, at: datetime | None
) -> None:
    dating, _ = make(true=true, trust=trust)
    instant = dating.hear(satellite)
    assert (instant.clock, instant.at) == (rung, at)


def test_a_clock_that_becomes_true_dates_its_boot() -> None:
    """The host starts in 1970; an hour later somebody sets it; what was heard then has a date."""
    start = datetime(1970, 1, 1, tzinfo=UTC)
    clock = ManualClock(start)
    host = FakeHost(clock=clock, true=False)
    dating = Dating(clock, host, trust=False)
    heard = record(dating.hear())
    assert dating.pending(heard)
    assert dating.date(heard, live=True) == Date(clock=Rung.ARRIVAL)
    clock.advance(3600)
    object.__setattr__(host, "true", True)
    clock._start = START
    clock.advance(1)
    assert not dating.pending(heard)
    date = dating.date(heard, live=False)
    assert (date.clock, date.at) == (Rung.BOOT, START)


def test_a_satellite_dates_the_boot_as_well() -> None:
    dating, clock = make(true=False)
    heard = record(dating.hear())
    clock.advance(10)
    dating.hear(START + HOUR)
    assert dating.date(heard, live=False).at == START + HOUR - timedelta(seconds=10)


def test_a_satellite_far_off_stops_nothing() -> None:
    """A forwarder that says the year 9999: what is heard a second later can still be dated."""
    dating, clock = make(true=False)
    dating.hear(datetime.max.replace(tzinfo=UTC))
    clock.advance(1)
    assert dating.date(record(dating.hear()), live=False).clock is Rung.BETWEEN


def test_a_synchronised_clock_sets_a_wrong_satellite_right() -> None:
    """A forwarder without a fix told its host's own time, which nobody had set yet."""
    dating, clock = make(true=False)
    heard = record(dating.hear(START - 1000 * HOUR))
    heard = record(replace(heard.instant, at=None, clock=None))
    assert dating.date(heard, live=False).at == START - 1000 * HOUR
    object.__setattr__(dating._host, "true", True)
    clock.advance(1)
    assert dating.date(heard, live=False) == Date(clock=Rung.BOOT, at=START)


def test_a_satellite_is_measured_by_what_the_clock_said_while_it_was_true() -> None:
    dating, clock = make(true=True)
    dating.hear()
    object.__setattr__(dating._host, "true", False)
    clock.advance(60)
    wrong, right = START - 1000 * HOUR, START + timedelta(seconds=61)
    assert dating.hear(wrong).clock is None
    assert (dating.hear(right).clock, dating.hear(right).at) == (Rung.GPS, right)
    assert dating.date(record(dating.hear(wrong)), live=True).at == START + timedelta(seconds=60)


def test_without_such_a_clock_the_last_satellite_counts() -> None:
    """First it told what the host had kept over the night, then it had a fix."""
    dating, clock = make(true=False)
    heard = record(dating.hear())
    dating.hear(START - 1000 * HOUR)
    clock.advance(10)
    dating.hear(START + HOUR)
    assert dating.date(heard, live=False).at == START + HOUR - timedelta(seconds=10)


def test_dates_do_not_waver_with_each_satellite() -> None:
    dating, clock = make(true=False)
    heard = record(dating.hear())
    for late in range(5):
        dating.hear(clock.now() + timedelta(milliseconds=100 * late))
        clock.advance(1)
    assert dating.date(heard, live=False).at == START


def test_a_boot_without_true_time_is_a_span_between_its_neighbours() -> None:
    dating, _ = make(true=True)
    other = replace(dating.hear(), boot_id="another boot", at=None, clock=None)
    heard = record(other, after=START - HOUR, before=START)
    assert not dating.pending(heard), "that boot is over"
    date = dating.date(heard, live=False)
    assert date == Date(clock=Rung.BETWEEN, at=START - HOUR, until=START)
    open_end = dating.date(record(other, after=START - HOUR), live=False)
    assert open_end.until == START
    wrong = dating.date(record(other, after=START + HOUR), live=False)
    assert wrong.until == wrong.at, "a span does not end before it begins"


@pytest.mark.parametrize("offset_us", [1 << 62, -(1 << 62), 0])
def test_an_offset_that_gives_no_time_of_day_dates_nothing(offset_us: int) -> None:
    dating, _ = make(true=False)
    dating.offsets["damaged"] = offset_us
    heard = record(Instant(boot_id="damaged", boot_us=5, at=None, clock=None), after=START)
    assert dating.date(heard, live=False) == Date(clock=Rung.BETWEEN, at=START)


def test_a_clock_that_is_not_true_ends_no_span() -> None:
    dating, _ = make(true=False)
    heard = record(replace(dating.hear(), boot_id="another boot"), after=START - HOUR)
    date = dating.date(heard, live=False)
    assert date == Date(clock=Rung.BETWEEN, at=START - HOUR, until=None)


def test_the_kernel_is_not_asked_more_than_once_a_second() -> None:
    asked = []

    class Asked(FakeHost):
        def synchronised(self) -> bool:
            asked.append(1)
            return True

    clock = ManualClock(START)
    dating = Dating(clock, Asked(clock=clock), trust=False)
    for _ in range(10):
        dating.hear()
    clock.advance(1)
    dating.hear()
    assert len(asked) == 2


def test_this_machine() -> None:
    host = Host()
    assert len(host.boot_id) == 36
    assert host.boot_id != BOOT
    first = host.boot_us()
    assert host.boot_us() >= first > 0
    assert host.synchronised() in (True, False)
    warmth = host.temperature()
    assert warmth is None or -50 < warmth < 150
