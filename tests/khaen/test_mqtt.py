"""The MQTT client against real brokers."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from khaen.backoff import Backoff
from khaen.errors import SettingsError
from khaen.mqtt import Answer, Client, Handlers, Message, MqttSettings, Session, Version, Will
from khaen.mqtt.ahead import AheadClient
from tests.support.broker import Mosquitto

StartMosquitto = Callable[..., Mosquitto]


def until(condition: Callable[[], bool], what: str, timeout: float = 10.0) -> None:
    deadline = monotonic() + timeout
    while not condition():
        assert monotonic() < deadline, f"did not happen: {what}"
        sleep(0.005)


@dataclass
class Party:
    """A client and all that happened to it."""

    messages: list[Message] = field(default_factory=list)
    published: list[tuple[int, int, Answer]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.gate.set()

    def take(self, message: Message) -> None:
        self.gate.wait(10)
        self.messages.append(message)

    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]


@contextmanager
def connected(settings: MqttSettings, session: Session, *, wait: bool = True) -> Iterator[Party]:
    party = Party()
    party.client = Client(
        settings,
        session,
        Handlers(
            message=party.take,
            disconnected=party.ends.append,
            published=lambda *answer: party.published.append(answer),
        ),
        backoff=Backoff(base=0.02, cap=0.1, floor=0.01),
    )
    party.client.start()
    try:
        if wait:
            until(lambda: party.client.connected, "connected")
        yield party
    finally:
        party.gate.set()
        party.client.stop()


def test_what_the_broker_does_not_take_is_not_handed_to_it(mosquitto: StartMosquitto) -> None:
    settings = MqttSettings(port=mosquitto(settings=("max_packet_size 5000",)).port)
    with connected(settings, Session(client_id="p", subscriptions=("t",))) as party:
        largest = party.client.largest
        assert 4900 < largest < 5000
        assert party.client.publish("t", bytes(largest)) is None
        assert party.client.publish("t", bytes(largest - 1), expiry=1.0, retain=True)
        until(lambda: bool(party.messages), "it came back")
        assert not party.ends


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_only_what_is_acknowledged_is_done(mosquitto: StartMosquitto, version: str) -> None:
    settings = MqttSettings(port=mosquitto().port, version=Version(version))
    keeper = Session(client_id="keeper", subscriptions=("t/#",), expiry=3600)
    with connected(settings, keeper) as keep, connected(settings, Session(client_id="p")) as say:
        for i in range(3):
            assert say.client.publish("t/x", b"%d" % i) is not None
        until(lambda: len(keep.messages) == 3, "three messages")
        until(lambda: len(say.published) == 3, "three answers")
        assert all(answer.taken for _, _, answer in say.published)
        first, _, _ = keep.messages
        assert keep.client.ack(first)
    with connected(settings, keeper) as keep:
        until(lambda: len(keep.messages) == 2, "redelivery of what was not acknowledged")
        assert keep.payloads() == [b"1", b"2"]


def test_an_acknowledgement_of_another_connection_is_dropped(mosquitto: StartMosquitto) -> None:
    settings = MqttSettings(port=mosquitto().port)
    keeper = Session(client_id="keeper", subscriptions=("t",), expiry=3600)
    with connected(settings, keeper) as keep, connected(settings, Session(client_id="p")) as say:
        say.client.publish("t", b"1")
        until(lambda: len(keep.messages) == 1, "a message")
        keep.client.drop()
        until(lambda: len(keep.messages) == 2, "the message again")
        old, new = keep.messages
        assert new.connection > old.connection
        assert not keep.client.ack(old)
        assert keep.client.ack(new)


def test_a_connection_held_down_stays_down_until_resumed(mosquitto: StartMosquitto) -> None:
    settings = MqttSettings(port=mosquitto().port)
    keeper = Session(client_id="keeper", subscriptions=("t",), expiry=3600)
    with connected(settings, keeper) as keep, connected(settings, Session(client_id="p")) as say:
        keep.client.drop(hold=True)
        until(lambda: len(keep.ends) == 1, "disconnected")
        say.client.publish("t", b"kept by the broker")
        until(lambda: len(say.published) == 1, "the broker has it")
        assert keep.client.connection == 1
        keep.client.resume()
        until(lambda: keep.payloads() == [b"kept by the broker"], "delivered after resuming")


def test_a_blocked_reader_holds_the_broker_back_and_loses_nothing(
    mosquitto: StartMosquitto,
) -> None:
    settings = MqttSettings(port=mosquitto(settings=["max_queued_messages 0"]).port)
    keeper = Session(client_id="keeper", subscriptions=("t",), expiry=3600, window=10)
    with connected(settings, keeper) as keep, connected(settings, Session(client_id="p")) as say:
        keep.gate.clear()
        for i in range(200):
            until(lambda i=i: say.client.publish("t", b"%d" % i) is not None, "room")  # type: ignore[misc]
        until(lambda: len(say.published) == 200, "all taken by the broker")
        assert keep.messages == []
        keep.gate.set()
        for i in range(200):
            until(lambda i=i: len(keep.messages) > i, "the next message")  # type: ignore[misc]
            assert keep.client.ack(keep.messages[i])
        assert keep.payloads() == [b"%d" % i for i in range(200)]


def test_a_dead_broker_is_found_again(mosquitto: StartMosquitto) -> None:
    broker = mosquitto()
    settings = MqttSettings(port=broker.port)
    with connected(settings, Session(client_id="a", subscriptions=("t",))) as party:
        broker.kill()
        until(lambda: not party.client.connected, "seen to be gone")
        assert party.client.publish("t", b"nobody there") is None
        broker.restart()
        until(lambda: party.client.connected, "connected again")
        party.client.publish("t", b"there")
        until(lambda: party.payloads() == [b"there"], "subscribed again")


def test_the_will_is_said_only_by_the_dead(mosquitto: StartMosquitto) -> None:
    settings = MqttSettings(port=mosquitto().port)
    will = Will(topic="state", payload=b"gone", retain=False)
    with connected(settings, Session(client_id="w", subscriptions=("state",))) as watch:
        with connected(settings, Session(client_id="polite", will=will)):
            pass
        with connected(settings, Session(client_id="cut", will=will)) as cut:
            cut.client.drop()
            until(lambda: watch.payloads() == [b"gone"], "exactly one will")


def test_a_wrong_password_is_told_and_tried_again_without_hurry(
    mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    broker = mosquitto(users={"gateway": "right"})
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    settings = MqttSettings(port=broker.port, username="gateway", password_file=secret)
    with connected(settings, Session(client_id="a"), wait=False) as party:
        until(lambda: len(party.ends) >= 2, "refused twice")
        assert "Not authorized" in party.ends[0]
        secret.unlink()
        until(lambda: "cannot read" in party.ends[-1], "the missing file is named")
        secret.write_text("right\n")
        until(lambda: party.client.connected, "connected once the file is right")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * 70_000])
def test_a_password_file_that_holds_none_is_named(tmp_path: Path, content: bytes) -> None:
    secret = tmp_path / "password"
    secret.write_bytes(content)
    with pytest.raises(SettingsError, match=r"mqtt\.password_file"):
        MqttSettings(username="gateway", password_file=secret).password()


def test_another_account_cannot_take_a_session_over(
    mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    broker = mosquitto(users={"ingest": "one", "gateway": "two"})
    settings = {}
    for name, password in (("ingest", "one"), ("gateway", "two")):
        (tmp_path / name).write_text(f"{password}\n")
        settings[name] = MqttSettings(
            port=broker.port, username=name, password_file=tmp_path / name
        )
    session = Session(client_id="khaen-ingest", subscriptions=("t",), expiry=3600)
    with connected(settings["ingest"], session) as owner:
        with connected(settings["gateway"], session) as thief:
            assert thief.client.publish("t", b"x") is not None
            until(lambda: len(owner.messages) == 1, "the owner has its message")
        assert not owner.ends
    with connected(settings["ingest"], session):  # it is the same session again
        pass
    ids = [settings[name].client_id("khaen-ingest") for name in ("ingest", "gateway", "ingest")]
    assert ids[0] == ids[2] != ids[1]
    assert all(each.startswith("khaen-ingest-") and "one" not in each for each in ids)
    assert MqttSettings().client_id("khaen-ingest") == "khaen-ingest"


def test_stopping_does_not_wait_for_a_broker_that_is_away(free_port: int) -> None:
    with connected(MqttSettings(port=free_port), Session(client_id="a"), wait=False) as party:
        until(lambda: len(party.ends) >= 1, "refused")
        assert "ConnectionRefusedError" in party.ends[0]
        began = monotonic()
        party.client.stop()
        assert monotonic() - began < 5


def test_a_stop_that_comes_before_the_connection_ends_it(
    mosquitto: StartMosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    client = Client(
        MqttSettings(port=mosquitto().port),
        Session(client_id="brief"),
        Handlers(message=lambda _: None, disconnected=lambda _: ended.set()),
    )
    connect = AheadClient.connect

    def stop_first(self: AheadClient, *arguments: Any, **more: Any) -> Any:
        stopping = threading.Thread(target=client.stop, args=(0.0,))
        stopping.start()
        stopping.join()
        return connect(self, *arguments, **more)

    monkeypatch.setattr(AheadClient, "connect", stop_first)
    client.start()
    assert ended.wait(30)
    client.stop()


async def test_a_broker_of_3_1_1_is_spoken_to_in_3_1_1(free_port: int, tmp_path: Path) -> None:
    from amqtt.broker import Broker

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{free_port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    await broker.start()
    try:
        session = Session(client_id="a", subscriptions=("t",))
        await asyncio.to_thread(_speak_to_old_broker, MqttSettings(port=free_port), session)
    finally:
        await broker.shutdown()


def _speak_to_old_broker(settings: MqttSettings, session: Session) -> None:
    with connected(settings, session) as party:
        assert party.client.version is Version.V311
        party.client.publish("t", b"old", expiry=2.0)
        until(lambda: party.payloads() == [b"old"], "a message")
        assert party.client.ack(party.messages[0])


def test_a_handler_that_fails_is_told_and_the_message_comes_again(
    mosquitto: StartMosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = MqttSettings(port=mosquitto().port)
    seen: list[bytes] = []
    ends: list[str] = []

    def take(message: Message) -> None:
        seen.append(message.payload)
        if len(seen) == 1:
            raise LookupError("what a person's message says")
        client.ack(message)

    def lose(reason: str) -> None:
        ends.append(reason)
        raise KeyError("of another handler")

    session = Session(client_id="keeper", subscriptions=("t",), expiry=3600)
    backoff = Backoff(base=0.02, cap=0.1, floor=0.01)
    client = Client(settings, session, Handlers(message=take, disconnected=lose), backoff=backoff)
    client.start()
    try:
        until(lambda: client.connected, "connected")
        with connected(settings, Session(client_id="p")) as say:
            say.client.publish("t", b"1")
            until(lambda: len(seen) == 2, "the message again")
            say.client.publish("t", b"2")
            until(lambda: len(seen) == 3, "the next one")
    finally:
        client.stop()
    assert seen == [b"1", b"1", b"2"]
    assert ends[0] == "failed: LookupError"
    said = capsys.readouterr()
    assert "person" not in said.out + said.err


def serve_once(listener: socket.socket, heard: list[bytes], *packets: bytes) -> None:
    """Be a broker for one connection: grant all, send `packets`, note what is said."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(10)
        heard.append(connection.recv(4096))
        connection.sendall(b"\x20\x03\x00\x00\x00")
        request = connection.recv(4096)
        connection.sendall(b"\x90\x04" + request[2:4] + b"\x00\x01" + b"".join(packets))
        while said := connection.recv(4096):
            heard.append(said)


