"""The publisher against a real mosquitto."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from khaen.backoff import Backoff
from khaen.errors import NotRunnable
from khaen.mqtt import Client, Handlers, Message, MqttSettings, Session
from simulators.application.form import Event
from simulators.application.publisher import Publisher
from tests.support.broker import Mosquitto
from tests.support.uplinks import AT

PATIENCE_S = 20.0


class Listener:
    """Keeps what a broker has, by a session that outlives a restart of it."""

    def __init__(self, port: int) -> None:
        self.payloads: list[bytes] = []
        self.ready = threading.Event()
        self._more = threading.Condition()
        self._client = Client(
            MqttSettings(port=port),
            Session(client_id="listener", subscriptions=("t/#",), expiry=3600),
            Handlers(message=self._take, connected=self.ready.set),
            backoff=Backoff(cap=0.1),
        )
        self._client.start()

    def _take(self, message: Message) -> None:
        with self._more:
            self.payloads.append(message.payload)
            self._more.notify_all()
        self._client.ack(message)

    def wait_for(self, payload: bytes) -> None:
        with self._more:
            assert self._more.wait_for(lambda: payload in self.payloads, PATIENCE_S)

    def close(self) -> None:
        self._client.stop()


@pytest.fixture
def listen() -> Iterator[Callable[[int], Listener]]:
    listeners: list[Listener] = []

    def start(port: int) -> Listener:
        listeners.append(Listener(port))
        assert listeners[-1].ready.wait(PATIENCE_S)
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


def event(number: int, size: int = 0) -> Event:
    return Event(AT, "t/x", b"%d" % number + bytes(size))


async def test_everything_arrives_once_and_in_order(
    mosquitto: Callable[..., Mosquitto], listen: Callable[[int], Listener]
) -> None:
    broker = mosquitto(settings=["max_queued_messages 0"])
    listener = await asyncio.to_thread(listen, broker.port)
    async with Publisher(MqttSettings(port=broker.port), client_id="p", window=50) as publisher:
        most = 0
        for number in range(2000):
            await publisher.publish(event(number))
            most = max(most, publisher.in_flight)
        await publisher.drain()
        assert (publisher.published, publisher.in_flight, most) == (2000, 0, 50)
    await asyncio.to_thread(listener.wait_for, b"1999")
    assert listener.payloads == [b"%d" % number for number in range(2000)]


async def test_a_broker_that_comes_back_gets_what_it_had_not_acknowledged(
    mosquitto: Callable[..., Mosquitto], listen: Callable[[int], Listener]
) -> None:
    broker = mosquitto(persistence=True, settings=["max_queued_messages 0"])
    listener = await asyncio.to_thread(listen, broker.port)
    async with Publisher(MqttSettings(port=broker.port), client_id="p", window=50) as publisher:
        for number in range(300):
            if number == 150:
                await asyncio.to_thread(broker.restart)
            await publisher.publish(event(number))
        async with asyncio.timeout(PATIENCE_S):
            await publisher.drain()
    await asyncio.to_thread(listener.wait_for, b"299")
    assert set(listener.payloads) == {b"%d" % number for number in range(300)}


async def test_a_wrong_password_is_one_line_with_its_remedy(
    mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    broker = mosquitto(users={"network-server": "right"})
    secret = tmp_path / "password"
    secret.write_text("wrong")
    settings = MqttSettings(port=broker.port, username="network-server", password_file=secret)
    with pytest.raises(NotRunnable, match=r"refuses us: .*password.*--user") as caught:
        async with Publisher(settings, client_id="p"):
            raise AssertionError("let in")
    assert "\n" not in str(caught.value)
    assert "wrong is" not in str(caught.value).replace("password is wrong", "")
    secret.write_text("right")
    async with Publisher(settings, client_id="p") as publisher:
        await publisher.publish(event(1))
        await publisher.drain()
        assert publisher.published == 1


async def test_where_no_broker_is_that_is_said(free_port: int) -> None:
    with pytest.raises(NotRunnable, match=rf"127.0.0.1:{free_port}: .*--mqtt"):
        async with Publisher(MqttSettings(port=free_port), client_id="p"):
            raise AssertionError("let in")


async def test_what_speaks_no_mqtt_is_no_broker() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotRunnable, match="--mqtt"):
            async with Publisher(MqttSettings(port=port), client_id="p"):
                raise AssertionError("let in")
