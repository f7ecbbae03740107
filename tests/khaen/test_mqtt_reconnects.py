"""Brokers that take a connection and do not keep it: nothing grows, and nobody hurries."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from khaen.backoff import Backoff
from khaen.mqtt import Answer, Client, Handlers, MqttSettings, Session, Version
from khaen.mqtt import client as clients
from tests.khaen.test_mqtt import Party, connected, until
from tests.support.broker import Mosquitto

StartMosquitto = Callable[..., Mosquitto]
CONNACK = b"\x20\x03\x00\x00\x00"
CONNACK_OF_FOUR = b"\x20\x06\x00\x00\x03\x21\x00\x04"
"""With Receive Maximum 4 (MQTT 5.0, section 3.2.2.3.3)."""


class Patience(Backoff):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__(base=0.001, cap=0.002, floor=0.0)
        self.asked = self.forgotten = 0

    def next(self) -> float:
        self.asked += 1
        return super().next()

    def reset(self) -> None:
        self.forgotten += 1
        super().reset()


@contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A broker that talks so to each who comes, one after the other, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(10)
                try:
                    talk(peer)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


def hang_up(_peer: socket.socket) -> None:
    """Say nothing."""


def grant_and_hang_up(peer: socket.socket) -> None:
    peer.recv(4096)
    peer.sendall(CONNACK)


@pytest.mark.parametrize("talk", [hang_up, grant_and_hang_up])
@pytest.mark.parametrize("subscriptions", [(), ("a", "b")], ids=["says only", "subscribes"])
def test_nothing_grows_and_patience_is_kept(
    talk: Callable[[socket.socket], None], subscriptions: tuple[str, ...]
) -> None:
    ends: list[str] = []
    patience = Patience()
    with serving(talk) as port:
        client = Client(
            MqttSettings(port=port, version=Version.V5),
            Session(client_id="a", subscriptions=subscriptions),
            Handlers(disconnected=ends.append),
            backoff=patience,
        )
        process = psutil.Process()
        client.start()
        try:
            until(lambda: len(ends) >= 10, "ten connections")
            descriptors, threads = process.num_fds(), process.num_threads()
            until(lambda: len(ends) >= 150, "many more")
            assert process.num_fds() <= descriptors + 4, "a connection's own, at most"
            assert process.num_threads() <= threads + 1
        finally:
            client.stop()
    assert patience.asked >= 149
    assert patience.forgotten == 0, "an instant is no success"


def test_a_connection_that_lasted_is_a_success(
    mosquitto: StartMosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "_STABLE_SECONDS", 0.0)
    patience = Patience()
    session, settings = Session(client_id="a"), MqttSettings(port=mosquitto().port)
    client = Client(settings, session, Handlers(), backoff=patience)
    client.start()
    try:
        until(lambda: client.connected, "connected")
        client.drop()
        until(lambda: client.connection == 2, "a second one")
        assert patience.forgotten == 1
    finally:
        client.stop()


def test_a_refused_subscription_ends_the_connection_and_is_told() -> None:
    def refuse(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(CONNACK)
        request = peer.recv(4096)
        peer.sendall(b"\x90\x05" + request[2:4] + b"\x00\x01\x87")  # the second: not authorized
        peer.recv(4096)

    with serving(refuse) as port:
        settings = MqttSettings(port=port, version=Version.V5)
        session = Session(client_id="a", subscriptions=("mine", "another's"))
        with connected(settings, session, wait=False) as party:
            until(lambda: len(party.ends) >= 2, "tried again")
            assert party.ends[0] == "subscription refused: another's: Not authorized"
            assert not party.client.connected


def test_a_subscription_that_is_not_answered_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clients, "_ANSWER_SECONDS", 0.2)

    def ignore(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(CONNACK)
        while peer.recv(4096):
            pass

    with serving(ignore) as port:
        settings = MqttSettings(port=port, version=Version.V5)
        with connected(settings, Session(client_id="a", subscriptions=("t",)), wait=False) as party:
            until(lambda: len(party.ends) >= 1, "given up")
            assert party.ends[0] == "the broker did not answer SUBSCRIBE"


def test_no_more_is_on_its_way_than_the_broker_allows() -> None:
    def allow_four(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(CONNACK_OF_FOUR)
        while peer.recv(4096):
            pass

    with serving(allow_four) as port:
        settings = MqttSettings(port=port, version=Version.V5)
        with connected(settings, Session(client_id="a", window=64)) as party:
            handed = [party.client.publish("t", b"x") is not None for _ in range(6)]
            assert handed == [True] * 4 + [False] * 2


def answers(party: Party) -> list[Answer]:
    return [answer for _, _, answer in party.published]


def test_a_broker_of_5_says_whether_anybody_listens(mosquitto: StartMosquitto) -> None:
    settings = MqttSettings(port=mosquitto().port, version=Version.V5)
    with connected(settings, Session(client_id="p")) as say:
        say.client.publish("t", b"1")
        until(lambda: answers(say) == [Answer.UNHEARD], "nobody")
        with connected(settings, Session(client_id="l", subscriptions=("t",))):
            say.client.publish("t", b"2")
            until(lambda: answers(say) == [Answer.UNHEARD, Answer.TAKEN], "somebody")


def test_what_the_account_may_not_say_is_refused(mosquitto: StartMosquitto) -> None:
    settings = ["acl_file /dev/null"]
    broker = mosquitto(settings=settings)
    five = MqttSettings(port=broker.port, version=Version.V5)
    with connected(five, Session(client_id="p")) as say:
        say.client.publish("t", b"1")
        until(lambda: answers(say) == [Answer.REFUSED], "refused")
