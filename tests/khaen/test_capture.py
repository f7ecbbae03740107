"""Captures: what was written is read again, and whatever is damaged costs itself only."""

import errno
import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen.capture import (
    CaptureError,
    CaptureFull,
    Findings,
    Header,
    Limits,
    PartWriter,
    Reader,
    Record,
    Road,
    Writer,
    block,
    list_parts,
    megabytes,
)
from khaen.clock import from_micros
from tests.support.programs import ROOT, wait_for

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
HEADER = Header(
    tool="khaen test", began=START, recorded=("khaen/#",), site="nong-kham", simulated=True
)
TIMES = st.integers(0, 4_102_444_800_000_000).map(from_micros)
RECORDS = st.builds(
    Record,
    at=TIMES,
    road=st.sampled_from(Road),
    payload=st.binary(max_size=300),
    topic=st.text(st.characters(codec="utf-8"), max_size=40),
    qos=st.integers(0, 2),
    retain=st.booleans(),
)


def make_record(number: int, size: int = 40) -> Record:
    return Record(
        at=START + timedelta(seconds=number),
        road=Road.MQTT,
        topic="as923/gateway/ac1f09fffe0a0b01/event/up",
        payload=random.Random(number).randbytes(size),
    )


def write(path: Path, records: list[Record], *, every: int = 3) -> Path:
    path.unlink(missing_ok=True)
    writer = Writer(path, HEADER)
    for number, record in enumerate(records, start=1):
        writer.write(record)
        if number % every == 0:
            writer.flush()
    writer.close()
    return path


def read(path: Path) -> tuple[list[Record], Findings]:
    with Reader(path) as reader:
        return list(reader), reader.findings


@given(records=st.lists(RECORDS, max_size=30), every=st.integers(1, 7))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], every: int
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "property.khcap", records, every=every)
    with Reader(path) as reader:
        assert list(reader) == records
        assert reader.header == HEADER
        assert reader.position == path.stat().st_size
    back = sum(after.at < before.at for before, after in pairwise(records))
    assert (reader.findings.records, reader.findings.backwards) == (len(records), back)
    assert reader.findings.damaged == reader.findings.tail == 0


def test_a_capture_cut_off_anywhere_gives_its_whole_blocks(tmp_path: Path) -> None:
    records = [make_record(number, size=12) for number in range(9)]
    path = write(tmp_path / "whole.khcap", records)
    whole = path.read_bytes()
    cut, seen = tmp_path / "cut.khcap", set()
    for size in range(len(whole) + 1):
        cut.write_bytes(whole[:size])
        found, findings = read(cut)
        assert found == records[: len(found)]
        assert len(found) % 3 == 0
        seen.add(len(found))
        assert findings.damaged == 0
        if findings.tail and found:
            assert any("2026-03-01T08:00:0" in line for line in findings.lines())
    assert seen == {0, 3, 6, 9}


