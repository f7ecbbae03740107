"""The agent in the gateway bridge's place: both are given the same datagrams and commands, and what
they publish is the same message (`make conformance SRC=<chirpstack-gateway-bridge>`).
"""

import base64
import json
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw
from google.protobuf import json_format
from google.protobuf.message import Message as Protobuf

from edge.sources.semtech_udp import PULL_ACK, PULL_DATA, PULL_RESP, PUSH_ACK, PUSH_DATA, TX_ACK
from khaen.mqtt import Message
from tests.edge.agent import Listener, listening, running, write_config
from tests.edge.bridge import PREFIX, bridging, find_bridge
from tests.edge.fixtures import GATEWAY
from tests.support.broker import Mosquitto

pytestmark = pytest.mark.conformance
REGION = "as923"
RANDOM = int(os.environ.get("KHAEN_ROUNDS", "400"))
VECTORS = json.loads(Path(__file__).with_name("semtech.json").read_text())
CODE_RATES = (
    "4/5",
    "4/6",
    "4/7",
    "4/8",
    "3/8",
    "1/3",
    "2/6",
    "1/4",
    "1/6",
    "5/6",
    "4/5LI",
    "4/8LI",
)
FRAME: dict[str, Any] = {
    "tmst": 1,
    "freq": 923.2,
    "stat": 1,
    "modu": "LORA",
    "datr": "SF7BW125",
    "codr": "4/5",
    "rssi": -60,
    "lsnr": 5.5,
    "data": "QAECAwQAAQABqgAAAAA=",
}
ON_PURPOSE: tuple[tuple[str, dict[str, Any], int, int], ...] = (
    ("the bridge takes padded base64 only, not Semtech's own sample", {"data": "QAECAwQ"}, 0, 1),
    ("URL-safe base64", {"data": "QAECAwQAAQABqv__"}, 0, 1),
    ("an RSSI that is no whole number", {"rssi": -60.5}, 0, 1),
    ("a LoRa frame without code rate", {"codr": ""}, 0, 1),
    ("an odd time", {"time": "yesterday"}, 0, 1),
    ("a channel that cannot be", {"chan": 300}, 0, 1),
    ("a frame without any bytes is none", {"data": ""}, 1, 0),
)
"""What only one of the two publishes (bridge, agent): a frame with a good CRC is kept by us, also
where a field beside it is odd; the bridge drops the whole datagram."""
TYPES: dict[str, type[Protobuf]] = {
    "up": gw.UplinkFrame,
    "stats": gw.GatewayStats,
    "ack": gw.DownlinkTxAck,
    "conn": gw.ConnState,
}


@dataclass(frozen=True)
class Pair:
    """Bridge and agent, side by side."""

    sockets: tuple[socket.socket, socket.socket]
    listener: Listener
    encoding: str

    def send(self, kind: int, body: bytes, token: int = 0) -> None:
        """A datagram to both, and their acknowledgements."""
        head = self.throw(kind, body, token)
        acknowledged = head[:3] + bytes((PUSH_ACK if kind == PUSH_DATA else PULL_ACK,))
        assert [sock.recv(64) for sock in self.sockets] == [acknowledged] * 2

    def throw(self, kind: int, body: bytes, token: int = 0) -> bytes:
        """A datagram to both, whatever they make of it; its first bytes."""
        head = bytes((2, *token.to_bytes(2, "little"), kind))
        for sock in self.sockets:
            sock.send(head + bytes.fromhex(GATEWAY) + body)
        return head

    def push(self, body: object, token: int = 0) -> None:
        self.send(PUSH_DATA, json.dumps(body).encode(), token)

    def said(self, leaf: str) -> tuple[list[Protobuf], list[Protobuf]]:
        """What bridge and agent have published, without what only Khaen writes."""
        time.sleep(1.0)  # the bridge publishes out of order, and says no end
        found: tuple[list[Protobuf], list[Protobuf]] = [], []
        for message in list(self.listener.messages):
            prefix, _, _, _, last = message.topic.split("/")
            if last == leaf:
                found[prefix == REGION].append(self._read(leaf, message))
        return found

    def _read(self, leaf: str, message: Message) -> Protobuf:
        assert message.payload.startswith(b"{") == (self.encoding == "json")
        read = TYPES[leaf]()
        if self.encoding == "json":
            json_format.Parse(message.payload, read)
        else:
            read.ParseFromString(message.payload)
        if isinstance(read, gw.UplinkFrame):
            for key in [key for key in read.rx_info.metadata if key.startswith("khaen_")]:
                del read.rx_info.metadata[key]
        return read


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return find_bridge(tmp_path_factory.mktemp("bridge"))


