"""One suite over all formats: what each reads, which file is whose, and that no bytes stop it."""

import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from chirpstack_api import gw, integration
from hypothesis import given
from hypothesis import strategies as st

from ingest.item import Said
from ingest.sources import chirpstack as chirpstack_source
from khaen import plugins, topics
from khaen.capture import CaptureError, Record, Road
from khaen.topics import ApplicationTopic
from simulators.frames import frames
from simulators.recording import PACKAGE, Recording, formats
from tests.simulators.formats import samples
from tests.simulators.formats.samples import SAMPLES, Sample
from tests.support.broker import Mosquitto, find_mosquitto
from tests.support.programs import wait_for

ALL = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)


def read(path: Path, sample: Sample) -> tuple[list[Record], Recording]:
    recording = Recording(path, gateway=sample.gateway)
    return list(recording), recording


@pytest.fixture
def made(tmp_path: Path) -> Callable[[Sample], Path]:
    def make(sample: Sample) -> Path:
        path = tmp_path / "recording"
        path.write_bytes(sample.make(tmp_path))
        return path

    return make


def test_every_format_has_a_sample() -> None:
    assert {sample.format for sample in SAMPLES.values()} == set(formats())
    assert set(formats()) == set(plugins.names(PACKAGE))


@ALL
def test_a_recording_says_what_was_in_it(made: Callable[[Sample], Path], sample: Sample) -> None:
    records, recording = read(made(sample), sample)
    assert recording.format.name == sample.format
    assert tuple(record.at for record in records) == sample.times
    assert tuple(record.topic for record in records) == (
        sample.topics or tuple(record.topic for record in records)
    )
    assert dict(recording.skipped) == sample.skipped
    assert recording.share == 1.0
    assert list(recording) == records  # it can be read again
    assert dict(recording.skipped) == sample.skipped


@ALL
def test_a_file_is_of_one_format(tmp_path: Path, sample: Sample) -> None:
    head = sample.make(tmp_path)
    assert [name for name, found in formats().items() if found.fits(head)] == [sample.format]


@ALL
@given(data=st.data())
def test_a_damaged_recording_stops_nobody(
    tmp_path_factory: pytest.TempPathFactory, sample: Sample, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "sample.khcap").unlink(missing_ok=True)
    content = bytearray(sample.make(folder))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    _read_as(sample.format, folder, bytes(content))


@pytest.mark.parametrize("name", sorted(formats()))
@given(
    content=st.binary(max_size=300)
    | st.builds(
        lambda head, rest: head + rest,
        st.sampled_from(
            [
                b"\xd4\xc3\xb2\xa1\2\0\4\0" + bytes(12) + b"\1\0\0\0",
                b"\x0a\x0d\x0d\x0a",
                b'{"rxpk":[',
                b'{"end_device_ids":{},"uplink_message":{',
                b"khaen-capture 1\n",
                b'{"deviceInfo":',
                b'{"tst":1,"topic":',
                b"2026-03-01T08:00:00Z a/b ",
            ]
        ),
        st.binary(max_size=100),
    )
)
def test_any_bytes_are_read_as_any_format(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
) -> None:
    _read_as(name, tmp_path_factory.getbasetemp(), content)


def _read_as(name: str, folder: Path, content: bytes) -> None:
    """Read it: records and skips, or the one error there is."""
    path = folder / "any"
    path.write_bytes(content)
    recording = Recording(path, format_name=name)
    with suppress(CaptureError):
        for record in recording:
            frames(record)
            assert record.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no recording of a known format"),
        (b"hello\n", "there are: chirpstack, khaen, mosquitto"),
        (b"\x00" * 1000, "no recording"),
        (None, "No such file"),
    ],
)
def test_what_is_no_recording_is_one_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CaptureError, match=says):
        Recording(path)
    if content:
        with pytest.raises(CaptureError, match="no format 'tape'"):
            Recording(path, format_name="tape")


# -- what is in them ------------------------------------------------------------


def test_things_become_an_event_that_ingest_reads(made: Callable[[Sample], Path]) -> None:
    records, _ = read(made(SAMPLES["things"]), SAMPLES["things"])
    event = integration.UplinkEvent.FromString(records[0].payload)
    assert (event.f_cnt, event.f_port, event.data) == (0, 2, bytes.fromhex("01480e4258"))
    assert event.tx_info.frequency == 923_200_000
    assert event.tx_info.modulation.lora.code_rate == gw.CR_4_5
    assert [rx.gateway_id for rx in event.rx_info] == [samples.GATEWAY]
    topic = topics.parse(records[0].topic)
    assert isinstance(topic, ApplicationTopic)
    said = chirpstack_source.read(topic, records[0].topic, records[0].payload, records[0].at)
    assert isinstance(said, Said)
    assert (said.dev_eui, said.dev_addr) == (samples.DEV_EUI, "260b1234")
    assert said.receptions[0].received_at == samples.at(0.206)
    assert said.receptions[0].dr == "SF7BW125"


