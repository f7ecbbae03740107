"""What was decoded comes out of the ledger as it went in."""

import json
import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from khaen.quantity import QUANTITIES
from khaen.reading import Decoded, Event, EventKind, Quality, Reading, Warn
from store import document

times = st.none() | st.integers(0, 10**12).map(
    lambda us: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
)
readings = st.builds(
    Reading,
    quantity=st.sampled_from(sorted(QUANTITIES)),
    value=st.floats(allow_nan=False, allow_infinity=False),
    quality=st.sampled_from(Quality),
    channel=st.sampled_from(["", "a", '"\\']),
    key=st.sampled_from(["", "data.hr", '"\\']),
    measured_at=times,
)
events = st.builds(
    Event,
    kind=st.sampled_from(EventKind),
    press=st.none() | st.integers(0, 255),
    detail=st.dictionaries(st.text(max_size=3), st.floats(allow_nan=False, allow_infinity=False)),
    measured_at=times,
)
warnings = st.builds(Warn, text=st.text(), offset=st.none() | st.integers(0, 50))
decoded = st.builds(
    Decoded,
    readings=st.lists(readings, max_size=4).map(tuple),
    events=st.lists(events, max_size=2).map(tuple),
    warnings=st.lists(warnings, max_size=2).map(tuple),
    raw=st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=2).map(tuple),
)


@given(decoded)
def test_there_and_back(said: Decoded) -> None:
    assert document.parse(document.render(said)) == said


def test_what_is_no_number_is_null() -> None:
    said = Decoded(readings=(Reading(quantity="spo2", value=math.inf),))
    text = document.render(said)
    assert json.loads(text)["readings"][0]["value"] is None
    assert math.isnan(document.parse(text).readings[0].value)


def test_nothing_says_nothing() -> None:
    assert document.parse(None) == document.parse(document.render(Decoded())) == Decoded()
