"""What befalls elders by chance: as often as it says, by date alone."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from simulators.people import BANGKOK
from simulators.people.chances import MONTH_DAYS, RATES, befall, usual_oxygen

START = datetime(2026, 4, 13, 3, 0, tzinfo=UTC)
RESIDENTS = [f"R-{number:04d}" for number in range(1, 301)]


def test_happens_as_often_as_told() -> None:
    found = list(befall(RESIDENTS, 1, START, 120))
    months = len(RESIDENTS) * 120 / MONTH_DAYS
    counts = Counter(act.act for _, act in found)
    assert len(found) - counts["put_on"] == pytest.approx(months * sum(RATES.values()), rel=0.1)
    assert counts["fall"] == pytest.approx(months * 0.05, rel=0.4)
    assert {"press", "clap", "take_off", "put_on", "wander", "fever", "episode"} <= counts.keys()
    assert all(START <= at < START + timedelta(days=120) for at, _ in found)
    assert all(before[0] <= after[0] for before, after in pairwise(found))


def test_a_day_is_the_same_from_wherever_a_simulation_starts() -> None:
    later = START + timedelta(days=3)
    whole = [pair for pair in befall(RESIDENTS, 1, START, 6) if pair[0] >= later]
    assert list(befall(RESIDENTS, 1, later, 3)) == whole
    assert list(befall(RESIDENTS, 2, later, 3)) != whole


def test_others_do_not_change_what_befalls_one() -> None:
    alone = list(befall(RESIDENTS[:1], 1, START, 90, often=5))
    among = [
        pair
        for pair in befall(RESIDENTS[:20], 1, START, 90, often=5)
        if pair[1].subject() == ("resident", RESIDENTS[0])
    ]
    assert alone == among


def test_nights_are_when_she_wanders() -> None:
    for at, act in befall(RESIDENTS, 1, START, 90):
        if act.act == "wander":
            assert at.astimezone(BANGKOK).hour < 5


def test_few_have_little_oxygen() -> None:
    usual = [usual_oxygen(resident, 1) for resident in RESIDENTS]
    assert 5 <= sum(value < 93 for value in usual) <= 40
    assert all(88 <= value <= 98 for value in usual)
