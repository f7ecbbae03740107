"""Whose silence it is: one gateway's, or that of all that lies before us."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alarms.silence import Gateway, Look, look
from khaen.ids import GatewayEui

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT = timedelta(seconds=150)
LONG_AGO = NOW - timedelta(days=1)


def judge(*silences: float | None, since: datetime = LONG_AGO, down: int = 0) -> Look:
    """Look at gateways that are silent for so many seconds; the first `down` have their alarm."""
    gateways = [
        Gateway(
            eui=GatewayEui(f"{n:016x}"),
            last_heard=None if silence is None else NOW - timedelta(seconds=silence),
            down=n < down,
        )
        for n, silence in enumerate(silences)
    ]
    return look(gateways, since=since, now=NOW, limit=LIMIT)


def test_one_silent_gateway_is_its_own_fault_also_when_it_is_the_only_one() -> None:
    assert not judge(151, 10, 20).together
    assert not judge(151).together


def test_first_that_passes_the_limit_brings_those_that_fell_silent_with_it() -> None:
    found = judge(151, 120, 100, 10)
    assert found.together
    assert len(found.overdue) == 3


def test_a_missed_heartbeat_alone_is_no_trouble() -> None:
    assert not judge(149, 120, 100).together


def test_half_is_not_more_than_half() -> None:
    assert not judge(151, 151, 10, 10).together


def test_gateways_that_were_down_before_are_counted_on_neither_side() -> None:
    assert not judge(9000, 9000, 151, 10, 10, down=2).together
    assert judge(9000, 151, 151, 10, down=1).together


def test_time_in_which_ingest_did_not_listen_does_not_count() -> None:
    found = judge(9000, None, since=NOW - timedelta(seconds=20))
    assert not found.together
    assert not found.overdue
    assert all(g.last_heard == NOW - timedelta(seconds=20) for g in found.heard)


def test_gateway_that_is_down_stays_so_when_ingest_began_anew() -> None:
    (down, other) = judge(9000, 9000, since=NOW - timedelta(seconds=20), down=1).heard
    assert down.last_heard == NOW - timedelta(seconds=9000)
    assert other.last_heard == NOW - timedelta(seconds=20)


@given(
    heartbeats=st.lists(st.floats(0, 60), min_size=2, max_size=12),
    delay=st.floats(0, 5),
)
def test_whole_outage_never_looks_like_one_gateway(heartbeats: list[float], delay: float) -> None:
    """All hearts beat once a minute at any phase; the first to pass the limit finds all overdue."""
    first = max(heartbeats)
    elapsed = 150 - first + delay
    assert judge(*(phase + elapsed for phase in heartbeats)).together
