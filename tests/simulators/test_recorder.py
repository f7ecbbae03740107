"""The recorder: what passes a real broker is in the capture, whatever ends it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from khaen.capture import CaptureError, Limits, Reader, Road
from khaen.clock import SystemClock
from khaen.errors import NotRunnable
from khaen.mqtt import MqttSettings
from simulators.recorder import Recorder
from tests.support.broker import Mosquitto, find_mosquitto
from tests.support.ports import find_free_port
from tests.support.programs import ROOT, wait_for

UP = "as923/gateway/ac1f09fffe0a0b01/event/up"
Brokers = Callable[..., Mosquitto]


def publish(broker: Mosquitto, topic: str, lines: list[str], *, retain: bool = False) -> None:
    command = [find_mosquitto("mosquitto_pub"), "-h", broker.host, "-p", str(broker.port)]
    command += ["-q", "1", "-t", topic, *(["-r"] if retain else []), "-l"]
    subprocess.run(command, input="\n".join(lines).encode(), check=True, timeout=20)


def test_every_message_is_taken_with_its_topic_and_time(mosquitto: Brokers, tmp_path: Path) -> None:
    broker, path = mosquitto(), tmp_path / "x.khcap"
    publish(broker, "khaen/priority", ['{"v":1}'], retain=True)
    publish(broker, "khaen/gateway/ac1f09fffe0a0b01/config", ["a secret"], retain=True)
    began = datetime.now(UTC)
    with Recorder(
        MqttSettings(port=broker.port), path, SystemClock(), site="nong-kham", simulated=True
    ) as recorder:
        recorder.await_connected()
        publish(broker, UP, [f"frame {number}" for number in range(500)])
        publish(broker, "khaen/gateway/ac1f09fffe0a0b01/config", ["another secret"])
        publish(broker, "application/a/device/24e124535b000001/command/down", ["a command"])
        wait_for(lambda: recorder.taken == 502, lambda: f"taken: {recorder.taken}")
        recorder.flush()
        assert recorder.written == 502
        assert recorder.size == path.stat().st_size
    with Reader(path) as reader:
        found = list(reader)
        assert (reader.header.site, reader.header.simulated) == ("nong-kham", True)
        assert "+/gateway/+/event/+" in reader.header.recorded
    retained = [record for record in found if record.retain]
    assert [(r.topic, r.payload) for r in retained] == [("khaen/priority", b'{"v":1}')]
    frames = [record.payload for record in found if record.topic == UP]
    assert frames == [f"frame {number}".encode() for number in range(500)]
    assert all(r.road is Road.MQTT and began <= r.at <= datetime.now(UTC) for r in found)
    assert b"secret" not in b"".join(record.payload for record in found)
    assert found[-1].topic.endswith("/command/down")


def test_a_broker_that_goes_and_comes_is_a_gap_that_is_told(
    mosquitto: Brokers, tmp_path: Path
) -> None:
    broker = mosquitto()
    settings = MqttSettings(port=broker.port)
    with Recorder(settings, tmp_path / "x.khcap", SystemClock()) as recorder:
        recorder.await_connected()
        broker.restart()
        wait_for(lambda: recorder.gaps == 1, "the gap is seen")

        def hears() -> bool:
            publish(broker, UP, ["again"])
            return recorder.taken > 0

        wait_for(hears, "it records again", every_s=0.2)
    assert recorder.error is None


def test_the_cap_ends_it_with_what_was_written(mosquitto: Brokers, tmp_path: Path) -> None:
    broker, path = mosquitto(), tmp_path / "x.khcap"
    limits = Limits(cap_bytes=2000)
    with Recorder(MqttSettings(port=broker.port), path, SystemClock(), limits=limits) as recorder:
        recorder.await_connected()
        publish(broker, UP, ["x" * 900])
        wait_for(lambda: recorder.taken == 1, "one")
        recorder.flush()
        publish(broker, UP, ["y" * 2500])
        wait_for(lambda: recorder.taken == 2, "two")
        recorder.flush()
        assert recorder.ended.is_set()
    assert "cap of 0.002 MB is reached with 1 records" in str(recorder.error)
    with Reader(path) as reader:
        assert [len(record.payload) for record in reader] == [900]


def test_a_part_that_cannot_be_made_ends_it_and_is_told(mosquitto: Brokers, tmp_path: Path) -> None:
    broker, folder = mosquitto(), tmp_path / "card"
    folder.mkdir()
    limits = Limits(part_bytes=2000)
    settings = MqttSettings(port=broker.port)
    with Recorder(settings, folder / "x.khcap", SystemClock(), limits=limits) as recorder:
        recorder.await_connected()
        publish(broker, UP, ["x" * 1900])
        wait_for(lambda: recorder.taken == 1, "one")
        folder.rename(tmp_path / "gone")
        publish(broker, UP, ["y" * 900] * 3)
        wait_for(recorder.ended.is_set, "it ends")
        assert recorder.gaps == 0
    assert "no new file" in str(recorder.error)


def test_two_recorders_do_not_throw_each_other_out(mosquitto: Brokers, tmp_path: Path) -> None:
    settings = MqttSettings(port=(broker := mosquitto()).port)
    with (
        Recorder(settings, tmp_path / "x.khcap", SystemClock()) as first,
        Recorder(settings, tmp_path / "y.khcap", SystemClock()) as second,
    ):
        first.await_connected()
        second.await_connected()
        publish(broker, UP, ["for both"])
        wait_for(lambda: (first.taken, second.taken) == (1, 1), "both take it")
        assert (first.gaps, second.gaps) == (0, 0)


def test_without_a_broker_it_says_so(tmp_path: Path) -> None:
    settings = MqttSettings(port=find_free_port())
    with (
        Recorder(settings, tmp_path / "x.khcap", SystemClock()) as recorder,
        pytest.raises(NotRunnable, match="no broker to record from"),
    ):
        recorder.await_connected(0.3)
    with Recorder(settings, tmp_path / "y.khcap", SystemClock()):
        pass
    with pytest.raises(CaptureError, match="is there already"):
        Recorder(settings, tmp_path / "y.khcap", SystemClock())


def test_a_recording_that_never_began_leaves_its_name_free(tmp_path: Path) -> None:
    settings = MqttSettings(port=find_free_port())
    for limits in (None, Limits(part_s=60)):
        with (
            pytest.raises(NotRunnable),
            Recorder(settings, tmp_path / "x.khcap", SystemClock(), limits=limits) as recorder,
        ):
            recorder.await_connected(0.3)
        assert list(tmp_path.iterdir()) == []


# -- the command --------------------------------------------------------------


def run_command(*arguments: str | Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "commands.main", "record", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_killed_recorder_leaves_what_it_flushed(mosquitto: Brokers, tmp_path: Path) -> None:
    broker, path = mosquitto(), tmp_path / "killed.khcap"
    process = run_command(path, "--mqtt", f"127.0.0.1:{broker.port}")
    try:
        sent = 0
        deadline = time.monotonic() + 60
        while path.stat().st_size < 5000 if path.exists() else True:
            assert time.monotonic() < deadline
            assert process.poll() is None
            publish(broker, UP, [f"frame {sent + n}" for n in range(200)])
            sent += 200
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with Reader(path) as reader:
        numbers = [int(record.payload.split()[1]) for record in reader]
    assert len(numbers) >= 200
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert not reader.findings.damaged


def test_the_command_ends_at_ctrl_c_and_after_its_time(mosquitto: Brokers, tmp_path: Path) -> None:
    broker, path = mosquitto(), tmp_path / "x.khcap"
    process = run_command(path, "--mqtt", f"127.0.0.1:{broker.port}", "--part-mb", "1")
    wait_for(lambda: "as khaen-recorder" in broker.log, "it is connected")
    wait_for((tmp_path / "x-0001.khcap").exists, "it has begun")
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert said == f"0 records, 0.00 MB, in {path}\n"
    process = run_command(tmp_path / "y", "--mqtt", f"127.0.0.1:{broker.port}", "--for", "0.1")
    assert process.communicate(timeout=30)[0] == f"0 records, 0.00 MB, in {tmp_path / 'y'}\n"


def test_what_cannot_be_recorded_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "khaen.toml").write_text('[mqtt]\nusername = "ingest"\n')
    for arguments, says in (
        (("x", "--mqtt", "host:port"), "'host:port' is no broker's address"),
        (("x", "--config", tmp_path / "khaen.toml"), "there is no account 'recorder'"),
        (("x", "--mqtt", "127.0.0.1", "--drop-oldest"), "ask for parts"),
        (("x", "--mqtt", "127.0.0.1", "--part-mb", "inf"), "give 0.1 or more"),
    ):
        process = run_command(*arguments)
        _said, errors = process.communicate(timeout=30)
        assert process.returncode == 2
        assert says in errors
        assert errors.count("\n") == 1, errors