@given(data=st.data())
def test_a_damaged_byte_costs_its_block_only(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    records = [make_record(number, size=12) for number in range(12)]
    path = write(tmp_path_factory.getbasetemp() / "damaged.khcap", records)
    content = bytearray(path.read_bytes())
    title = content.index(b"\n") + 1
    place = data.draw(st.integers(title, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    found, findings = read(path)
    assert len(found) in (9, 12)
    assert [record for record in records if record in found] == found
    assert findings.damaged + (findings.tail > 0) == 1
    assert findings.lines()


@given(content=st.binary(max_size=400), titled=st.booleans())
def test_any_bytes_are_an_error_or_findings(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, titled: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.khcap"
    path.write_bytes(b"khaen-capture 1\n" * titled + content)
    if titled or not content or b"khaen-capture 1".startswith(content):
        found, findings = read(path)
        assert len(found) == findings.records
    else:
        with pytest.raises(CaptureError, match=r"any\.khcap"):
            read(path)


def test_a_block_that_lies_about_its_records_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "lies.khcap", [make_record(1)])
    with path.open("ab") as file:
        file.write(block.pack(block.RECORDS, b"\xff" * 40, (START,), 1))
        file.write(block.pack(7, b"what a later writer says besides"))
    found, findings = read(path)
    assert found == [make_record(1)]
    assert findings.damaged == 1


@pytest.mark.parametrize("told", [0, 1, 3])
def test_a_block_gives_no_more_records_than_its_head_tells_of(tmp_path: Path, told: int) -> None:
    path = write(tmp_path / "many.khcap", [])
    body = block.pack_record(make_record(1)) + block.pack_record(make_record(2))
    with path.open("ab") as file:
        file.write(block.pack(block.RECORDS, body, (START,), told))
    found, findings = read(path)
    assert found == [make_record(1), make_record(2)][:told]
    assert findings.damaged == 1


def test_heads_that_claim_the_same_bytes_cost_no_more_than_the_file_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "heads.khcap", [make_record(1)])
    claimed = random.Random(1).randbytes(50_000)
    whole = block.pack(block.RECORDS, claimed, (START,), 1)
    heads = b"".join(whole[: block.HEAD_SIZE] for _ in range(400))
    with path.open("ab") as file:
        file.write(heads + bytes(60_000) + block.pack(block.RECORDS, b"", (START,), 0))
    opened = []
    real = block.open_body

    def count(head: block.Head, packed: bytes) -> bytes:
        opened.append(len(packed))
        return real(head, packed)

    monkeypatch.setattr(block, "open_body", count)
    found, findings = read(path)
    assert found == [make_record(1)]
    assert findings.damaged + (findings.tail > 0) > 0
    assert sum(opened) < 4 * path.stat().st_size


@pytest.mark.parametrize("part", ["1e999", "NaN", '"x"', "[]"])
def test_a_header_that_is_none_costs_itself_only(tmp_path: Path, part: str) -> None:
    about = f'{{"tool":"x","began":"2026-01-01T00:00:00Z","part":{part}}}'.encode()
    records = block.pack(block.RECORDS, block.pack_record(make_record(1)), (START,), 1)
    path = tmp_path / "header.khcap"
    path.write_bytes(b"khaen-capture 1\n" + block.pack(block.HEADER, about) + records)
    assert read(path)[0] == [make_record(1)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"khaen-capture 2\n", "of version 2, and this khaen reads up to 1; take a newer khaen"),
        (b"khaen-capture 10\nx", "of version 10"),
        (b"khaen-capture x\n", "is no capture"),
        (b'{"rxpk":[]}\n', "is no capture"),
        (b"khaen-capture 1", ""),
        (b"", ""),
    ],
)
def test_other_files_are_told_apart(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "other.khcap"
    path.write_bytes(content)
    if says:
        with pytest.raises(CaptureError, match=says):
            Reader(path)
    else:
        assert read(path)[0] == []


def test_no_file_and_a_file_that_is_there_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        Reader(tmp_path / "none.khcap")
    path = write(tmp_path / "there.khcap", [])
    with pytest.raises(CaptureError, match="name a new file"):
        Writer(path, HEADER)
    with pytest.raises(CaptureError, match="name another place"):
        Writer(tmp_path / "nowhere" / "x.khcap", HEADER)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_record_that_no_capture_takes_is_refused(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "x.khcap", HEADER)
    with pytest.raises(ValueError, match="too long"):
        writer.write(make_record(1, size=block.MAX_PAYLOAD + 1))
    with pytest.raises(ValueError, match="QoS 7"):
        writer.write(Record(at=START, road=Road.MQTT, payload=b"", qos=7))
    writer.close()
    assert read(writer.path)[0] == []


def test_a_full_disk_is_told_and_the_rest_is_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(tmp_path / "full.khcap", HEADER)
    writer.write(make_record(1))
    writer.flush()
    real = os.write

    def fill(descriptor: int, data: memoryview) -> int:
        if len(data) < 50:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:30])

    writer.write(make_record(2))
    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(CaptureFull, match="No space left on device; 1 records were written"):
        writer.flush()
    monkeypatch.setattr(os, "write", real)
    writer.close()
    found, findings = read(writer.path)
    assert found == [make_record(1)]
    assert findings.lines() == ()


# -- parts ------------------------------------------------------------------


def test_a_new_part_begins_by_size_and_all_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "night.khcap"
    writer = PartWriter(path, HEADER, Limits(part_bytes=2000), block_bytes=500)
    records = [make_record(number) for number in range(120)]
    for record in records:
        writer.write(record)
    writer.close()
    parts = list_parts(path)
    assert [part.name for part in parts[:2]] == ["night-0001.khcap", "night-0002.khcap"]
    assert len(parts) == writer.files > 3
    assert [record for part in parts for record in read(part)[0]] == records
    with Reader(parts[1]) as reader:
        assert reader.header.part == 2
    assert writer.records == 120
    assert writer.size == sum(part.stat().st_size for part in parts)
    with pytest.raises(CaptureError, match="choose another name"):
        PartWriter(path, HEADER, Limits(part_bytes=2000))