def test_datagrams_of_a_log_and_a_pcap_hold_frames(made: Callable[[Sample], Path]) -> None:
    for name in ("log", "pcap"):
        records, _ = read(made(SAMPLES[name]), SAMPLES[name])
        assert records[0].road is Road.UDP_UP
        (frame,) = frames(records[0])
        assert (frame.gateway_eui, frame.phy) == (samples.GATEWAY, b"\x40\x01")


def test_pcap_of_other_links_and_fragments(tmp_path: Path) -> None:
    import dpkt

    ip = bytes(dpkt.ethernet.Ethernet(samples.packets()[0][1]).data)
    part = dpkt.ip.IP(ip)
    part.mf = 1
    vlan = samples.packets()[0][1][:12] + b"\x81\x00\x00\x07\x08\x00" + ip
    path = tmp_path / "x.pcap"
    for link, frame, skipped in (
        (101, ip, {}),
        (101, bytes(part), {"fragment": 1}),
        (1, vlan, {}),
        (1, samples.packets()[0][1][:-9], {"cut_short": 1}),
        (113, b"\0\0\0\1\0\6" + bytes(8) + b"\x08\0" + ip, {}),
        (101, _with_payload(ip, b"hello, port"), {"not_semtech_udp": 1}),
        (101, _with_payload(ip, samples.PUSH[:11]), {"not_semtech_udp": 1}),
    ):
        path.write_bytes(samples.pcap(tmp_path, link=link, frames=[(samples.AT, frame)]))
        recording = Recording(path)
        found = list(recording)
        assert dict(recording.skipped) == skipped
        assert [r.payload for r in found] == ([] if skipped else [samples.PUSH])


def _with_payload(ip: bytes, payload: bytes) -> bytes:
    import dpkt

    packet = dpkt.ip.IP(ip)
    packet.data.data, packet.data.ulen, packet.data.sum = payload, 8 + len(payload), 0
    packet.len, packet.sum = 28 + len(payload), 0
    return bytes(packet)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xd4\xc3\xb2\xa1\2\0\4\0\0\0", "is no pcap, or its head is cut off"),
        (b"a text that is named pcap\n", "is no pcap, or its head is cut off"),
        (b"\xd4\xc3\xb2\xa1\2\0\4\0" + bytes(12) + b"\x69\0\0\0", "link type 105 cannot"),
    ],
)
def test_a_pcap_of_which_nothing_can_be_read_is_one_line(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=says):
        list(Recording(path, format_name="pcap"))


@pytest.mark.parametrize(
    ("last", "taken"),
    [(b'{"v": 1}', 2), (b'{"v": 1', 1), (b"0a0", 1), (b"0a0b", 1), (b"0a0b\n", 2)],
)
def test_a_last_line_that_was_cut_is_skipped(tmp_path: Path, last: bytes, taken: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(
        b"2026-03-01T08:00:00Z khaen/priority x\n2026-03-01T08:00:01Z khaen/priority " + last
    )
    recording = Recording(path)
    assert len(list(recording)) == taken
    assert dict(recording.skipped) == ({} if taken == 2 else {"cut_short": 1})


def test_a_time_without_a_zone_is_of_the_zone_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("2026-03-01T15:00:00.25 khaen/priority x\n")
    (record,) = Recording(path, zone=ZoneInfo("Asia/Bangkok"))
    assert record.at == samples.AT


@pytest.mark.parametrize("form", ["%I %t %x", "%U %t %x", "%j", "%I %t %p"])
def test_what_a_real_mosquitto_sub_prints(
    mosquitto: Callable[..., Mosquitto], tmp_path: Path, form: str
) -> None:
    broker, path = mosquitto(), tmp_path / "printed"
    command = [find_mosquitto("mosquitto_sub"), "-h", broker.host, "-p", str(broker.port)]
    with path.open("wb") as out:
        printing = subprocess.Popen(
            [*command, "-t", "#", "-F", form, "-C", "2", "-W", "30"],
            stdout=out,
            env={"TZ": "Asia/Bangkok"},
        )
        wait_for(lambda: "New client connected" in broker.log, "it listens")
        wait_for(lambda: _tell(broker, printing), "it has both", every_s=0.1)
    found = list(Recording(path))
    assert {record.payload for record in found} == {b'{"v": 1}'}
    assert {record.topic for record in found} == {samples.UP}
    assert abs((found[0].at - found[1].at).total_seconds()) < 60


def _tell(broker: Mosquitto, printing: "subprocess.Popen[bytes]") -> bool:
    command = [find_mosquitto("mosquitto_pub"), "-h", broker.host, "-p", str(broker.port)]
    subprocess.run([*command, "-t", samples.UP, "-m", '{"v": 1}'], check=True, timeout=20)
    return printing.poll() is not None
