"""The real agent before a real broker: killed under load, it has what it acknowledged."""

import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from chirpstack_api import gw

from khaen import status as statuses
from khaen import topics
from khaen.ids import Epoch
from khaen.mqtt import Message
from khaen.uplink import Kind
from khaen.wire import Heard, parse
from tests.edge.agent import REPOSITORY, Listener, forwarding, listening, running, write_config
from tests.edge.fixtures import GATEWAY, make_receipt
from tests.support.broker import Mosquitto
from tests.support.programs import wait_for
from tests.support.receipts import cover

pytestmark = pytest.mark.end_to_end
ROUNDS = int(os.environ.get("KHAEN_ROUNDS", "3"))
UP, BACKLOG = topics.up("as923", GATEWAY), topics.backlog(GATEWAY)
LIVE = topics.live(GATEWAY)
STATUS, CONN = topics.status(GATEWAY), topics.conn("as923", GATEWAY)


def frames(messages: Sequence[Message]) -> list[Heard]:
    return [parse(GATEWAY, m.payload) for m in messages if m.topic in (UP, BACKLOG, LIVE)]


def payloads(messages: Sequence[Message]) -> list[bytes]:
    return [heard.payload for heard in frames(messages)]


def last_status(messages: Sequence[Message]) -> statuses.GatewayStatus:
    return statuses.parse([m for m in messages if m.topic == STATUS][-1].payload)


def by_number(messages: Sequence[Message]) -> dict[tuple[str, int], bytes]:
    """Each number's bytes; a number with two contents fails."""
    found: dict[tuple[str, int], bytes] = {}
    for heard in frames(messages):
        assert heard.number is not None
        key = heard.number.epoch, heard.number.seq
        assert found.setdefault(key, heard.payload) == heard.payload
    return found


def is_longer(seen: int, messages: Sequence[Message]) -> bool:
    return len(messages) > seen


def answer_until(listener: Listener, last: int) -> None:
    """Give receipts, as ingest does, until every number up to `last` has come."""
    deadline = time.monotonic() + 30
    while len(numbers := by_number(listener.messages)) < last:
        assert time.monotonic() < deadline, f"{len(numbers)} of {last} came"
        epoch = Epoch(next(iter(numbers))[0])
        entry = cover(epoch, 0, sorted(seq for _, seq in numbers), conflict=False)
        body = make_receipt(entry).model_dump_json().encode()
        listener.client.publish(topics.receipt(GATEWAY), body, retain=True)
        listener.wait_for(partial(is_longer, len(listener.messages)))


