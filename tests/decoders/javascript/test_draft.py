"""A draft proposes, shows what it saw, and is refused until a person has looked through it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.javascript.cases import Case, Suite
from decoders.javascript.codec import Codec, Outcome
from decoders.javascript.draft import draft_mapping, render
from decoders.javascript.engine import Engine
from decoders.javascript.mapping import Mapping, load, parse
from decoders.javascript.reader import read
from decoders.javascript.vocabulary import QUANTITIES as NAMES
from khaen.errors import SettingsError
from khaen.quantity import QUANTITIES
from khaen.reading import EventKind

PENDANT = Path(__file__).parent / "codecs" / "khaen_pendant.js"


def a_draft(*objects: dict[str, Any]) -> tuple[Mapping, str]:
    text = render(objects, maker="A", model="B")
    return parse(text), text


def test_a_draft_of_a_whole_codec(tmp_path: Path) -> None:
    codec = Codec(id="khaen/pendant", source=PENDANT.read_text("utf-8"))
    cases = tuple(
        Case(
            name="",
            payload=payload,
            f_port=4,
            received_at=datetime(2026, 1, 1, tzinfo=UTC),
            expected={},
        )
        for payload in (b"\x01\x50\x01\x00", b"\x03\x52\x01\x0a")
    )
    with Engine() as engine:
        text = draft_mapping(Suite(codec=codec, path=PENDANT, cases=cases), engine)
    mapping = parse(text)
    assert (mapping.maker, mapping.model, mapping.draft) == ("khaen", "pendant", True)
    assert {entry.quantity: entry.number_in_text for entry in mapping.readings} == {
        "battery_level": True,
        "charging": False,
    }
    assert '# "presses": 1' in text
    assert '# "80%", "82%"' in text
    file = tmp_path / "pendant.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match="draft = true"):
        load(file)


@pytest.mark.parametrize(
    ("data", "quantity", "unit"),
    [
        ({"temperature": 20.5}, "air_temperature", "Cel"),
        ({"TempC_SHT": 20.5}, "air_temperature", "Cel"),
        ({"air": {"temperature": 20.5}}, "air_temperature", "Cel"),
        ({"pressure": {"value": 1013, "unit": "hPa"}}, "pressure", "hPa"),
        ({"list": [{"rh": 5}]}, "relative_humidity", "%"),
        ({"battery": 3.6}, "battery_voltage", "V"),
        ({"battery": 88}, "battery_level", "%"),
        ({"vdd": 3600}, "battery_voltage", "mV"),
        ({"speedKmph": 36}, "speed", "km/h"),
    ],
)
def test_names_of_public_codecs(data: dict[str, Any], quantity: str, unit: str) -> None:
    mapping, _ = a_draft(data)
    (entry,) = mapping.readings
    assert (entry.quantity, entry.unit) == (quantity, unit)
    assert len(read(mapping, Outcome(data=data)).readings) == 1


@pytest.mark.parametrize("data", [{"battery": True}, {"xyzzy": 5}, {"temperature": "warm"}])
def test_what_it_does_not_know_is_shown_and_not_mapped(data: dict[str, Any]) -> None:
    mapping, text = a_draft(data)
    assert not mapping.readings
    assert f'# "{next(iter(data))}": ' in text


def test_what_is_not_plausible_is_asked() -> None:
    _, text = a_draft({"pressure": 101_300})
    assert re.search(r"# 101300; some are not within 300 to 1100 hPa", text)


def test_calls() -> None:
    mapping, _ = a_draft({"sosFlag": True, "state": "idle"}, {"button": "sos_start"})
    assert [dict(entry.kinds) for entry in mapping.events] == [
        {"true": EventKind.SOS},
        {"sos_start": EventKind.SOS},
    ]
    assert mapping.events[0].ignore == ("false",)


def test_every_guess_is_in_the_catalogue() -> None:
    assert {guess.quantity for guess in NAMES.values()} <= QUANTITIES.keys()


@settings(max_examples=30)
@given(
    st.lists(
        st.dictionaries(
            st.text(min_size=1, max_size=9) | st.sampled_from(["battery", "sos", "temp", "lat"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=9),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner),
                max_leaves=6,
            ),
        ),
        max_size=4,
    )
)
def test_any_objects_give_a_draft_that_can_be_read(objects: list[dict[str, Any]]) -> None:
    assert a_draft(*objects)[0].draft
