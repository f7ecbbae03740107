"""A codec and its mapping are a family like any other: readings, events, and nothing guessed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.decode import judge
from decoders.decode import read as decode
from decoders.javascript.codec import Fault, Outcome
from decoders.javascript.engine import Engine
from decoders.javascript.family import Family, decode_many, decoder, load
from decoders.javascript.mapping import Mapping, parse
from decoders.javascript.reader import read
from khaen.clock import ManualClock, Rung
from khaen.errors import SettingsError
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.quantity import QUANTITIES
from khaen.reading import Decoded, EventKind, Quality
from khaen.uplink import Origin, Reception, Uplink, Way

FOLDER = Path(__file__).parent / "codecs"
AT = datetime(2026, 4, 13, 5, 30, tzinfo=UTC)
HEAD = 'maker = "A"\nmodel = "B"\nsource = "https://example.org"\nversion = 1\n'


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        engine.start()
        yield engine


@pytest.fixture
def families() -> dict[str, Family]:
    return load(FOLDER)


def an_uplink(f_port: int, payload: bytes) -> Uplink:
    reception = Reception(
        gateway_eui=GatewayEui("a84041ffff000001"),
        way=Way.LIVE,
        received_at=AT,
        clock=Rung.SYNCED,
    )
    return Uplink(
        dev_eui=DevEui("24e124535b316056"),
        dev_addr=DevAddr("01020304"),
        generation=0,
        f_cnt=7,
        f_port=f_port,
        payload=payload,
        phy_payload=None,
        confirmed=False,
        origin=Origin.RADIO,
        receptions=(reception,),
    )


def a_mapping(text: str) -> Mapping:
    return parse(HEAD + text)


def reads(mapping: Mapping, data: dict[str, Any], **more: Any) -> Decoded:
    return judge(read(mapping, Outcome(data=data, **more)))


def values(decoded: Decoded) -> list[tuple[str, float, str]]:
    return [(each.quantity, round(each.value, 6), each.channel) for each in decoded.readings]


def test_a_weather_post_through_the_one_call(engine: Engine, families: dict[str, Family]) -> None:
    post = decoder(families["khaen_weather_post"], engine, ManualClock(AT))
    assert (post.version, post.deferred, post.sos_capable) == (3, True, False)
    payload = bytes.fromhex("010123 0237 03000186a0 05010ab4 05 02ffff 0601 0769dc7f00 04e2 99")
    decoded = decode(post, 7, payload)
    assert values(decoded) == [
        ("air_temperature", 29.1, ""),
        ("relative_humidity", 55, ""),
        ("pressure", 1000, ""),
        ("distance", 2.74, "1"),
        ("light_on", 1, ""),
    ]
    assert {each.measured_at for each in decoded.readings} == {
        datetime(2026, 4, 13, 5, 28, 32, tzinfo=UTC)
    }
    assert [each.text for each in decoded.warnings] == ["unknown tag", "no distance: 65535"]
    assert decoded.raw == (("board", '"-30 °C"'),)
    coverage = families["khaen_weather_post"].coverage
    assert coverage.unmapped() == {"board": 1}
    assert coverage.absent() == ()


def test_a_call_comes_with_its_count(engine: Engine, families: dict[str, Family]) -> None:
    pendant = decoder(families["khaen_pendant"], engine, ManualClock(AT))
    assert (pendant.sos_capable, pendant.fall_capable) == (True, True)
    decoded = decode(pendant, 4, b"\x01\xd5\x07\x19")
    (event,) = decoded.events
    assert (event.kind, event.press, dict(event.detail)) == (EventKind.SOS, 7, {"force": 2.5})
    assert values(decoded) == [("battery_level", 85, ""), ("charging", 1, "")]
    assert decode(pendant, 4, b"\x00\x05\x07\x19").events == ()
    odd = decode(pendant, 4, b"\x63\x05\x07\x19")
    assert [each.text for each in odd.warnings] == ["state: 99 is not in the mapping"]


def test_what_only_the_network_reads_is_not_asked(families: dict[str, Family]) -> None:
    pendant = families["khaen_pendant"]
    with Engine() as engine:
        found = decode_many(
            engine, [(pendant, an_uplink(0, b"\x01")), (pendant, an_uplink(4, b""))]
        )
        assert engine.pid is None
    assert [decoded for _, decoded in found] == [Decoded(), Decoded()]


def test_many_at_once_in_their_order(engine: Engine, families: dict[str, Family]) -> None:
    pendant, post = families["khaen_pendant"], families["khaen_weather_post"]
    uplinks = [
        (pendant, an_uplink(4, bytes([3, 50 + i, i, 0])))
        if i % 2
        else (post, an_uplink(7, b"\2\7"))
        for i in range(20)
    ]
    found = [decoded for _, decoded in decode_many(engine, uplinks)]
    assert [each.events[0].press for each in found[1::2]] == list(range(1, 20, 2))
    assert {values(each)[0] for each in found[::2]} == {("relative_humidity", 7, "")}


@settings(max_examples=60)
@given(
    name=st.sampled_from(["khaen_pendant", "khaen_weather_post"]),
    f_port=st.sampled_from([4, 7]),
    payload=st.binary(min_size=1, max_size=40),
)
def test_any_bytes_give_an_outcome(engine: Engine, name: str, f_port: int, payload: bytes) -> None:
    family = load(FOLDER)[name]
    decoded = decode(decoder(family, engine, ManualClock(AT)), f_port, payload)
    for reading in decoded.readings:
        assert reading.quantity in family.mapping.quantities
        assert math.isfinite(reading.value)
        assert reading.quality is QUANTITIES[reading.quantity].quality(reading.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["t", "l", "v", "at", "s", "n"]), inner, max_size=4)
    ),
    max_leaves=20,
)
ANYTHING = """
measured_at = {path = "at", form = "ms"}
readings = [
  {path = "t", quantity = "air_temperature", number_in_text = true},
  {path = "l[*].v", quantity = "distance", channel_key = "n", measured_at = {path = "l[*].at"}},
  {path = "l[0]", quantity = "steps", factor = 2, unit = "pairs", missing = [1, "x"]},
  {path = "v", quantity = "worn", values = {"true" = 1}},
]
events = [{path = "s[*]", kinds = {"1" = "sos"}, press = "n", detail = {v = "v"}}]
"""


@given(data=st.dictionaries(st.sampled_from(["t", "l", "v", "at", "s", "n"]), json_values))
def test_any_object_gives_an_outcome(data: dict[str, Any]) -> None:
    decoded = reads(a_mapping(ANYTHING), data)
    assert all(math.isfinite(each.value) for each in decoded.readings)
    json.dumps([each.text for each in decoded.warnings])


@pytest.mark.parametrize(
    ("entry", "value", "number"),
    [
        ("", 21.5, 21.5),
        ("", True, 1),
        ("", "21.5", None),
        ("", None, None),
        ("", [1], None),
        ("number_in_text = true", " -3.5e1 °C", -35),
        ("number_in_text = true", "none", None),
        ("missing = [32.7]", 32.7, None),
        ("missing = ['n/a']", "n/a", None),
        ("missing = [1]", True, 1),
        ("unit = '[degF]'\nfactor = 0.5555555555555556\noffset = -17.77777777777778", 68, 20),
        ("values = {warm = 30}", "warm", 30),
        ("values = {warm = 30}", 5, None),
        ("values = {'5' = 30}", 5.0, 30),
    ],
)
def test_numbers(entry: str, value: object, number: float | None) -> None:
    mapping = a_mapping(f"[[readings]]\npath = 't'\nquantity = 'air_temperature'\n{entry}")
    decoded = reads(mapping, {"t": value})
    assert [round(each.value, 6) for each in decoded.readings] == (
        [] if number is None else [number]
    )
    assert len(decoded.warnings) == (number is None and value is not None)


HISTORY = """[[readings]]
path = "log[*].t"
quantity = "air_temperature"
measured_at = {path = "log[*].at", form = "s"}
"""


def test_of_many_moments_those_without_a_time_are_left_out() -> None:
    log = [{"t": 1, "at": 1776000000}, {"t": 2}, {"t": 3, "at": 5}, {"t": 4, "at": "x"}]
    decoded = reads(a_mapping(HISTORY), {"log": log})
    assert [(each.value, each.channel) for each in decoded.readings] == [(1, "1")]
    assert len(decoded.warnings) == 3


def test_a_clock_that_was_not_set_leaves_the_value() -> None:
    mapping = a_mapping(
        "measured_at = {path = 'at', form = 's'}\n"
        "readings = [{path = 't', quantity = 'air_temperature'}]"
    )
    decoded = reads(mapping, {"t": 20, "at": 12})
    assert [(each.value, each.measured_at) for each in decoded.readings] == [(20, None)]
    assert [each.text for each in decoded.warnings] == ["the device's clock was not set"]


CALL = """[[events]]
path = "sos"
kinds = {"true" = "sos"}
ignore = ["false"]

