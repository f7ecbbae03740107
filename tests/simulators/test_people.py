from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from decoders.decode import decode_payload
from khaen.reading import EventKind, Quality
from simulators.payloads.wristband import Stage
from simulators.people import Activity, Elder

FAMILY = "khaen_wristband"
NOON = datetime(2026, 4, 13, 5, 0, tzinfo=UTC)
"""Noon in Khon Kaen."""


def follow(elder: Elder, start: datetime, minutes: int) -> dict[Activity, list[dict[str, float]]]:
    """What the band said each minute, by what the elder did."""
    said: dict[Activity, list[dict[str, float]]] = {activity: [] for activity in Activity}
    for minute in range(minutes):
        message = elder.report(start + timedelta(minutes=minute))
        decoded = decode_payload(FAMILY, message.f_port, message.payload)
        assert decoded.warnings == ()
        assert all(reading.quality is Quality.GOOD for reading in decoded.readings)
        values = {reading.quantity: reading.value for reading in decoded.readings}
        said[elder.activity].append(values)
    return said


def mean(rows: list[dict[str, float]], quantity: str) -> float:
    return sum(row[quantity] for row in rows) / len(rows)


def test_body_follows_what_the_elder_does() -> None:
    said = follow(Elder(Random(4), NOON), NOON, 24 * 60)
    asleep, walking = said[Activity.ASLEEP], said[Activity.WALKING]
    assert mean(asleep, "heart_rate") + 10 < mean(walking, "heart_rate")
    assert mean(asleep, "skin_temperature") > mean(walking, "skin_temperature")
    assert mean(asleep, "activity") < 20 < mean(walking, "activity")
    assert all(row["motion"] == 1 for row in walking)


def test_nights_are_slept_and_days_are_not() -> None:
    night = follow(Elder(Random(4), NOON + timedelta(hours=10)), NOON + timedelta(hours=11), 360)
    assert len(night[Activity.ASLEEP]) > 250
    day = follow(Elder(Random(4), NOON), NOON + timedelta(hours=3), 180)
    assert len(day[Activity.ASLEEP]) < 90


def test_steps_only_grow_and_come_round() -> None:
    elder = Elder(Random(9), NOON)
    steps = []
    for minute in range(0, 24 * 60, 10):
        message = elder.report(NOON + timedelta(minutes=minute))
        decoded = decode_payload(FAMILY, message.f_port, message.payload)
        steps += [reading.value for reading in decoded.readings if reading.quantity == "steps"]
    walked = [(later - earlier) % 65536 for earlier, later in pairwise(steps)]
    assert max(walked) <= 700  # ten minutes
    assert 2_000 < sum(walked) < 60_000


def test_calls_count_presses_and_falls_count_falls() -> None:
    elder = Elder(Random(1), NOON)
    first = elder.press()
    assert elder.press() == (first + 1) % 256
    call = elder.call(first, 12.7)
    (event,) = decode_payload(FAMILY, call.f_port, call.payload).events
    assert (event.kind, event.press, event.detail["age_s"]) == (EventKind.SOS, first, 12)
    assert call.confirmed
    fall = elder.fall(NOON + timedelta(minutes=1))
    message = elder.fall_message(Stage.STILL, fall, 60)
    (event,) = decode_payload(FAMILY, message.f_port, message.payload).events
    assert (event.kind, event.press, event.detail["still"]) == (EventKind.FALL, fall, 1)


def test_same_seed_says_the_same() -> None:
    def day(seed: int) -> list[bytes]:
        elder = Elder(Random(seed), NOON)
        return [elder.report(NOON + timedelta(minutes=n)).payload for n in range(0, 1440, 5)]

    assert day(1) == day(1)
    assert day(1) != day(2)
