"""Faults as people write them, and what they are told when that is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from khaen.errors import SettingsError
from simulators.faults.catalogue import FAULTS, AnyFault, describe, parse
from simulators.faults.damage import Corrupt
from simulators.faults.loss import Flap, Loss
from simulators.faults.timing import Delay

PAGE = Path(__file__).parents[3] / "docs" / "faults.md"
ROW = re.compile(r"^\| `(\w+)` \| `([^`]+)` \| (?:`([^|]*)` )?\| (keys)? *\|", re.M)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("loss=0.1", Loss(share=0.1)),
        (
            "delay=2s,jitter=500ms,gateway=gw-1,gateway=gw-2",
            Delay(seconds=2.0, jitter=0.5, gateways=("gw-1", "gw-2")),
        ),
        (
            "flap=30s/10s,from=5min,until=1h,hold=false",
            Flap(up=30.0, down=10.0, hold=False, from_=300.0, until=3600.0),
        ),
        ("corrupt, share=0.5, bits=2, device=26011f01", Corrupt(
            share=0.5, bits=2, devices=("26011f01",)
        )),
    ],
)  # fmt: skip
def test_short_forms(text: str, fault: object) -> None:
    found = parse(text)

    assert found == fault
    assert parse(describe(found)) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("los=0.1", "fault 'los' is none; there are: loss, "),
        ("loss=2", "share: Input should be less than or equal to 1"),
        ("loss=often", "share: Input should be a valid number"),
        ("loss=0.1/0.2", "write loss=SHARE, with gateway, device, from, until"),
        ("delay", "seconds: Field required; write delay=SECONDS, with "),
        ("delay=2 weeks", "'2 weeks' is no span of time, such as 90s, 10min or 1h30m"),
        ("loss=0.1,where", "'where' is no key=value"),
        ("loss=0.1,burst=3", "burst: Extra inputs are not permitted"),
        ("reset,share=0.5", "name devices instead of a share"),
        ("", "fault '' is none"),
    ],
)
def test_what_is_wrong_is_said_with_the_remedy(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        parse(text)


def test_a_scenario_s_form_has_the_same_words() -> None:
    found = TypeAdapter(AnyFault).validate_python(
        {"fault": "flap", "up": "30s", "down": "10", "from": "5min", "gateways": ["gw-2"]}
    )

    assert found == parse("flap=30s/10s,from=5min,gateway=gw-2")


def test_editors_get_a_schema() -> None:
    schema = TypeAdapter(AnyFault).json_schema()

    assert set(schema["discriminator"]["mapping"]) == set(FAULTS)


def test_the_page_names_every_fault_and_key() -> None:
    common = {"fault", "gateways", "devices", "from_", "until"}
    expected = {}
    for name, kind in FAULTS.items():
        value = "/".join(key.upper() for key in kind.main)
        keys = " ".join(key for key in kind.model_fields if key not in {*common, *kind.main})
        form = f"{name}={value}" if value else name
        expected[name] = (form, keys, "keys" if kind.needs_keys else "")
    said = {row[0]: tuple(row[1:]) for row in ROW.findall(PAGE.read_text(encoding="utf-8"))}

    assert said == expected
