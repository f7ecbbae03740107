"""Items of downlinks become what the gateway bridge makes of them, to the field."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from edge.semtech import txpk
from edge.semtech.rxpk import RxpkError
from edge.semtech.txpk import TxpkError
from simulators.gateways.semtech import parse_txpk

VECTORS = json.loads(Path(__file__).with_name("downlinks.json").read_text())
GOOD: dict[str, Any] = VECTORS[0]["item"]
LORA: dict[str, Any] = GOOD["txInfo"]["modulation"]["lora"]


def parse(item: dict[str, Any]) -> gw.DownlinkFrameItem:
    return json_format.ParseDict(item, gw.DownlinkFrameItem())


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_mapping_equals_the_gateway_bridge(vector: dict[str, Any]) -> None:
    assert txpk.render(parse(vector["item"])) == vector["txpk"]


@pytest.mark.parametrize(
    "change",
    [
        {"timing": {}},
        {"timing": {"delay": {"delay": "-1s"}}},
        {"timing": {"delay": {"delay": "20.000001s"}}},
        {"timing": {"gpsEpoch": {"timeSinceGpsEpoch": "-1s"}}},
        {"context": "AA9C"},
        {"context": ""},
        {"power": 128},
        {"modulation": {}},
        {"modulation": {"lrFhss": {}}},
        {"modulation": {"lora": LORA | {"codeRate": "CR_UNDEFINED"}}},
        {"modulation": {"lora": LORA | {"preamble": 65_536}}},
    ],
)
def test_what_cannot_be_transmitted_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TxpkError):
        txpk.render(parse(GOOD | {"txInfo": GOOD["txInfo"] | change}))


@pytest.mark.parametrize("size", [0, 256])
def test_a_payload_of_no_frame_is_refused(size: int) -> None:
    item = parse(GOOD)
    item.phy_payload = bytes(size)
    with pytest.raises(TxpkError):
        txpk.render(item)


@given(st.binary(max_size=200))
def test_any_bytes_are_rendered_or_refused(data: bytes) -> None:
    try:
        item = gw.DownlinkFrameItem.FromString(data)
        rendered = txpk.render(item)
    except (DecodeError, TxpkError):
        return
    assert base64.b64decode(rendered["data"]) == item.phy_payload
    assert json.loads(json.dumps(rendered)) == rendered


@given(
    st.binary(min_size=1, max_size=255),
    st.integers(0, 2**32 - 1),
    st.integers(0, 20_000_000),
)
def test_a_packet_forwarder_reads_what_was_meant(phy: bytes, counter: int, micros: int) -> None:
    item = parse(GOOD)
    item.phy_payload = phy
    item.tx_info.context = counter.to_bytes(4, "big")
    item.tx_info.timing.delay.delay.FromMicroseconds(micros)
    read = parse_txpk({"txpk": txpk.render(item)})
    assert (read.phy, read.frequency, read.power) == (phy, 868_100_000, 14)
    assert read.tmst == (counter + micros) % 2**32
    assert read.data_rate.name == "SF12BW125"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        # sx1302_hal, PROTOCOL.md, sections 5.5 and 6
        (b"", gw.OK),
        (b'{"txpk_ack":{"error":"COLLISION_PACKET"}}', gw.COLLISION_PACKET),
        (b'{"txpk_ack":{"warn":"TX_POWER","value":20}}', gw.OK),
        (b'{"txpk_ack":{"error":"TOO_LATE"}}', gw.TOO_LATE),
        (b'{"txpk_ack":{"error":"TX_FREQ"}}', gw.TX_FREQ),
        # packet_forwarder 4.0.1, lora_pkt_fwd.c
        (b'{"txpk_ack":{"error":"NONE"}}', gw.OK),
        (b'{"txpk_ack":{"error":"TX_POWER"}}', gw.TX_POWER),
        (b"{}", gw.OK),
        (b"\0", gw.OK),
        (b'{"txpk_ack":{"error":"IT_RAINS"}}', gw.INTERNAL_ERROR),
        (b'{"txpk_ack":{"error":"OK"}}', gw.INTERNAL_ERROR),
        (b'{"txpk_ack":{"error":"IGNORED"}}', gw.INTERNAL_ERROR),
    ],
)
def test_what_the_forwarder_says(body: bytes, status: int) -> None:
    assert txpk.parse_ack(body) == status


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff\xff", b'{"txpk_ack":[]}', b'{"txpk_ack":{"error":5}}']
)
def test_what_is_no_acknowledgement(body: bytes) -> None:
    with pytest.raises(RxpkError):
        txpk.parse_ack(body)
