"""The real agent is configured from afar while it hears the radio: no frame is the worse for it."""

import contextlib
import json
import resource
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from khaen import configuration, topics
from khaen import status as statuses
from khaen.configuration import ConfigurationState, Outcome
from khaen.ids import Epoch, GatewayEui
from khaen.mqtt import Message
from khaen.wire import parse
from tests.edge.agent import (
    Agent,
    Listener,
    PacketForwarder,
    forwarding,
    listening,
    running,
    write_config,
)
from tests.edge.fixtures import GATEWAY, make_receipt
from tests.support.broker import Mosquitto
from tests.support.receipts import cover

pytestmark = pytest.mark.end_to_end
FRAMES = (topics.up("as923", GATEWAY), topics.live(GATEWAY), topics.backlog(GATEWAY))
CONFIG, STATE = topics.configuration(GATEWAY), topics.configuration_state(GATEWAY)
REMOTE = "[remote]\nenabled = true\nconfirm_s = 10\n"
PAUSE_S = 0.05
EVERY_S = 0.01


class Office:
    """Ingest, as brokers see it: every number is receipted at every broker that it listens to."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners
        self.numbers: dict[tuple[str, int], bytes] = {}
        """What came under each number; one with two contents fails."""
        self._told = 0
        self._read = [0] * len(listeners)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="office")
        self._thread.start()

    def _work(self) -> None:
        while not self._end.wait(PAUSE_S):
            for index, listener in enumerate(self._listeners):
                messages = listener.messages[self._read[index] :]
                self._read[index] += len(messages)
                self._take(messages)
            self._answer()

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            if message.topic in FRAMES:
                heard = parse(GATEWAY, message.payload)
                assert heard.number is not None
                key = heard.number.epoch, heard.number.seq
                assert self.numbers.setdefault(key, heard.payload) == heard.payload

    def _answer(self) -> None:
        if self.numbers:
            epoch = Epoch(next(iter(self.numbers))[0])
            came = sorted(seq for _, seq in self.numbers)
            watermark = sum(seq == at for at, seq in enumerate(came, start=1))
            entry = cover(epoch, watermark, came[watermark:], conflict=False)
            body = make_receipt(entry).model_dump_json().encode()
            for listener in self._listeners:
                listener.client.publish(topics.receipt(GATEWAY), body, retain=True)

    def close(self) -> None:
        self._end.set()
        self._thread.join()


@contextlib.contextmanager
def receipting(*listeners: Listener) -> Iterator[Office]:
    """An office for the time of a `with`."""
    office = Office(*listeners)
    try:
        yield office
    finally:
        office.close()


class Radio:
    """Devices that are heard all the time; what was acknowledged must arrive."""

    def __init__(self, forwarder: PacketForwarder) -> None:
        self.forwarder = forwarder
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="radio")
        self._thread.start()

    def _work(self) -> None:
        number = 0
        while not self._end.is_set():
            number += 1
            self.forwarder.push(b"\x40 %s %d" % (secrets.token_bytes(8), number))
            self.forwarder.collect(PAUSE_S)
            self._end.wait(EVERY_S)

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        while self.forwarder.collect(0.2):
            pass


@contextlib.contextmanager
def heard(agent: Agent) -> Iterator[Radio]:
    """Devices on the air for the time of a `with`."""
    with forwarding(agent.udp) as forwarder:
        radio = Radio(forwarder)
        try:
            yield radio
        finally:
            radio.close()


def configure(folder: Path, port: int) -> Path:
    file = write_config(folder, port)
    file.write_text(file.read_text() + REMOTE)
    return file


def publish(listener: Listener, id_: str, **settings: object) -> None:
    body = json.dumps({"v": 1, "id": id_, "settings": settings}).encode()
    assert listener.client.publish(CONFIG, body, retain=True)


def states(listener: Listener) -> list[ConfigurationState]:
    return [configuration.parse_state(m.payload) for m in listener.messages if m.topic == STATE]


def await_state(
    listener: Listener, id_: str | None, outcome: Outcome, timeout_s: float = 15.0
) -> ConfigurationState:
    def is_there(_messages: object) -> bool:
        return any((state.id, state.outcome) == (id_, outcome) for state in states(listener))

    listener.wait_for(is_there, timeout_s)
    return [s for s in states(listener) if (s.id, s.outcome) == (id_, outcome)][-1]


def await_frames(office: Office, acknowledged: list[bytes]) -> None:
    """Each acknowledged frame arrives, under one number, and no number is missing."""
    deadline = time.monotonic() + 20
    while not set(acknowledged) <= set(office.numbers.values()):
        assert time.monotonic() < deadline, "an acknowledged frame did not arrive"
        time.sleep(PAUSE_S)
    counted = Counter(payload for payload in dict(office.numbers).values() if payload)
    assert set(counted.values()) == {1}
    assert len({epoch for epoch, _ in office.numbers}) == 1


def test_good_changes_are_kept_and_no_frame_is_lost_in_between(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    first, second = mosquitto(), mosquitto()
    config = configure(tmp_path, first.port)
    with (
        listening(first.port, *FRAMES, STATE) as here,
        listening(second.port, *FRAMES, STATE) as there,
        receipting(here, there) as office,
    ):
        with running(config) as agent, heard(agent) as radio:
            publish(here, "calm", heartbeat_s=30, forward={"backlog_rate": 100})
            kept = await_state(here, "calm", Outcome.KEPT)
            assert set(kept.changed) == {"heartbeat_s", "forward.backlog_rate"}
            publish(here, "move", heartbeat_s=30, mqtt={"port": second.port})
            await_state(here, "move", Outcome.TRYING)
            moved = await_state(there, "move", Outcome.KEPT)
            assert moved.configuration != kept.configuration
            radio.close()
            await_frames(office, radio.forwarder.acknowledged)
            agent.kill()
        assert radio.forwarder.acknowledged
        first.stop()
        with running(config) as agent, heard(agent) as radio:
            await_state(there, "move", Outcome.KEPT)
            radio.close()
            await_frames(office, radio.forwarder.acknowledged)


@pytest.mark.parametrize("connects", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_without_receipts_the_agent_comes_back(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto], free_port: int, connects: bool
) -> None:
    """The other broker takes everything, and nobody is behind it; or there is no other broker."""
    broker = mosquitto()
    config = configure(tmp_path, broker.port)
    with (
        listening(broker.port, *FRAMES, STATE) as here,
        receipting(here) as office,
        running(config) as agent,
        heard(agent) as radio,
    ):
        publish(here, "astray", mqtt={"port": mosquitto().port if connects else free_port})
        await_state(here, "astray", Outcome.TRYING)
        state = await_state(here, "astray", Outcome.ROLLED_BACK, 20.0)
        reason = "no heartbeat was receipted" if connects else f"{GATEWAY}: not connected: "
        assert state.reason is not None
        assert state.reason.startswith("after 10 s: ")
        assert reason in state.reason
        radio.close()
        await_frames(office, radio.forwarder.acknowledged)
        publish(here, "calm", heartbeat_s=30)
        await_state(here, "calm", Outcome.KEPT)


def test_where_the_brokers_word_is_proof_it_proves_a_configuration(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    """Of every gateway that was connected."""
    broker = mosquitto()
    config = configure(tmp_path, broker.port)
    second = GatewayEui("0016c001f153a14d")
    more = f'[forward]\npuback = true\n[[gateways]]\neui = "{second}"\n'
    config.write_text(config.read_text() + more)
    beats = topics.live(second), topics.backlog(second)
    with listening(broker.port, STATE, *beats) as here, running(config):
        here.wait_for(lambda messages: any(m.topic in beats for m in messages))
        publish(here, "calm", heartbeat_s=30)
        state = await_state(here, "calm", Outcome.KEPT)
        # One at its start, one at that of the next generation, and one of its own for the trial.
        here.wait_for(lambda messages: sum(m.topic in beats for m in messages) >= 3)
        assert state.changed == ("heartbeat_s",)


@pytest.mark.parametrize("gently", [False, True])
def test_one_that_ends_in_a_trial_starts_with_what_was_good(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto], free_port: int, gently: bool
) -> None:
    broker = mosquitto()
    config = configure(tmp_path, broker.port)
    with listening(broker.port, *FRAMES, STATE) as here, receipting(here) as office:
        with running(config) as agent, heard(agent) as radio:
            publish(here, "astray", heartbeat_s=30, mqtt={"port": free_port})
            await_state(here, "astray", Outcome.TRYING)
            if gently:
                assert agent.stop() == 0
            else:
                agent.kill()
        acknowledged = radio.forwarder.acknowledged
        with running(config) as agent, heard(agent) as radio:
            state = await_state(here, "astray", Outcome.ROLLED_BACK)
            assert state.reason in ("the agent ended during the trial", "the agent stops")
            radio.close()
            await_frames(office, acknowledged + radio.forwarder.acknowledged)
        tried = [state for state in states(here) if state.outcome is Outcome.TRYING]
        assert len(tried) == 1, "the retained document came again"


def test_a_bad_document_changes_nothing_and_says_why(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    config = configure(tmp_path, broker.port)
    status = topics.status(GATEWAY)
    with listening(broker.port, STATE, status) as here, running(config) as agent:
        here.client.publish(CONFIG, b'{"v":1,"id":"x","id":"y","settings":{}}', retain=True)
        rubbish = await_state(here, None, Outcome.REFUSED)
        assert rubbish.reason == "bad_configuration: a name stands twice in one table"
        for id_, settings, reason in (
            (
                "typing",
                {"heartbeat_s": -1},
                "settings: heartbeat_s: Input should be greater than 0",
            ),
            ("theft", {"mqtt": {"password_file": "/etc/shadow"}}, "mqtt.password_file: not from"),
        ):
            publish(here, id_, **settings)
            state = await_state(here, id_, Outcome.REFUSED)
            assert (state.reason or "").startswith(reason)
            assert state.configuration == rubbish.configuration
        assert not [line for line in agent.lines if "settings_applied" in line]
        here.wait_for(
            lambda messages: any(
                "configuration_not_kept" in statuses.parse(m.payload).warnings
                for m in messages
                if m.topic == status
            )
        )
        assert agent.stop() == 0


def test_while_the_disk_refuses_no_trial_begins(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    config = configure(tmp_path, broker.port)
    with (
        listening(broker.port, *FRAMES, STATE) as here,
        receipting(here),
        running(config) as agent,
    ):
        here.wait_for(lambda messages: len(messages) > 0)
        unlimited = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (0, -1))
        publish(here, "calm", heartbeat_s=30)
        state = await_state(here, "calm", Outcome.REFUSED)
        assert state.reason is not None
        assert state.reason.endswith("outbox-remote.json: cannot be written: File too large")
        resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, unlimited)
        publish(here, "calm", heartbeat_s=30)
        await_state(here, "calm", Outcome.KEPT)
    assert sorted(file.name for file in tmp_path.glob("*remote*")) == ["outbox-remote.json"]


def test_nothing_is_obeyed_where_nobody_asked_for_it(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    status = topics.status(GATEWAY)
    with listening(broker.port, STATE, status) as here:
        publish(here, "stranger", heartbeat_s=30)
        with running(write_config(tmp_path, broker.port, status_s=0.2)):
            here.wait_for(lambda messages: sum(m.topic == status for m in messages) > 3)
        assert states(here) == []
