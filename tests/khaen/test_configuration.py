"""The documents by which gateways are configured from afar: nothing hostile gets through."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen import configuration
from khaen.configuration import Configuration, ConfigurationState, Outcome
from khaen.errors import WireError

AT = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8)
VALUES = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(-1e9, 1e9) | NAMES
TABLES = st.dictionaries(
    NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=4) | st.lists(VALUES, max_size=4)
)


def encode(settings: object, **facts: object) -> bytes:
    return json.dumps({"v": 1, "id": "a", "settings": settings, **facts}).encode()


def has_null(value: Any) -> bool:
    return isinstance(value, dict) and any(v is None or has_null(v) for v in value.values())


@given(TABLES)
def test_what_is_said_arrives_and_null_says_nothing(settings: dict[str, Any]) -> None:
    found = configuration.parse(encode(settings)).settings
    assert not has_null(found)
    assert set(found) == {key for key, value in settings.items() if value is not None}
    for key, value in found.items():
        if not isinstance(value, dict):
            assert value == settings[key]


@given(st.binary(max_size=200) | TABLES.map(lambda t: json.dumps(t).encode()))
def test_any_bytes_are_a_configuration_or_refused(payload: bytes) -> None:
    with contextlib.suppress(WireError):
        found = configuration.parse(payload)
        assert configuration.parse(found.model_dump_json().encode()) == found


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "bad_configuration"),
        (b"[]", "not a JSON object"),
        (b"\xff\xfe", "bad_configuration"),
        (encode({}).decode().encode("utf-16"), "bad_configuration"),
        (b'{"v":2,"id":"a","settings":{},"more":1}', "newer_version: configuration v 2"),
        (b'{"id":"a"}', "settings: Field required"),
        (b'{"settings":{}}', "id: Field required"),
        (encode([]), "settings: Input should be a valid dictionary"),
        (encode({}, id=7), "id: Input should be a valid string"),
        (encode({}, id="a/b"), "id: String should match"),
        (encode({}, id="a\n"), "cannot be printed"),
        (encode({}, id="a" * 65), "id: String should match"),
        (encode({}, v="1"), "v: Input should be 1"),
        (encode({}, v=0), "v: Input should be 1"),
        (encode({}, run="rm"), "run: Extra inputs are not permitted"),
        (b'{"id":"a","id":"b","settings":{}}', "a name stands twice"),
        (b'{"id":"a","settings":{"x":{"y":1,"y":2}}}', "a name stands twice"),
        (b'{"id":"a","settings":{"x":1e999}}', "a number is too large"),
        (b'{"id":"a","settings":{"x":NaN}}', "NaN is not JSON"),
        (b'{"id":"a","settings":{"x":-Infinity}}', "-Infinity is not JSON"),
        (b'{"id":"a","settings":{"x":' + b"9" * 5000 + b"}}", "a number is too large"),
        (b'{"id":"a","settings":{"x":"\\u0000"}}', "cannot be printed"),
        (b'{"id":"a","settings":{"\\u0000":1}}', "cannot be printed"),
        (b'{"id":"a","settings":{"x":"\\ud800"}}', "cannot be printed"),
        (b'{"id":"a","settings":' + b'{"a":' * 9 + b"1" + b"}" * 10, "too deep"),
        (b"[" * 60_000, "too deep"),
        (encode({"x": "y" * configuration.MAX_BYTES}), "longer than 65536 bytes"),
    ],
)
def test_what_is_not_one_is_refused_with_the_reason(payload: bytes, says: str) -> None:
    with pytest.raises(WireError) as refused:
        configuration.parse(payload)
    assert says in str(refused.value)


def test_a_newer_document_may_have_more_names() -> None:
    with pytest.raises(WireError, match="newer_version"):
        configuration.parse(b'{"v":3,"id":"a","patch":[]}')


def test_what_became_of_it_survives_the_wire() -> None:
    state = ConfigurationState(
        at=AT, id="a", outcome=Outcome.ROLLED_BACK, reason="no receipt",
        changed=("mqtt.host",), configuration="0" * 16,
    )  # fmt: skip
    assert configuration.parse_state(state.model_dump_json().encode()) == state
    with pytest.raises(WireError, match="bad_configuration_state"):
        configuration.parse_state(b"{}")


def test_a_document_without_nulls_is_itself() -> None:
    settings = {"heartbeat_s": 30, "mqtt": {"port": 1884}}
    assert configuration.parse(encode(settings)) == Configuration(id="a", settings=settings)
