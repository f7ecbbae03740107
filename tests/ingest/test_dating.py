"""When a frame was heard, and how well that is known."""

from datetime import datetime, timedelta

import pytest

from ingest.dating import Dating
from khaen.clock import Rung
from khaen.ids import GatewayEui
from khaen.uplink import Kind, Number, Origin, Way
from khaen.wire import Heard
from tests.support.traffic import EPOCH, GATEWAYS, START


def heard(
    at: datetime | None, *, seq: int = 1, clock: Rung = Rung.SYNCED, until: datetime | None = None
) -> Heard:
    return Heard(
        gateway_eui=GatewayEui(GATEWAYS[0]),
        kind=Kind.LORAWAN,
        payload=b"",
        clock=clock if at else Rung.ARRIVAL,
        origin=Origin.RADIO,
        number=Number(epoch=EPOCH, seq=seq),
        at=at,
        until=until,
    )


@pytest.mark.parametrize(
    ("off", "settled", "rung", "wrong"),
    [
        (0.0, True, Rung.SYNCED, False),
        (-59.0, True, Rung.SYNCED, False),
        (4.0, True, Rung.SYNCED, False),
        (-61.0, True, Rung.ARRIVAL, True),
        (-61.0, False, Rung.SYNCED, False),  # it waited at the broker
        (6.0, True, Rung.ARRIVAL, False),
        (61.0, True, Rung.ARRIVAL, True),
        (61.0, False, Rung.ARRIVAL, True),
    ],
)
def test_live(off: float, settled: bool, rung: Rung, wrong: bool) -> None:
    dated = Dating().date(heard(START + timedelta(seconds=off)), Way.LIVE, START, settled=settled)
    assert (dated.clock, dated.wrong) == (rung, wrong)
    assert dated.at <= START + timedelta(seconds=5)


def test_without_a_date() -> None:
    dating = Dating()
    assert dating.date(heard(None), Way.LIVE, START, settled=True).clock is Rung.ARRIVAL
    assert dating.date(heard(None), Way.LIVE, START, settled=False).clock is Rung.BETWEEN
    assert dating.date(heard(None), Way.BACKLOG, START, settled=True).clock is Rung.BETWEEN


def test_a_span_ends_at_the_arrival() -> None:
    span = heard(START - timedelta(hours=2), clock=Rung.BETWEEN, until=START + timedelta(hours=1))
    dated = Dating().date(span, Way.BACKLOG, START, settled=True)
    assert (dated.at, dated.until) == (START - timedelta(hours=2), START)


def test_a_span_without_an_end_ends_at_the_arrival() -> None:
    span = heard(START - timedelta(hours=2), clock=Rung.BETWEEN)
    dated = Dating().date(span, Way.BACKLOG, START, settled=True)
    assert (dated.at, dated.until) == (START - timedelta(hours=2), START)


def test_a_late_frame_from_the_future_was_heard_before() -> None:
    dated = Dating().date(heard(START + timedelta(days=1)), Way.BACKLOG, START, settled=True)
    assert (dated.at, dated.clock) == (START, Rung.BETWEEN)


def test_late_dates_follow_the_numbers() -> None:
    dating = Dating()
    hour = timedelta(hours=1)
    first = dating.date(heard(START - 3 * hour, seq=10), Way.BACKLOG, START, settled=True)
    assert first.clock is Rung.SYNCED
    wrong = dating.date(heard(START - 9 * hour, seq=11), Way.BACKLOG, START, settled=True)
    assert (wrong.at, wrong.until, wrong.clock) == (
        START - 9 * hour,
        START - 3 * hour,
        Rung.BETWEEN,
    )
    after = dating.date(heard(START - 2 * hour, seq=12), Way.BACKLOG, START, settled=True)
    assert after.clock is Rung.SYNCED
    before = dating.date(heard(START - 4 * hour, seq=9), Way.BACKLOG, START, settled=True)
    assert before.clock is Rung.SYNCED