def read_status(folder: Path) -> dict[str, str]:
    """What `khaen-edge status` says."""
    done = subprocess.run(
        [sys.executable, "-m", "edge.main", "status", "--config", str(folder / "edge.toml")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines())


def test_killed_under_load_it_has_what_it_acknowledged(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    config = write_config(tmp_path, broker.port)
    acknowledged: list[bytes] = []
    with listening(broker.port, UP, BACKLOG, LIVE) as listener:
        for round_ in range(ROUNDS):
            with running(config) as agent, forwarding(agent.udp) as radio:
                for i in range(random.randint(150, 400)):
                    radio.push(b"\x40 %d %d" % (round_, i), b"\x40 %d %d b" % (round_, i))
                    if i % 3 == 0:
                        radio.collect(0.2)
                agent.kill()
                while radio.collect(0.05):
                    pass
                assert len(radio.acknowledged) > 50
                acknowledged += radio.acknowledged
        last = int(read_status(tmp_path)["last_seq"])
        with running(config):
            answer_until(listener, last + 1)
        numbers = by_number(listener.messages)
    assert set(acknowledged) <= set(numbers.values())
    (epoch,) = {epoch for epoch, _ in numbers}
    assert sorted(seq for _, seq in numbers) == list(range(1, len(numbers) + 1))
    sent = [payload for payload in numbers.values() if payload]
    assert len(sent) == len(set(sent)), "no frame was numbered twice"
    assert read_status(tmp_path)["epoch"] == epoch


def test_receipts_empty_the_outbox_and_the_status_says_so(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    config = write_config(tmp_path, broker.port, status_s=0.2)
    with (
        listening(broker.port, UP, LIVE, STATUS, CONN) as listener,
        running(config) as agent,
        forwarding(agent.udp) as radio,
    ):
        radio.push(b"\x40one", b"\x40two")
        assert radio.collect(2)
        listener.wait_for(lambda messages: len(frames(messages)) == 3)
        heard = frames(listener.messages)
        assert [h.kind for h in heard if not h.payload] == [Kind.HEARTBEAT]
        epoch = Epoch(next(iter(by_number(listener.messages)))[0])
        entry = cover(epoch, 0, [1, 2, 3], conflict=False)
        listener.client.publish(
            topics.receipt(GATEWAY), make_receipt(entry).model_dump_json().encode(), retain=True
        )
        listener.wait_for(
            lambda messages: any(
                (said := statuses.parse(m.payload)).last_seq == 3
                and said.backlog == 0
                and said.waiting == ()
                and said.last_receipt is not None
                for m in messages
                if m.topic == STATUS
            )
        )
        assert (
            "connected since"
            in statuses.parse(
                [m for m in listener.messages if m.topic == STATUS][-1].payload
            ).broker
        )
        assert agent.stop() == 0
        listener.wait_for(lambda messages: sum(m.topic == CONN for m in messages) == 2)
        states = [
            gw.ConnState.FromString(m.payload).state for m in listener.messages if m.topic == CONN
        ]
        assert states == [gw.ConnState.ONLINE, gw.ConnState.OFFLINE]


def test_a_broker_that_comes_back_gets_what_was_heard_meanwhile(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    config = write_config(tmp_path, broker.port)
    with running(config) as agent, forwarding(agent.udp) as radio:
        broker.kill()
        for i in range(20):
            radio.push(b"\x40 in the dark %d" % i)
            assert radio.collect(2), "the radio is heard without a broker"
        time.sleep(2.1)  # beyond the age up to which a frame is live: nothing else shows it
        broker.start()
        with listening(broker.port, UP, BACKLOG) as listener:
            listener.wait_for(
                lambda messages: (
                    {b"\x40 in the dark %d" % i for i in range(20)}
                    <= {h.payload for h in frames(messages)}
                )
            )
            assert {m.topic for m in listener.messages} == {BACKLOG}
            order = [h.number.seq for h in frames(listener.messages) if h.number and h.payload]
            assert order == sorted(order)
            assert all(h.at is not None for h in frames(listener.messages))


def test_it_stops_within_two_seconds_without_a_broker(tmp_path: Path, free_port: int) -> None:
    config = write_config(tmp_path, free_port)
    with running(config) as agent:
        begun = time.monotonic()
        assert agent.stop(signal.SIGINT) == 0
        assert time.monotonic() - begun < 2


def test_a_full_disk_is_said_aloud_and_got_over(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    """No file may grow any more, then it may again: nothing is acknowledged in between."""
    broker = mosquitto()
    config = write_config(tmp_path, broker.port, status_s=0.2)
    with (
        listening(broker.port, UP, BACKLOG, STATUS) as listener,
        running(config) as agent,
        forwarding(agent.udp) as radio,
    ):
        radio.push(b"\x40before")
        assert radio.collect(2)
        # The first heartbeat, too, is on disk.
        listener.wait_for(
            lambda messages: (
                any(m.topic == STATUS for m in messages) and last_status(messages).last_seq == 2
            )
        )
        unlimited = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (0, -1))
        radio.push(b"\x40meanwhile")
        listener.wait_for(lambda messages: b"\x40meanwhile" in by_number(messages).values())
        assert not radio.collect(0.2)
        listener.wait_for(lambda messages: last_status(messages).volatile)
        with pytest.raises(urllib.error.HTTPError, match="503") as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{agent.metrics}/health")
        refused.value.close()
        resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, unlimited)
        seen = len(listener.messages)
        listener.wait_for(
            lambda messages: len(messages) > seen and not last_status(messages).volatile
        )
        radio.push(b"\x40after")
        assert radio.collect(2)
        listener.wait_for(lambda messages: payloads(messages).count(b"\x40meanwhile") == 2)
        gone = b'{"reason":"released","ranges":[[1,1]]}'
        listener.wait_for(lambda messages: gone in payloads(messages))
    numbers = by_number(listener.messages)
    epochs = {payload: epoch for (epoch, _), payload in numbers.items()}
    assert epochs[b"\x40before"] == epochs[b"\x40after"] == epochs[b"\x40meanwhile"]


def test_it_stops_at_whatever_moment_it_is_told(tmp_path: Path, free_port: int) -> None:
    """Also while its tasks begin: a cancellation that meets an event must not be swallowed."""
    config = write_config(tmp_path, free_port)
    for _ in range(5):
        with running(config) as agent:
            assert agent.stop() == 0


def test_health_and_metrics(tmp_path: Path, free_port: int) -> None:
    config = write_config(tmp_path, free_port)
    with running(config) as agent, forwarding(agent.udp) as radio:
        radio.push(b"\x40one")
        assert radio.collect(2)
        base = f"http://127.0.0.1:{agent.metrics}"
        with urllib.request.urlopen(f"{base}/health") as answer:
            assert answer.read() == b"ok\n"
        with urllib.request.urlopen(f"{base}/metrics") as answer:
            assert b'khaen_edge_frames_heard_total{kind="lorawan"} 1.0' in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(f"{base}/")
        refused.value.close()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge.main", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_second_agent_of_the_same_outbox_is_refused(tmp_path: Path, free_port: int) -> None:
    config = write_config(tmp_path, free_port)
    with running(config):
        done = run("run", "--config", str(config))
        assert done.returncode == 1
        assert "another agent uses this outbox" in done.stderr


def test_a_taken_port_is_a_clear_message(tmp_path: Path, free_port: int) -> None:
    config = write_config(tmp_path, free_port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace("[udp]\nport = 0", f"[udp]\nport = {port}"))
        done = run("run", "--config", str(config))
    assert done.returncode == 1
    assert f"khaen-edge: udp 127.0.0.1:{port}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_without_its_password_the_agent_hears_and_keeps(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    secret = tmp_path / "password"
    config = write_config(tmp_path, mosquitto(users={"edge": "right"}).port)
    account = f'[mqtt]\nusername = "edge"\npassword_file = "{secret}"'
    config.write_text(config.read_text().replace("[mqtt]", account))
    said = f"mqtt.password_file: cannot read {secret}"
    assert said in run("check", "--config", str(config)).stderr
    with running(config) as agent, forwarding(agent.udp) as radio:
        radio.push(b"\x40 heard")
        assert radio.collect(5), "acknowledged: it is on disk"
        wait_for(lambda: any(said in line for line in agent.lines), "a word on the file")
        secret.write_bytes(b"\xff\xfe torn")
        wait_for(lambda: any("is no text" in line for line in agent.lines), "a word on its bytes")
        secret.write_text("right\n")
        wait_for(lambda: any("mqtt_connected" in line for line in agent.lines), "a connection")


def test_check_names_what_is_wrong(tmp_path: Path, free_port: int) -> None:
    config = write_config(tmp_path, free_port)
    assert "settings are right" in run("check", "--config", str(config)).stdout
    config.write_text("gatway_eui = 1\n")
    done = run("check", "--config", str(config))
    assert done.returncode == 1
    assert "edge.toml" in done.stderr
    assert "gateway_eui" in done.stderr or "gatway_eui" in done.stderr
