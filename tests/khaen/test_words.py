"""The small words: identities, time, uplinks, quantities, topics, backoff."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen import clock, ids, topics
from khaen.backoff import Backoff
from khaen.errors import WireError
from khaen.quantity import QUANTITIES, quantity
from khaen.reading import Quality
from khaen.uplink import uplink_id

DEV = ids.parse_dev_eui("A1B2C3D4E5F60708")
ADDRESS = ids.parse_dev_addr("00189440")


@pytest.mark.parametrize(
    "text", ["0000000000000012", "00-00-00-00-00-00-00-12", "00:00:00:00:00:00:00:12 "]
)
def test_an_eui_survives_how_people_write_it(text: str) -> None:
    assert ids.parse_dev_eui(text) == "0000000000000012"


@pytest.mark.parametrize("text", ["", "10", "g000000000000012", "00000000000000012"])
def test_what_is_no_eui_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"DevEUI .* is not 16 hex digits"):
        ids.parse_dev_eui(text)


@pytest.mark.parametrize("text", ["", "a b", "../x", "ก", "a" * 65, "-a"])
def test_what_is_no_slug_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        ids.parse_slug(text)


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
        max_value=datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=7))]),
    )
)
def test_time_survives_wire_and_ledger(at: datetime) -> None:
    assert clock.parse_time(clock.format_time(at)) == at
    assert clock.from_micros(clock.to_micros(at)) == at
    assert clock.format_time(at).endswith("Z")


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-07-23T01:02:03Z", 0),
        ("2026-07-23T08:02:03.5+07:00", 500_000),
        ("2026-07-23T01:02:03.456789999+00:00", 456_789),
    ],
)
def test_time_is_taken_with_up_to_nanoseconds(text: str, micros: int) -> None:
    assert clock.parse_time(text) == datetime(2026, 7, 23, 1, 2, 3, micros, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "2026-07-23T01:02:03", "2026-13-01T00:00:00Z", "now", "0001-01-01T00:00:00+23:00"]
)
def test_time_without_zone_or_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        clock.parse_time(text)


def test_a_manual_clock_moves_only_forward_and_only_when_told() -> None:
    manual = clock.ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    manual.advance(72 * 3600)
    assert (manual.now(), manual.monotonic()) == (datetime(2026, 1, 4, tzinfo=UTC), 259200.0)
    with pytest.raises(ValueError, match="does not go back"):
        manual.advance(-1)


def test_an_uplinks_id_is_fixed_for_ever() -> None:
    # Ids are kept in ledgers and sent to other systems: this value may never change.
    assert uplink_id(DEV, ADDRESS, 0, 42, 2, b"\x01\x48") == UUID(
        "63ffa39c-58dd-5c60-a642-8eebd7e5cc19"
    )


def test_an_uplinks_id_tells_apart_what_differs_and_joins_what_is_one() -> None:
    base = uplink_id(DEV, ADDRESS, 0, 42, 2, b"x")
    others = {
        uplink_id(ids.parse_dev_eui("0" * 16), ADDRESS, 0, 42, 2, b"x"),
        uplink_id(DEV, ids.parse_dev_addr("00189441"), 0, 42, 2, b"x"),
        uplink_id(DEV, ADDRESS, 1, 42, 2, b"x"),
        uplink_id(DEV, ADDRESS, 0, 42 + 65536, 2, b"x"),
        uplink_id(DEV, ADDRESS, 0, 42, 3, b"x"),
        uplink_id(DEV, ADDRESS, 0, 42, 2, b"y"),
    }
    assert len(others | {base}) == 7
    assert uplink_id(DEV, ADDRESS, 0, 42, None, b"") == uplink_id(DEV, ADDRESS, 0, 42, 0, b"\x02")
    assert uplink_id(DEV, ADDRESS, 0, 42, 226, b"a") == uplink_id(DEV, ADDRESS, 0, 42, 226, b"b")


def test_every_quantity_has_both_languages_and_a_range() -> None:
    for name, entry in QUANTITIES.items():
        assert entry.id == name
        assert entry.low < entry.high
        assert any("\u0e00" <= c <= "\u0e7f" for c in entry.th), name
        assert entry.en.isascii() or "µ" in entry.en
        assert entry.personal is (entry.domain == "vitals")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(72, Quality.GOOD), (20, Quality.GOOD), (19, Quality.SUSPECT), (float("nan"), "suspect")],
)
def test_an_implausible_value_is_suspect(value: float, expected: Quality) -> None:
    assert quantity("heart_rate").quality(value) == expected


def test_topics_are_taken_apart_as_they_are_built() -> None:
    gateway = ids.parse_gateway_eui("0016c001f153a14c")
    for prefix, leaf, topic in [
        ("as923", "event/up", topics.up("as923", gateway)),
        ("as923", "event/stats", topics.stats("as923", gateway)),
        ("as923", "state/conn", topics.conn("as923", gateway)),
        ("khaen", "live", topics.live(gateway)),
        ("khaen", "backlog", topics.backlog(gateway)),
        ("khaen", "receipt", topics.receipt(gateway)),
        ("khaen", "status", topics.status(gateway)),
    ]:
        assert topics.parse(topic) == topics.GatewayTopic(prefix=prefix, gateway=gateway, leaf=leaf)
    event = topics.parse("application/17c8/device/a1b2c3d4e5f60708/event/up")
    assert event == topics.ApplicationTopic(application="17c8", dev_eui=DEV, event="up")


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("", "unknown_topic"),
        ("khaen/gateway", "unknown_topic"),
        ("khaen/gateway/0016c001f153a14c", "unknown_topic"),
        ("khaen/gateway/xyz/live", "bad_eui"),
        ("application/1/device/1/event/up", "bad_eui"),
    ],
)
def test_other_topics_are_refused_with_the_reason(topic: str, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        topics.parse(topic)
    assert caught.value.reason == reason


def test_backoff_grows_to_its_cap_and_begins_again() -> None:
    backoff = Backoff(base=1.0, cap=8.0, floor=0.1)
    waits = [backoff.next() for _ in range(200)]
    assert all(0.1 <= wait <= 8.0 for wait in waits)
    assert max(waits[0:1]) <= 1.0
    assert max(waits[10:]) > 4.0  # 190 draws from 0..8 all below 4: one in 10^57
    backoff.reset()
    assert backoff.next() <= 1.0


def test_gps_time() -> None:
    """Unix time minus 315964800 s plus 18 leap seconds."""
    at = clock.from_gps(timedelta(milliseconds=1468803741456))
    assert at == datetime(2026, 7, 23, 1, 2, 3, 456_000, tzinfo=UTC)
    assert clock.to_gps(at) == timedelta(milliseconds=1468803741456)
    assert clock.from_gps(timedelta(days=999_999_999)) is None