def test_an_unreadable_topic_is_passed_over_and_the_next_message_heard() -> None:
    def publish(topic: bytes, mid: int) -> bytes:
        body = len(topic).to_bytes(2, "big") + topic + mid.to_bytes(2, "big") + b"\x00"
        return bytes((0x32, len(body))) + body

    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        packets = publish(b"t/\xff\xfe", 1), publish(b"t/x", 2)
        broker = threading.Thread(target=serve_once, args=(listener, heard, *packets))
        broker.start()
        settings = MqttSettings(port=listener.getsockname()[1], version=Version.V5)
        session = Session(client_id="a", subscriptions=("t/#",))
        with connected(settings, session, wait=False) as party:
            until(lambda: len(party.messages) == 1, "the message that can be read")
            until(lambda: b"\x40\x02\x00\x01" in b"".join(heard[1:]), "the other is acknowledged")
            assert party.messages[0].topic == "t/x"
            assert party.client.unreadable == 1
            assert party.client.connection == 1
        broker.join(10)
    maximum_packet_size = b"\x27" + (16 * 1024 * 1024).to_bytes(4, "big")
    assert maximum_packet_size in heard[0]


def test_a_message_longer_than_was_agreed_ends_the_connection_before_it_is_read() -> None:
    heard: list[bytes] = []
    head = b"\x32\xff\xff\xff\x7f\x00\x03t/x"  # 256 MB
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker = threading.Thread(target=serve_once, args=(listener, heard, head))
        broker.start()
        settings = MqttSettings(port=listener.getsockname()[1], version=Version.V5)
        session = Session(client_id="a", subscriptions=("t/#",))
        with connected(settings, session, wait=False) as party:
            until(lambda: len(party.ends) == 1, "the connection is over")
        broker.join(10)
    assert party.messages == []