@pytest.fixture(params=["protobuf", "json"])
def pair(
    request: pytest.FixtureRequest,
    program: Path,
    tmp_path: Path,
    mosquitto: Callable[..., Mosquitto],
) -> Iterator[Pair]:
    port = mosquitto().port
    config = write_config(tmp_path, port, encoding=request.param)
    filters = [f"{p}/gateway/+/{k}/+" for p in (PREFIX, REGION) for k in ("event", "state")]
    with (
        bridging(program, tmp_path, port, request.param) as theirs,
        running(config) as ours,
        listening(port, *filters) as listener,
        connected(theirs) as first,
        connected(ours.udp) as second,
    ):
        made = Pair((first, second), listener, request.param)
        made.send(PULL_DATA, b"")
        listener.wait_for(lambda messages: count_states(messages) >= 2)
        yield made


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(5)
        yield sock


def count_states(messages: Sequence[Message]) -> int:
    return sum(
        message.topic.endswith(f"{GATEWAY}/state/conn") and bool(message.payload)
        for message in messages
    )


def as_bag(messages: Sequence[Protobuf]) -> Counter[str]:
    return Counter(json_format.MessageToJson(message, sort_keys=True) for message in messages)


def test_uplinks_and_statistics(pair: Pair) -> None:
    for vector in VECTORS:
        if "unpadded" not in vector["name"]:
            pair.push(vector["body"], int.from_bytes(bytes.fromhex(vector["token"]), "little"))
    rng = random.Random(4)
    for token in range(RANDOM):
        pair.push(make_push(rng), token)
    theirs, ours = pair.said("up")
    assert len(theirs) > RANDOM / 2
    assert as_bag(ours) == as_bag(theirs)
    theirs, ours = pair.said("stats")
    assert len(theirs) > RANDOM / 10
    assert as_bag(map_sorted(ours)) == as_bag(map_sorted(theirs))


def test_the_state_is_the_same(pair: Pair) -> None:
    theirs, ours = pair.said("conn")
    mine = [state for state in theirs if getattr(state, "gateway_id", "") == GATEWAY]
    assert as_bag(mine[-1:]) == as_bag(ours[-1:])


@pytest.mark.parametrize("error", ["", "NONE", "TOO_LATE", "TX_FREQ"])
def test_a_downlink_of_two_windows(pair: Pair, error: str) -> None:
    """The same `txpk` goes down, and the same acknowledgement comes up."""
    pair.push({"rxpk": [FRAME | {"tmst": 5_000_000}]})
    command = make_downlink()
    for prefix in (PREFIX, REGION):
        body = (
            json_format.MessageToJson(command, indent=None).encode()
            if pair.encoding == "json"
            else command.SerializeToString()
        )
        pair.listener.client.publish(f"{prefix}/gateway/{GATEWAY}/command/down", body)
    first = answer(pair, error)
    assert first[0] == first[1]
    if error not in ("", "NONE"):
        second = answer(pair, "")
        assert second[0] == second[1]
        assert second[0]["tmst"] == first[0]["tmst"] + 1_000_000
    theirs, ours = pair.said("ack")
    assert len(theirs) == 1
    assert as_bag(ours) == as_bag(theirs)


def test_differences_are_on_purpose(pair: Pair) -> None:
    for reason, change, bridge, agent in ON_PURPOSE:
        pair.listener.messages.clear()
        pair.throw(PUSH_DATA, json.dumps({"rxpk": [FRAME | change]}).encode())
        theirs, ours = pair.said("up")
        assert (reason, len(theirs), len(ours)) == (reason, bridge, agent)


def answer(pair: Pair, error: str) -> list[dict[str, Any]]:
    """Take a PULL_RESP of each, answer it, and return what was to be sent."""
    packets = []
    for sock in pair.sockets:
        datagram = sock.recv(4096)
        assert (datagram[0], datagram[3]) == (2, PULL_RESP)
        packets.append(json.loads(datagram[4:])["txpk"])
        body = json.dumps({"txpk_ack": {"error": error}}).encode() if error else b""
        sock.send(bytes((2, *datagram[1:3], TX_ACK)) + bytes.fromhex(GATEWAY) + body)
    return packets


