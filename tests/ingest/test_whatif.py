"""The same records by other decoders and rules: what would change, and nothing else does."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from alarms import engine
from alarms import rules as rules_package
from decoders import catalogue
from decoders import families as families_package
from ingest.comparison import Comparison, as_json, render
from ingest.version import TODAY, Version, load
from ingest.whatif import compare
from khaen.capture import Record, Road
from khaen.errors import SettingsError
from khaen.site.model import Site
from khaen.uplink import Origin
from simulators.payloads.wristband import Stage, encode_fall, encode_sos
from tests.support.traffic import (
    REAL,
    START,
    THERMOMETER,
    WRISTBAND,
    Device,
    Gateway,
    dev_addr,
    event,
    event_topic,
    make_site,
    session_keys,
    telemetry,
)

SITE = make_site()
DOUBLED = """
from dataclasses import replace
from decoders.families import khaen_wristband as today


def decode(f_port, payload):
    found = today.DECODER.decode(f_port, payload)
    return replace(
        found,
        readings=tuple(
            replace(r, value=2 * r.value) if r.quantity == "heart_rate" else r
            for r in found.readings
            if r.quantity != "spo2"
        ),
    )


DECODER = replace(today.DECODER, version=2, decode=decode)
"""
BROKEN = """
from dataclasses import replace
from decoders.families import khaen_wristband as today


def decode(f_port, payload):
    raise ZeroDivisionError


DECODER = replace(today.DECODER, decode=decode)
"""
RAISING = """
from dataclasses import replace
from alarms.rules import sos


def observe(observation, situation):
    raise ZeroDivisionError


RULE = replace(sos.RULE, observe=observe)
"""


def folder_of(root: Path, **files: str) -> Path:
    """A folder of families and rules; `rules__sos` is `rules/sos.py`."""
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return root


class Stream:
    """What two wristbands and a thermometer send, and when."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._gateway = Gateway()
        self._devices = {eui: Device(eui) for eui in (WRISTBAND, REAL, THERMOMETER)}

    def say(
        self, seconds: float, payload: bytes, port: int = 10, device: object = WRISTBAND
    ) -> None:
        at = START + timedelta(seconds=seconds)
        frame = self._devices[device].say(payload, port)  # type: ignore[index]
        envelope = self._gateway.hear(frame, at, origin=Origin.REPLAY)
        self.put(at, self._gateway.up, envelope)

    def put(self, at: datetime, topic: str, payload: bytes) -> None:
        self.records.append(Record(at=at, road=Road.MQTT, topic=topic, payload=payload))


@pytest.fixture
def stream() -> Stream:
    """Telemetry, two calls half an hour apart, a fall that nothing follows."""
    made = Stream()
    for i in range(10):
        made.say(60.0 * i, telemetry(70 + i))
    made.say(610.0, encode_sos(press=1, battery=90, age=0), 11)
    made.say(700.0, encode_fall(Stage.IMPACT, fall=1, battery=90, age=0), 12, REAL)
    made.say(2400.0, encode_sos(press=2, battery=90, age=0), 11)
    return made


def run(stream: Stream, other: Version, site: Site = SITE, **more: int) -> Comparison:
    keys = {device.dev_eui: session_keys(device.dev_eui) for device in site.devices}
    return compare(stream.records, site, keys, other, **more)  # type: ignore[arg-type]


def test_a_copy_of_today_changes_nothing(stream: Stream, tmp_path: Path) -> None:
    for package, name in ((families_package, "families"), (rules_package, "rules")):
        shutil.copytree(package.__path__[0], tmp_path / name)
    found = run(stream, load(tmp_path))

    assert found.equal
    assert (found.taken, found.passed_over, found.refused) == (13, 0, {})
    assert {name: change.uplinks for name, change in found.families.items()} == {
        "khaen_wristband": 13
    }
    assert {name: change.today for name, change in found.rules.items()} == {"sos": 2, "fall": 1}
    assert list(render(found)) == ["13 messages, 13 uplinks", "Nothing would change."]


