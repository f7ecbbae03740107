"""Somebody on the roof's network sends whatever comes to mind to the agent's UDP port.

Whoever can reach the port can also speak as the packet forwarder: the protocol knows no passwords.
What is asked here is that he costs nobody else anything, and how far a forged PULL_DATA reaches.
"""

import base64
import json
import os
import random
import re
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chirpstack_api import gw

from khaen import topics
from khaen.ids import GatewayEui
from tests.support import chirpstack
from tests.support.forwarder import VERSION
from tests.support.programs import Threaded
from tests.support.site import REGION, RunningSite, make_bands

pytestmark = pytest.mark.end_to_end

PUSH_DATA, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = 0, 2, 3, 4, 5
LARGEST = 65_507
"""Bytes of the longest UDP datagram over IPv4."""
PER_SECOND = 1_000
FRAMES = 60
GROWTH_MIB = 12.0
"""The outbox's and the broker's queues of so many frames are far below."""
SAID_EVERY_S = 10.0
"""A reason is logged once in this time."""


class Stranger:
    """Sends datagrams of every bad kind, the same for the same seed."""

    def __init__(self, eui: GatewayEui, port: int, seed: str) -> None:
        self._rng = random.Random(seed)
        self._eui = bytes.fromhex(eui)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._kinds = (
            self._noise,
            self._broken_json,
            self._deep_json,
            self._long,
            self._other_gateway,
            self._wrong_rxpk,
            self._tx_ack,
        )
        self.sent = 0

    def step(self) -> None:
        """Send one, and wait a little."""
        self._socket.send(self._rng.choice(self._kinds)())
        self.sent += 1
        time.sleep(1 / PER_SECOND)

    def pull(self) -> None:
        """Say that the gateway's packet forwarder is here."""
        self._socket.send(self._head(PULL_DATA))

    def receive(self, kind: int, timeout_s: float) -> bool:
        """Whether a datagram of a kind comes in time."""
        return receive(self._socket, kind, timeout_s)

    def close(self) -> None:
        """Go away."""
        self._socket.close()

    def _head(self, kind: int, eui: bytes | None = None) -> bytes:
        return bytes((VERSION, *self._rng.randbytes(2), kind)) + (eui or self._eui)

    def _noise(self) -> bytes:
        return self._rng.randbytes(self._rng.choice((1, 3, 4, 11, 12, 40, 1400)))

    def _broken_json(self) -> bytes:
        body = b'{"rxpk":[{"tmst":1,"freq":923.2,"data":"' + self._rng.randbytes(40)
        return self._head(PUSH_DATA) + body[: self._rng.randrange(len(body))]

    def _deep_json(self) -> bytes:
        opening = self._rng.choice((b"[", b'{"a":', b'{"rxpk":['))
        return self._head(PUSH_DATA) + opening * (60_000 // len(opening))

    def _long(self) -> bytes:
        head = self._head(PUSH_DATA) + b'{"rxpk":[{"data":"'
        return head + b"A" * (LARGEST - len(head))

    def _other_gateway(self) -> bytes:
        return self._head(PUSH_DATA, self._rng.randbytes(8)) + b'{"rxpk":[]}'

    def _wrong_rxpk(self) -> bytes:
        entry: dict[str, object] = {
            "tmst": self._rng.choice((-1, 1 << 40, "now", None, 1e308)),
            "freq": self._rng.choice((0, -5, 1e300, "923.2", [])),
            "rssi": self._rng.choice((1 << 70, "strong", None)),
            "datr": self._rng.choice(("SF99BW1", 5, None, "", "SF9BW125" * 50)),
            "stat": self._rng.choice((1, -1, 7, "1", {})),
            "data": base64.b64encode(self._rng.randbytes(12)).decode()[self._rng.randrange(3) :],
        }
        return self._head(PUSH_DATA) + json.dumps({"rxpk": [entry, 5, None]}).encode()

    def _tx_ack(self) -> bytes:
        return self._head(TX_ACK) + self._rng.choice((b"", b"{", b'{"txpk_ack":{"error":[]}}'))


def receive(connected: socket.socket, kind: int, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        connected.settimeout(left)
        try:
            answer = connected.recv(65_535)
        except TimeoutError:
            return False
        if len(answer) >= 4 and answer[3] == kind:
            return True
    return False


@contextmanager
def stranger(site: RunningSite) -> Iterator[Stranger]:
    (gateway,) = site.gateways
    seed = os.environ.get("KHAEN_SEED") or secrets.token_hex(4)
    print(f"KHAEN_SEED={seed}")
    address = site.agents[gateway].announced()["udp"]
    made = Stranger(gateway, int(address.rpartition(":")[2]), seed)
    try:
        yield made
    finally:
        made.close()


def resident_mib(pid: int) -> float:
    """What a process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def test_a_flood_of_rubbish_costs_no_frame(tmp_path: Path) -> None:
    (band,) = bands = make_bands(1)
    with (
        RunningSite(folder=tmp_path, bands=bands).start(people=False) as site,
        stranger(site) as enemy,
    ):
        (gateway,) = site.gateways
        agent, forwarder = site.agents[gateway], site.forwarders[gateway]
        forwarder.hear(band.telemetry())
        site.await_whole()
        before = resident_mib(agent.pid)
        flood = Threaded("flood", enemy.step)
        began = time.monotonic()
        try:
            for _ in range(FRAMES):
                forwarder.push(band.telemetry())
                time.sleep(0.05)
            call = band.sos()
            while not forwarder.is_acked(forwarder.push(call), 1.0):
                pass
        finally:
            flood.stop()
        lasted = time.monotonic() - began
        site.await_counter(band, FRAMES + 1)
        site.await_whole()

        acked = set(forwarder.acked)
        assert len(acked) >= 0.9 * FRAMES, "the kernel's buffer was not full for long"
        stored = Counter(row[0] for row in site.rows("SELECT phy_payload FROM uplink"))
        assert stored == Counter(acked), "what was acknowledged, and nothing of the stranger's"
        assert site.rows("SELECT rule, presses FROM alarm") == [("sos", 1)]
        assert site.gauge(gateway, "refused_total") > 0.8 * enemy.sent
        assert resident_mib(agent.pid) - before < GROWTH_MIB
        said = Counter(re.findall(r"event=datagram_refused reason=(\S+)", agent.since_start()))
        assert len(said) >= 5
        assert max(said.values()) <= lasted / SAID_EVERY_S + 1, said
        assert "Traceback" not in agent.since_start()


def command(gateway: GatewayEui) -> bytes:
    """A downlink that goes at once, as a network server sends it."""
    tx = gw.DownlinkTxInfo(
        frequency=923_200_000,
        power=16,
        timing=gw.Timing(immediately=gw.ImmediatelyTimingInfo()),
    )
    tx.modulation.lora.bandwidth = 125_000
    tx.modulation.lora.spreading_factor = 9
    tx.modulation.lora.code_rate = gw.CR_4_5
    item = gw.DownlinkFrameItem(phy_payload=bytes(12), tx_info=tx)
    frame = gw.DownlinkFrame(downlink_id=7, gateway_id=gateway, items=[item])
    return bytes(frame.SerializeToString())


def test_who_pulled_last_is_given_the_next_downlink(tmp_path: Path) -> None:
    """Semtech's protocol knows no better. A forged PULL_DATA takes downlinks away until the packet
    forwarder's own, some seconds later; uplinks are acknowledged to whoever sent them.
    """
    (band,) = bands = make_bands(1)
    with (
        RunningSite(folder=tmp_path, bands=bands).start(people=False) as site,
        stranger(site) as own,
        stranger(site) as enemy,
    ):
        (gateway,) = site.gateways
        where = topics.down(REGION, gateway)
        own.pull()
        assert own.receive(PULL_ACK, 5)
        enemy.pull()
        assert enemy.receive(PULL_ACK, 5)
        chirpstack.publish(site.broker.port, where, command(gateway))
        assert enemy.receive(PULL_RESP, 5)
        assert not own.receive(PULL_RESP, 0.2)

        own.pull()
        assert own.receive(PULL_ACK, 5)
        chirpstack.publish(site.broker.port, where, command(gateway))
        assert own.receive(PULL_RESP, 5)
        assert not enemy.receive(PULL_RESP, 0.2)
        site.forwarders[gateway].hear(band.telemetry())
        site.await_whole()