def test_a_new_part_begins_by_time(tmp_path: Path) -> None:
    now = 0.0
    writer = PartWriter(tmp_path / "x.khcap", HEADER, Limits(part_s=3600), monotonic=lambda: now)
    for number in range(4):
        now = number * 2000.0
        writer.write(make_record(number))
        writer.flush()
    now = 100_000.0
    writer.flush()  # nothing came: no empty file is begun
    writer.flush()
    writer.close()
    assert [len(read(part)[0]) for part in list_parts(tmp_path / "x.khcap")] == [3, 1, 0]


def test_the_cap_ends_the_recording_or_takes_the_oldest(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path / "a.khcap", HEADER, Limits(cap_bytes=3000), block_bytes=500)

    def fill() -> None:
        for number in range(200):
            writer.write(make_record(number))
            writer.flush()

    with pytest.raises(CaptureFull, match=r"cap of 0.003 MB is reached with \d+ records"):
        fill()
    assert len(read(tmp_path / "a.khcap")[0]) == writer.records > 10
    assert (tmp_path / "a.khcap").stat().st_size <= 3000

    limits = Limits(part_bytes=800, cap_bytes=3000, drop_oldest=True)
    ring = PartWriter(tmp_path / "b.khcap", HEADER, limits, block_bytes=200)
    for number in range(200):
        ring.write(make_record(number))
        assert sum(p.stat().st_size for p in tmp_path.glob("b-*.khcap")) <= 3000
    ring.close()
    parts = list_parts(tmp_path / "b.khcap")
    assert ring.removed > 3
    assert f"b-{ring.removed + 1:04}.khcap" == parts[0].name
    kept = [record for part in parts for record in read(part)[0]]
    assert kept == [make_record(number) for number in range(200)][-len(kept) :]
    with pytest.raises(CaptureError, match="ask for parts"):
        PartWriter(tmp_path / "c.khcap", HEADER, Limits(cap_bytes=1, drop_oldest=True))


def test_a_part_that_cannot_be_made_ends_the_recording(tmp_path: Path) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    writer = PartWriter(folder / "x.khcap", HEADER, Limits(part_bytes=800), block_bytes=200)
    writer.write(make_record(1))
    writer.flush()
    folder.rename(tmp_path / "gone")

    def fill() -> None:
        for number in range(2, 60):
            writer.write(make_record(number))

    with pytest.raises(CaptureFull, match=r"no new file: .* name another place; \d+ records were"):
        fill()
    with pytest.raises(CaptureFull):
        fill()
    writer.close()
    assert read(tmp_path / "gone" / "x-0001.khcap")[0][0] == make_record(1)


def test_an_oldest_part_that_cannot_go_ends_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def fill() -> None:
        for number in range(200):
            ring.write(make_record(number))

    limits = Limits(part_bytes=800, cap_bytes=3000, drop_oldest=True)
    ring = PartWriter(tmp_path / "b.khcap", HEADER, limits, block_bytes=200)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(CaptureFull, match=r"b-0001\.khcap: it cannot be removed: Read-only"):
        fill()
    monkeypatch.undo()
    ring.close()


@pytest.mark.parametrize("value", [0.0, 0.09, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_one_line(value: float) -> None:
    with pytest.raises(CaptureError, match=r"MB: give 0\.1 or more"):
        megabytes(value)
    assert megabytes(0.1) == 100_000


# -- a kill -----------------------------------------------------------------

_BUSY = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from khaen.capture import Header, Record, Road, Writer

writer = Writer(Path(sys.argv[1]), Header(tool="busy", began=datetime.now(UTC)), block_bytes=4096)
print("begun", flush=True)
number = 0
while True:
    payload = number.to_bytes(8, "big") * 8
    writer.write(Record(at=datetime.now(UTC), road=Road.UDP_UP, payload=payload))
    number += 1
"""


def test_a_killed_writer_leaves_all_that_it_flushed(tmp_path: Path) -> None:
    path = tmp_path / "killed.khcap"
    process = subprocess.Popen([sys.executable, "-c", _BUSY, str(path)], cwd=ROOT)
    try:
        wait_for(lambda: path.exists() and path.stat().st_size > 30_000, "it writes")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    found, findings = read(path)
    assert [int.from_bytes(record.payload[:8], "big") for record in found] == list(
        range(len(found))
    )
    assert len(found) > 100
    assert findings.damaged == 0