[[readings]]
path = "t"
quantity = "air_temperature"
"""


def test_a_codec_that_complains_is_not_believed_but_its_call_stands() -> None:
    decoded = reads(a_mapping(CALL), {"sos": True, "t": 20}, errors=("bad checksum",))
    assert [each.kind for each in decoded.events] == [EventKind.SOS]
    assert [each.quality for each in decoded.readings] == [Quality.SUSPECT]
    assert [each.text for each in decoded.warnings] == ["bad checksum"]


def test_a_fault_says_nothing_but_why() -> None:
    decoded = read(a_mapping(CALL), Outcome(errors=("interrupted",), fault=Fault.TIME))
    assert decoded == Decoded(warnings=decoded.warnings)
    assert [each.text for each in decoded.warnings] == ["interrupted"]


def test_an_implausible_value_is_suspect() -> None:
    decoded = reads(a_mapping(CALL), {"t": 900})
    assert [(each.value, each.quality) for each in decoded.readings] == [(900, Quality.SUSPECT)]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.js": ""}, r"a\.toml is not beside it"),
        ({"a.toml": ""}, r"a\.js is not beside it"),
        ({"a.js": "", "a.toml": "maker = 1"}, r"a\.toml: maker"),
        ({"a.js": "/" * 600_000, "a.toml": HEAD}, "codec a: 600000 characters"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(
    tmp_path: Path, files: dict[str, str], words: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=words):
        load(tmp_path)
