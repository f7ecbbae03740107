"""Months of ordinary life go by without anything said that cannot be."""

from datetime import UTC, datetime, timedelta

from simulators.acts import life
from simulators.payloads.wristband import FALL_PORT, SOS_PORT
from simulators.people.chances import befall
from simulators.sites.made_up import make_up
from simulators.traffic import Pace, Traffic

START = datetime(2026, 4, 13, 5, 0, tzinfo=UTC)
MADE = make_up(1, elders=4, gateways=1, sensors=0)


def play(
    days: int, *, often: float | None
) -> tuple[Traffic, list[tuple[float, int | None, bytes]]]:
    traffic = Traffic(
        MADE.site, MADE.keys, seed=1, start=START, pace=Pace(wristband=3600.0, sensor=3600.0)
    )
    if often is not None:
        life.begin(traffic, MADE.site, seed=1, often=often)
    sent = []
    while traffic.next_at < days * 86_400.0:
        if (frame := traffic.step()) is not None:
            sent.append((frame.at, frame.f_port, frame.phy))
    return traffic, sent


def test_what_befalls_elders_is_heard() -> None:
    _, sent = play(6, often=60)
    elders = (f"R-{number:04d}" for number in range(1, 5))
    kinds = {act.act for _, act in befall(elders, 1, START, 6, often=60)}
    assert {"press", "fall", "clap", "take_off", "put_on", "wander", "fever", "episode"} <= kinds
    heard = {port for _, port, _ in sent}
    assert {SOS_PORT, FALL_PORT} <= heard
    assert play(6, often=60)[1] == sent


def test_without_it_nothing_befalls_anybody() -> None:
    traffic, sent = play(3, often=None)
    assert not {SOS_PORT, FALL_PORT} & {port for _, port, _ in sent}
    assert {traffic.elder(resident).oxygen for resident in traffic.residents} == {96.5}


def test_days_follow_each_other_without_a_gap() -> None:
    later = START + timedelta(days=2)
    names = list(play(1, often=1)[0].residents)
    whole = [at for at, _ in befall(names, 1, START, 4, often=20)]
    halves = [at for begins in (START, later) for at, _ in befall(names, 1, begins, 2, often=20)]
    assert halves == whole
