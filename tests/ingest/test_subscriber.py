"""Two sessions and a bounded queue, before a real broker."""

import threading
import time
from collections.abc import Callable

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.subscriber import Subscriber, acknowledge
from khaen import topics
from khaen.clock import Clock, ManualClock, SystemClock
from khaen.mqtt import MqttSettings
from khaen.settings import IngestSettings
from khaen.uplink import Way
from tests.support.broker import Mosquitto
from tests.support.traffic import GATEWAYS, START


def until(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def publish(broker: Mosquitto, topic: str, payloads: list[bytes]) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect(broker.host, broker.port)
    client.loop_start()
    for payload in payloads:
        client.publish(topic, payload, 1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()
    del client


def make(
    broker: Mosquitto, *, queue: int = 4, hold_s: float = 0.3, clock: Clock | None = None
) -> Subscriber:
    settings = IngestSettings(queue=queue, hold_s=hold_s, window=64)
    return Subscriber(MqttSettings(port=broker.port), settings, clock or SystemClock())


@pytest.fixture
def broker(mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return mosquitto()


def test_what_is_not_taken_is_held_and_comes_back(broker: Mosquitto) -> None:
    """The queue fills, the connection closes on purpose, and after `resume` all is there."""
    subscriber = make(broker)
    subscriber.start()
    try:
        until(lambda: subscriber.connected, "not connected")
        payloads = [b"%d" % i for i in range(20)]
        publish(broker, topics.backlog(GATEWAYS[0]), payloads)
        until(lambda: not subscriber.connected, "the connection was not closed")
        assert subscriber.waiting == 4
        time.sleep(0.3)
        assert not subscriber.connected, "it came back although nobody took anything"
        taken: list[bytes] = []
        acknowledged: list[bytes] = []
        deadline = time.monotonic() + 15
        while len(acknowledged) < 20 and time.monotonic() < deadline:
            arrival = subscriber.take(0.1)
            if arrival is None:
                subscriber.resume()
                continue
            taken.append(arrival.message.payload)
            if acknowledge(arrival):
                acknowledged.append(arrival.message.payload)
        assert sorted(acknowledged, key=int) == payloads
        assert len(taken) == 24, "what came by the closed connection comes again"
    finally:
        subscriber.stop()


def test_live_goes_before_the_backlog_yet_does_not_starve_it(broker: Mosquitto) -> None:
    subscriber = make(broker, queue=100)
    subscriber.start()
    try:
        until(lambda: subscriber.connected, "not connected")
        publish(broker, topics.backlog(GATEWAYS[0]), [b"late"] * 5)
        publish(broker, topics.live(GATEWAYS[0]), [b"live"] * 20)
        until(lambda: subscriber.waiting == 25, "not all came")
        ways = [arrival.way for _ in range(25) if (arrival := subscriber.take(0.0)) is not None]
        assert ways[:8] == [Way.LIVE] * 8
        assert ways[8] is Way.BACKLOG
        assert ways.count(Way.BACKLOG) == 5
        assert subscriber.take(0.0) is None
    finally:
        subscriber.stop()


def test_what_waited_at_the_broker_is_known_to_have_waited(broker: Mosquitto) -> None:
    """It comes before the subscription is granted, and with the first of the connection."""
    clock = ManualClock(START)
    subscriber = make(broker, clock=clock)
    subscriber.start()
    try:
        until(lambda: subscriber.connected, "not connected")
        clock.advance(6)
        publish(broker, topics.live(GATEWAYS[0]), [b"one", b"two"])
        found = [subscriber.take(5.0) for _ in range(2)]
        assert [each.settled for each in found if each] == [True, True]
        subscriber.clients()[0].drop()
        again = [subscriber.take(10.0) for _ in range(2)]
        assert [each.settled for each in again if each] == [False, False]
    finally:
        subscriber.stop()
    anew = make(broker, clock=clock)
    anew.start()
    try:
        found = [anew.take(10.0) for _ in range(2)]
        assert [each.settled for each in found if each] == [False, False]
    finally:
        anew.stop()


def test_an_acknowledgement_of_an_earlier_connection_is_dropped(broker: Mosquitto) -> None:
    subscriber = make(broker)
    subscriber.start()
    try:
        until(lambda: subscriber.connected, "not connected")
        publish(broker, topics.live(GATEWAYS[0]), [b"once"])
        first = subscriber.take(5.0)
        assert first is not None
        subscriber.clients()[0].drop()
        again = subscriber.take(10.0)
        assert again is not None
        assert again.message.payload == b"once"
        assert not acknowledge(first)
        assert acknowledge(again)
    finally:
        subscriber.stop()


def test_stopping_frees_a_reader_that_waits(broker: Mosquitto) -> None:
    subscriber = make(broker, hold_s=20)
    subscriber.start()
    until(lambda: subscriber.connected, "not connected")
    publish(broker, topics.live(GATEWAYS[0]), [b"x"] * 10)
    until(lambda: subscriber.waiting == 4, "nothing came")
    stopping = threading.Thread(target=subscriber.stop)
    started = time.monotonic()
    stopping.start()
    stopping.join(10)
    assert time.monotonic() - started < 2.0
