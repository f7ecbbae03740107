"""A backlog on a link that carries little: what is live stays live."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from khaen import topics
from khaen.mqtt import Message
from khaen.wire import parse
from tests.edge.agent import forwarding, listening, running, write_config
from tests.edge.fixtures import GATEWAY
from tests.khaen.test_mqtt import until
from tests.support.broker import Mosquitto
from tests.support.slow_link import slow_link

pytestmark = pytest.mark.end_to_end
UP, BACKLOG = topics.up("as923", GATEWAY), topics.backlog(GATEWAY)
BYTES_PER_S = 4_000.0
"""32 kbit/s: some ten frames a second."""
EARLY, LIVE = 200, 8
NOTHING_FIRST = b'{"v":1,"prefixes":[],"dev_addrs":["01020304"],"f_ports":[]}'


def payloads(topic: str, messages: Sequence[Message]) -> set[bytes]:
    return {parse(GATEWAY, m.payload).payload for m in messages if m.topic == topic}


def have(topic: str, wanted: set[bytes], messages: Sequence[Message]) -> bool:
    return wanted <= payloads(topic, messages)


def count_late(messages: Sequence[Message]) -> int:
    return sum(m.topic == BACKLOG for m in messages)


def test_live_frames_pass_a_backlog_on_a_slow_link(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto(settings=["max_inflight_messages 0"])  # else it spares the link itself
    with (
        slow_link(broker.port) as link,
        listening(broker.port, UP, BACKLOG) as listener,
        running(write_config(tmp_path, link.port)) as agent,
        forwarding(agent.udp) as radio,
    ):
        until(lambda: "mqtt_connected" in "\n".join(agent.lines), "connected")
        listener.client.publish(topics.PRIORITY, NOTHING_FIRST, retain=True)
        radio.push(b"\x40before")
        listener.wait_for(partial(have, UP, {b"\x40before"}))
        broker.stop()
        for i in range(EARLY):
            radio.push(b"\x40early %d" % i)
            radio.collect(5.0)
        time.sleep(2.1)  # until all of it is late
        link.rate = BYTES_PER_S
        broker.start()
        listener.wait_for(lambda messages: count_late(messages) >= 50, timeout_s=30)
        before = count_late(listener.messages)
        for i in range(LIVE):
            radio.push(b"\x40live %d" % i)
            time.sleep(0.5)
        wanted = {b"\x40live %d" % i for i in range(LIVE)}
        listener.wait_for(partial(have, UP, wanted))
        assert count_late(listener.messages) > before, "the backlog goes on meanwhile"
        assert not wanted & payloads(BACKLOG, listener.messages)