def test_a_family_with_another_factor(stream: Stream, tmp_path: Path) -> None:
    found = run(stream, load(folder_of(tmp_path, families__khaen_wristband=DOUBLED)), examples=2)
    change = found.families["khaen_wristband"]

    assert not found.equal
    assert (change.uplinks, change.changed) == (13, 10)
    assert (change.readings_changed, change.readings_removed, change.readings_added) == (10, 10, 0)
    assert len(found.decodings) == 2
    first = found.decodings[0]
    assert (first.dev_eui, first.f_cnt, first.received_at) == (WRISTBAND, 0, START)
    assert {(r.quantity, r.before, r.after) for r in first.readings} == {
        ("heart_rate", 70.0, 140.0),
        ("spo2", 98.0, None),
    }
    assert not any(rule.rise or rule.gone or rule.changed for rule in found.rules.values())
    lines = "\n".join(render(found))
    assert "khaen_wristband: 10 of 13 uplinks read otherwise" in lines
    assert "heart_rate: 70 → 140" in lines


def test_a_broken_family_is_an_outcome_and_its_calls_would_not_rise(
    stream: Stream, tmp_path: Path
) -> None:
    found = run(stream, load(folder_of(tmp_path, families__khaen_wristband=BROKEN)))

    assert found.families["khaen_wristband"].errors_added == 13
    assert found.decodings[0].error_after == "ZeroDivisionError"
    assert (found.rules["sos"].gone, found.rules["fall"].gone) == (2, 1)
    assert found.rules["pipeline"].rise == 2  # one for each device


def test_an_added_family_reads_what_nobody_could(tmp_path: Path) -> None:
    site = make_site(
        devices=[
            {
                "dev_eui": THERMOMETER,
                "family": "lamp",
                "organisation": "ward",
                "dev_addr": next(d.dev_addr for d in SITE.devices if d.dev_eui == THERMOMETER),
            }
        ]
    )
    lamp = """
from decoders.family import Decoder
from khaen.reading import Decoded, Reading

DECODER = Decoder(
    id="lamp", version=1, maker="Nobody", model="L", quantities=frozenset({"battery_level"}),
    decode=lambda port, payload: Decoded(
        readings=(Reading(quantity="battery_level", value=float(payload[0])),)
    ),
)
"""
    stream = Stream()
    stream.say(0.0, b"\x40", 2, THERMOMETER)
    found = run(stream, load(folder_of(tmp_path, families__lamp=lamp)), site)

    assert found.families["lamp"].errors_removed == 1
    (example,) = found.decodings
    assert (example.error_before, example.error_after) == ("SettingsError", None)
    assert [(r.quantity, r.before, r.after) for r in example.readings] == [
        ("battery_level", None, 64.0)
    ]


def test_a_rule_with_another_threshold_fires_at_another_time(
    stream: Stream, tmp_path: Path
) -> None:
    source = Path(rules_package.__path__[0], "fall.py").read_text()
    later = source.replace('"still_s": 60.0', '"still_s": 240.0')
    assert later != source
    found = run(stream, load(folder_of(tmp_path, rules__fall=later)))

    (change,) = found.alarms
    assert change.before is not None
    assert change.after is not None
    assert (change.rule, change.before.reason, change.after.reason) == (
        "fall",
        "fall_unheard",
        "fall_unheard",
    )
    fell = START + timedelta(seconds=700)
    assert change.before.raised_at == fell + timedelta(seconds=60)
    assert change.after.raised_at == fell + timedelta(seconds=240)
    assert found.rules["fall"].changed == 1
    assert found.rules["sos"].changed == 0