def make_downlink() -> gw.DownlinkFrame:
    lora = gw.LoraModulationInfo(
        bandwidth=125_000,
        spreading_factor=7,
        code_rate=gw.CR_4_5,
        polarization_inversion=True,
    )
    frame = gw.DownlinkFrame(downlink_id=77, gateway_id=GATEWAY)
    for delay in (5, 6):
        item = frame.items.add(phy_payload=bytes(17))
        item.tx_info.frequency, item.tx_info.power = 923_200_000, 16
        item.tx_info.modulation.lora.CopyFrom(lora)
        item.tx_info.timing.delay.delay.FromSeconds(delay)
        item.tx_info.context = (5_000_000).to_bytes(4, "big")
    return frame


def map_sorted(messages: Sequence[Protobuf]) -> list[Protobuf]:
    """Statistics whose lists have no order of their own."""
    for message in messages:
        assert isinstance(message, gw.GatewayStats)
        for counts in (message.rx_packets_per_modulation, message.tx_packets_per_modulation):
            counts.sort(key=lambda count: count.SerializeToString(deterministic=True))
    return list(messages)


# -- what packet forwarders may write -----------------------------------------------------------


def make_push(rng: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if rng.random() < 0.9:
        body["rxpk"] = [make_rxpk(rng) for _ in range(rng.randint(1, 4))]
    if rng.random() < 0.3:
        body["stat"] = make_stat(rng)
    return body


def make_rxpk(rng: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {
        "tmst": rng.getrandbits(32),
        "freq": rng.choice((923.2, 868.1, round(rng.uniform(400, 960), 6))),
        "chan": rng.randrange(64),
        "rfch": rng.randrange(2),
        "brd": rng.randrange(4),
        "stat": rng.choice((1, 1, 1, 1, -1, 0)),
        "rssi": rng.randint(-140, 10),
        "lsnr": make_snr(rng),
        "size": 20,
        "data": base64.b64encode(rng.randbytes(rng.randint(1, 200))).decode(),
        "codr": rng.choice(CODE_RATES),
    }
    made |= rng.choice(
        (
            {"modu": "LORA", "datr": f"SF{rng.randint(5, 12)}BW{rng.choice((125, 250, 500))}"},
            {"modu": "FSK", "datr": 50_000},
            {
                "modu": "LR-FHSS",
                "datr": f"M0CW{rng.choice((137, 336))}",
                "hpw": rng.choice((8, 52)),
            },
        )
    )
    if rng.random() < 0.5:
        made["tmms"] = rng.randint(0, 2**41)
        if rng.random() < 0.5:
            made["ftime"] = rng.randrange(1_000_000_000)
    if rng.random() < 0.5:
        made["time"] = f"20{rng.randint(10, 40)}-07-23T01:02:03.{rng.randrange(1_000_000):06}Z"
    if rng.random() < 0.3:
        made["rsig"] = [
            {
                "ant": antenna,
                "chan": rng.randrange(64),
                "rssic": rng.randint(-140, 10),
                "lsnr": make_snr(rng),
            }
            for antenna in range(rng.randint(1, 3))
        ]
    if rng.random() < 0.2:
        made["meta"] = {"place": "roof", "network": str(rng.randrange(9))}
    return made


def make_snr(rng: random.Random) -> float:
    """Never minus zero: Go writes it as JSON's `-0`, which Python reads as a whole number."""
    return round(rng.uniform(-20, 15), 1) + 0.0


def make_stat(rng: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {
        "time": f"2026-07-{rng.randint(10, 28)} 01:02:{rng.randint(10, 59)} GMT",
        **{key: rng.randrange(10_000) for key in ("rxnb", "rxok", "rxfw", "dwnb", "txnb")},
        "ackr": 100.0,
    }
    if rng.random() < 0.5:
        made |= {"lati": rng.uniform(-90, 90), "long": rng.uniform(-180, 180), "alti": 157}
    if rng.random() < 0.3:
        made["meta"] = {"model": "R1"}
    return made
