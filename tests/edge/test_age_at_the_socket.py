"""No frame on `event/up` was older than the limit when its last byte was handed to the socket.

The whole agent, by UDP and with a real broker, over a link that stops taking bytes for seconds.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge.host import Host
from edge.program import Program
from edge.settings import EdgeSettings, ForwardSettings, OutboxSettings, UdpSettings
from khaen import topics
from khaen.clock import SystemClock
from khaen.mqtt import MqttSettings, Version
from khaen.mqtt.ahead import AheadClient
from khaen.wire import parse
from tests.edge.agent import forwarding
from tests.edge.fixtures import GATEWAY
from tests.support.authority import Authority, listen_with_tls
from tests.support.broker import Mosquitto
from tests.support.ports import find_free_udp_port
from tests.support.slow_link import slow_link

pytestmark = pytest.mark.end_to_end
UP = topics.up("as923", GATEWAY).encode()
LIMIT_S = 0.6
STALL_S = 1.5
GRACE_S = 0.25
"""From the look at a packet's age to the system call, with both cores busy."""


@dataclass
class Recorder:
    """Every byte that a client's socket took, and when."""

    taken: dict[int, list[tuple[float, bytes]]] = field(default_factory=dict)

    def note(self, client: object, data: bytes) -> None:
        self.taken.setdefault(id(client), []).append((time.time(), data))

    def packets(self) -> Iterator[tuple[float, bytes]]:
        """Each whole packet, and when its last byte was taken."""
        for pieces in self.taken.values():
            waiting = bytearray()
            for at, data in pieces:
                waiting += data
                while (size := _measure(waiting)) is not None and len(waiting) >= size:
                    yield at, bytes(waiting[:size])
                    del waiting[:size]

    def ages(self) -> list[float]:
        """Seconds from hearing to the socket, of each frame on `event/up`."""
        ages = []
        for at, packet in self.packets():
            if packet[0] >> 4 == 3 and UP in packet:
                start = packet.index(UP) + len(UP) + 2
                frame = packet[start + 1 + packet[start] :]
                heard = parse(GATEWAY, frame)
                assert heard.at is not None
                ages.append(at - heard.at.timestamp())
        return ages


def _measure(data: bytes | bytearray) -> int | None:
    """The length of the packet that begins here (MQTT 5.0, section 1.5.5)."""
    length = 0
    for i, byte in enumerate(data[1:5]):
        length |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return 2 + i + length
    return None


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder, send = Recorder(), AheadClient._sock_send

    def note(self: AheadClient, data: Any) -> int:
        size = send(self, data)
        recorder.note(self, bytes(data[:size]))
        return size

    monkeypatch.setattr(AheadClient, "_sock_send", note)
    return recorder


def load(udp: int, over: threading.Event) -> None:
    """Some 300 frames a second."""
    with forwarding(udp) as radio:
        count = 0
        while not over.wait(0.01):
            radio.push(*(b"\x40frame %d %d" % (count, i) + bytes(200) for i in range(3)))
            count += 1


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_the_link_stops_for_seconds(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto], recorder: Recorder, tls: bool
) -> None:
    authority = Authority(tmp_path / "ca")
    lines = listen_with_tls(authority.issue("broker"), authority) if tls else []
    # Else it lets us have twenty messages on their way, which fit into the kernel.
    broker = await asyncio.to_thread(mosquitto, settings=[*lines, "max_inflight_messages 0"])
    udp = find_free_udp_port()
    with slow_link(broker.port) as link:
        settings = EdgeSettings(
            gateway_eui=GATEWAY,
            site="kk",
            trust_clock=True,
            metrics_port=0,
            udp=UdpSettings(port=udp),
            mqtt=MqttSettings(
                port=link.port, version=Version.V5, ca_file=authority.ca if tls else None
            ),
            outbox=OutboxSettings(path=tmp_path / "outbox.sqlite"),
            forward=ForwardSettings(live_s=LIMIT_S, live_join_s=LIMIT_S, window=512),
        )
        program = Program(settings, SystemClock(), Host())
        stop, over = asyncio.Event(), threading.Event()
        running = asyncio.create_task(program.run(stop))
        feeding = threading.Thread(target=load, args=(udp, over))
        feeding.start()
        try:
            for going, seconds in ((True, 0.7), (False, STALL_S), (True, 0.7)):
                (link.going.set if going else link.going.clear)()
                await asyncio.sleep(seconds)
        finally:
            over.set()
            feeding.join()
            stop.set()
            await running
    ages = recorder.ages()
    assert len(ages) > 100
    assert max(ages) <= LIMIT_S + GRACE_S
    withdrawn = program.counts.refused.labels(reason="grew_old")._value.get()
    assert withdrawn or link.accepted > 1, "the link stood still for long enough to make some old"