def test_a_timer_between_two_messages_of_a_moment_keeps_its_place() -> None:
    stream = Stream()
    for seconds, stage in ((0.0, Stage.IMPACT), (59.8, Stage.CANCELLED)):
        payload = encode_fall(stage, fall=1, battery=90, age=int(seconds))
        stream.say(seconds, payload, 12)
    stream.say(60.3, telemetry())
    found = run(stream, TODAY)

    assert found.rules == {}


def test_a_rule_that_raises_costs_itself_only(stream: Stream, tmp_path: Path) -> None:
    found = run(stream, load(folder_of(tmp_path, rules__sos=RAISING)))

    assert (found.rules["sos"].gone, found.rules["fall"].changed) == (2, 0)
    assert found.failures_other == {"sos:ZeroDivisionError": 2}
    assert found.failures_today == {}
    assert "failed in the other version: sos:ZeroDivisionError (2 times)" in list(render(found))


def test_a_value_that_no_ledger_takes_costs_its_frame_only(stream: Stream, tmp_path: Path) -> None:
    odd = DOUBLED.replace("value=2 * r.value", "channel=object()")
    found = run(stream, load(folder_of(tmp_path, families__khaen_wristband=odd)))

    assert sum(found.failures_other.values()) == 10
    assert found.rules["sos"].gone == 0


def test_a_family_that_ends_the_program_costs_its_frames_only(
    stream: Stream, tmp_path: Path
) -> None:
    ending = DOUBLED.replace("value=2 * r.value", "value=exit(0)")
    found = run(stream, load(folder_of(tmp_path, families__khaen_wristband=ending)))

    assert found.failures_other["commit:SystemExit"] == 10


def test_what_cannot_be_opened_is_counted(stream: Stream) -> None:
    at = START + timedelta(seconds=3000)
    strange = replace(Device(WRISTBAND), f_cnt=99).say(b"\x01", 2)[:-1] + b"\x00"
    stream.put(at, Gateway().up, Gateway().hear(strange, at, seq=900))
    stream.put(at, Gateway().up, b"\xff\xff")
    stream.put(at, "khaen/priority", b"{}")
    stream.records.append(Record(at=at, road=Road.UDP_UP, payload=b""))
    found = run(stream, TODAY)

    assert found.refused == {"bad_mic": 1, "not_protobuf": 1}
    assert (found.taken, found.passed_over) == (15, 2)
    assert found.equal


def test_a_network_server_s_event_counts_as_its_uplink() -> None:
    stream = Stream()
    made = event(WRISTBAND, telemetry(), START, f_cnt=3)
    stream.put(START, event_topic(WRISTBAND), made.SerializeToString())
    found = run(stream, TODAY)

    assert found.families["khaen_wristband"].uplinks == 1


def test_no_records_are_no_difference() -> None:
    found = run(Stream(), TODAY)

    assert found.equal
    assert list(render(found)) == ["0 messages, 0 uplinks", "Nothing would change."]


def test_the_document_is_json(stream: Stream, tmp_path: Path) -> None:
    found = run(stream, load(folder_of(tmp_path, families__khaen_wristband=DOUBLED)), examples=1)
    document = json.loads(json.dumps(as_json(found)))

    assert (document["v"], document["equal"], document["taken"]) == (1, False, 13)
    assert document["decodings"][0]["received_at"] == "2026-07-23T01:00:00.000000Z"
    assert document["families"]["khaen_wristband"]["changed"] == 10


def test_it_leaves_no_trace(stream: Stream, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, families__khaen_wristband=DOUBLED, rules__sos=RAISING)
    family, rules = catalogue.family("khaen_wristband"), engine.rules()
    modules, files = set(sys.modules), set(files_in(folder))
    run(stream, load(folder))

    assert catalogue.family("khaen_wristband") is family
    assert engine.rules() is rules
    assert not {name for name in set(sys.modules) - modules if "beside" in name}
    assert set(files_in(folder)) == files


