"""Who was heard when, and who keeps silent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from simulators.ear import Ear
from simulators.sites.demonstration import make_site
from simulators.traffic import Traffic

START = datetime(2026, 3, 1, tzinfo=UTC)


def make(seed: int = 1) -> tuple[Ear, Traffic]:
    made = make_site(seed)
    traffic = Traffic(made.site, made.keys, seed=seed, start=START)
    return Ear(made.site, traffic), traffic


def run(traffic: Traffic, until: float) -> None:
    while traffic.next_at <= until:
        traffic.step()


def test_before_anything_is_heard_nobody_is_silent_yet() -> None:
    ear, _traffic = make()
    assert (ear.count, ear.silent(1.0), ear.rate(0.0)) == (60, 0, 0.0)
    assert {line.ago for line in ear.devices(1.0, most=100)} == {None}


def test_uplinks_are_counted_by_the_second() -> None:
    ear, traffic = make()
    run(traffic, 60.0)
    heard = ear.frames - ear.unheard
    assert heard > 100
    assert ear.rate(60.0) == pytest.approx(heard / 60, rel=0.5)


def test_who_stops_is_silent_after_a_while_and_stands_first() -> None:
    ear, traffic = make()
    run(traffic, 60.0)
    assert ear.silent(60.0) == 0
    traffic.silence()
    run(traffic, 70.0)
    lines = ear.devices(75.0, most=5)
    assert len(lines) == 5
    ages = [line.ago for line in lines if line.ago is not None]
    assert ages == sorted(ages, reverse=True)
    assert ear.silent(1000.0) == 60
    assert all(line.silent for line in ear.devices(1000.0, most=5))


def test_elders_are_named_by_their_opaque_id_and_things_by_their_eui() -> None:
    ear, traffic = make()
    run(traffic, 30.0)
    lines = ear.devices(30.0, most=100)
    assert {line.name for line in lines if line.family == "khaen_wristband"} == set(
        traffic.residents
    )
    assert all(len(line.name) == 16 for line in lines if line.family != "khaen_wristband")
