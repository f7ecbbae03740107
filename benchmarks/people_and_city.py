"""Simulated elders and sensors: what one costs in memory, and what a report costs in time."""

from __future__ import annotations

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from khaen.site.model import Position
from simulators.city import SENSORS, City, Reporter
from simulators.people import Elder
from simulators.sites.made_up import MOST, make_up

START = datetime(2026, 9, 13, 1, tzinfo=UTC)
HOME = Position(latitude=16.43, longitude=102.83)
ELDERS, OF_A_FAMILY, ROUNDS = 2_000, 100, 5
INTERVAL = timedelta(minutes=5)


def make_elders() -> list[Reporter]:
    return [Elder(Random(number), START) for number in range(ELDERS)]


def make_sensors(family: str) -> list[Reporter]:
    city = City("1", START)
    return [SENSORS[family](Random(number), city, HOME) for number in range(OF_A_FAMILY)]


def weigh(make: Callable[[], Sequence[Reporter]]) -> float:
    """Bytes of each model after its first report."""
    make()[0].report(START)  # what is shared is there already
    tracemalloc.start()
    models = make()
    for model in models:
        model.report(START)
    size = tracemalloc.get_traced_memory()[0] / len(models)
    tracemalloc.stop()
    return size


def time_reports(models: Sequence[Reporter]) -> float:
    """Microseconds of a report, each model in turn."""
    rounds = []
    for number in range(ROUNDS + 1):
        at = START + number * INTERVAL
        began = time.perf_counter()
        for model in models:
            model.report(at)
        rounds.append((time.perf_counter() - began) / len(models) * 1e6)
    return statistics.median(rounds[1:])


def main() -> None:
    """Measure and print."""
    print(f"elder: {time_reports(make_elders()):.0f} µs a report, {weigh(make_elders):.0f} bytes")
    for family in SENSORS:
        reported = time_reports(make_sensors(family))
        size = weigh(partial(make_sensors, family))
        print(f"{family}: {reported:.0f} µs a report, {size:.0f} bytes")
    times = []
    for _ in range(3):
        began = time.perf_counter()
        make_up(1, elders=MOST * 9 // 10, gateways=150, sensors=MOST // 10)
        times.append(time.perf_counter() - began)
    print(f"a site of {MOST:,} devices made up in {statistics.median(times):.1f} s")


if __name__ == "__main__":
    main()