def files_in(folder: Path) -> Iterator[Path]:
    """Everything in a folder."""
    return folder.rglob("*")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"families__x": "DECODER ="}, r"families/x\.py \(line 1\): SyntaxError: .*mend the file"),
        ({"families__x": "1 / 0"}, r"families/x\.py: ZeroDivisionError: .*mend the file"),
        ({"families__x": "raise SystemExit(0)"}, r"families/x\.py: SystemExit: 0; mend the file"),
        ({"families__x": "import sys; del sys.modules[__name__]"}, r"families/x\.py: it lacks"),
        ({"rules__x": ""}, r"rules/x\.py: it lacks the constant RULE of Rule"),
        (
            {"families__x": "from decoders.families.khaen_wristband import DECODER"},
            r"families/x\.py: it calls itself 'khaen_wristband'; name the file so",
        ),
        ({"mapping__x": ""}, r"it may hold codecs/, families/, rules/; there is mapping"),
        ({}, r"it may hold codecs/, families/, rules/; there is none of them"),
    ],
)
def test_a_wrong_folder_is_one_clear_line(files: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=says):
        load(folder_of(tmp_path, **files))


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such folder"):
        load(tmp_path / "nowhere")


class TestCodecs:
    """Vendors' codecs of another folder."""

    CODEC = "function Decoder(bytes) { if (bytes[0] === 9) throw 'x'; return {n: bytes[0]}; }"
    MAPPING = (
        'maker = "A"\nmodel = "B"\nsource = "C"\nversion = 1\n'
        'readings = [{path = "n", quantity = "steps"}]\n'
    )

    def folder(self, path: Path, codec: str = CODEC, name: str = "counter") -> Path:
        (path / "codecs").mkdir(parents=True)
        (path / "codecs" / f"{name}.js").write_text(codec)
        (path / "codecs" / f"{name}.toml").write_text(self.MAPPING)
        return path

    def test_messages_through_both(self, tmp_path: Path) -> None:
        today = load(self.folder(tmp_path / "today"))
        other = load(
            self.folder(tmp_path / "other", self.CODEC.replace("bytes[0]}", "2 * bytes[0]}")), today
        )
        devices = [
            {
                "dev_eui": THERMOMETER,
                "family": "counter",
                "organisation": "ward",
                "dev_addr": dev_addr(THERMOMETER),
            }
        ]
        device, gateway = Device(THERMOMETER), Gateway()
        records = [
            Record(
                at=START + timedelta(minutes=number),
                road=Road.MQTT,
                topic=gateway.up,
                payload=gateway.hear(
                    device.say(bytes([number])), START + timedelta(minutes=number)
                ),
            )
            for number in (4, 9, 5)
        ]
        keys = {THERMOMETER: session_keys(THERMOMETER)}
        try:
            found = compare(records, make_site(devices=devices), keys, other, today=today)
        finally:
            for codecs in other.codecs:
                codecs.close()
        assert (found.taken, found.families["counter"].readings_changed) == (3, 2)
        assert [(each.readings[0].before, each.readings[0].after) for each in found.decodings] == [
            (4.0, 8.0),
            (5.0, 10.0),
        ]

    def test_another_native_family_stands_before_a_codec(self, tmp_path: Path) -> None:
        today = load(self.folder(tmp_path / "today"))
        (tmp_path / "other" / "families").mkdir(parents=True)
        (tmp_path / "other" / "families" / "counter.py").write_text(
            "from decoders.family import Decoder\n"
            "from khaen.reading import Decoded\n"
            "DECODER = Decoder(id='counter', version=7, maker='A', model='B',"
            " decode=lambda port, payload: Decoded())\n"
        )
        other = load(tmp_path / "other", today)
        assert (today.family("counter").version, other.family("counter").version) == (1, 7)
        assert other.family("khaen_wristband").version == TODAY.family("khaen_wristband").version

    def test_a_codec_without_its_mapping_is_said(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path / "other")
        (folder / "codecs" / "counter.toml").unlink()
        with pytest.raises(SettingsError, match=r"counter\.toml is not beside it"):
            load(folder)
