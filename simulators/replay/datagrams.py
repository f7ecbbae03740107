"""Records as datagrams of packet forwarders: PUSH_DATA with tokens and counters of their own.

A recorded datagram keeps what it says of the radio; a frame that came by a topic gets an rxpk that
says the same (Semtech packet_forwarder, PROTOCOL.TXT). Neither has a receiver's time: the agent
would take it for its own.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any, Final

from chirpstack_api import gw

from khaen import topics
from khaen.capture import Record, Road
from khaen.ids import GatewayEui
from khaen.topics import GatewayTopic
from khaen.uplink import Kind
from khaen.wire import data_rate
from simulators.forms.datagram import HEADER, PUSH_DATA, gateway_of
from simulators.forms.message import Message
from simulators.frames import rewrite
from simulators.replay.skip import BROKEN, Skip, is_join

_VERSION: Final = 2
_TIMES: Final = ("time", "tmms", "ftime")
_FRAMES: Final = frozenset({"event/up", "live", "backlog"})
_CODE_RATES: Final = {
    gw.CR_4_5: "4/5", gw.CR_4_6: "4/6", gw.CR_4_7: "4/7", gw.CR_4_8: "4/8",
}  # fmt: skip


class Datagrams:
    """Numbers what it makes."""

    def __init__(self) -> None:
        self._token = 0

    def make(self, record: Record) -> Iterator[tuple[GatewayEui, int, bytes]]:
        """The gateway, the token and the bytes of what is sent for a record. Raises Skip.

        Joins are left out: an agent takes them for new, and a network server would answer.
        """
        left = rewrite(record, lambda frame: None if is_join(frame.phy or b"") else frame)
        if left is None:
            raise Skip("join")
        gateway, entries = _entries(left)
        tmst = time.monotonic_ns() // 1000 & 0xFFFF_FFFF
        for entry in entries:
            for key in _TIMES:
                entry.pop(key, None)
            entry["tmst"] = tmst
        self._token = (self._token + 1) & 0xFFFF
        head = bytes((_VERSION, *self._token.to_bytes(2, "little"), PUSH_DATA))
        body = json.dumps({"rxpk": entries}, separators=(",", ":")).encode()
        yield gateway, self._token, head + bytes.fromhex(gateway) + body


def _entries(record: Record) -> tuple[GatewayEui, list[dict[str, Any]]]:
    try:
        if record.road is Road.UDP_UP:
            gateway = gateway_of(record.payload)
            if gateway is None or record.payload[3] != PUSH_DATA:
                raise Skip("no_frames")
            entries = json.loads(record.payload[HEADER:]).get("rxpk")
            found = [e for e in entries or () if isinstance(e, dict)]
        else:
            topic = topics.parse(record.topic)
            if not isinstance(topic, GatewayTopic) or topic.leaf not in _FRAMES:
                raise Skip("no_frames")
            gateway = topic.gateway
            found = [_rxpk(Message(gw.UplinkFrame(), record.payload).message)]
    except BROKEN as error:
        raise Skip("unreadable") from error
    if not found:
        raise Skip("no_frames")
    return gateway, found


def _rxpk(frame: Any) -> dict[str, Any]:
    rx, tx = frame.rx_info, frame.tx_info
    kind = rx.metadata.get("khaen_kind", Kind.LORAWAN)
    if kind != Kind.LORAWAN:
        raise Skip(kind)
    rate = data_rate(tx)
    fsk = rate is not None and rate.startswith("FSK")
    return {
        "chan": rx.channel,
        "rfch": rx.rf_chain,
        "freq": tx.frequency / 1e6,
        "stat": 1,
        "modu": "FSK" if fsk else "LORA",
        "datr": tx.modulation.fsk.datarate if fsk else rate,
        "codr": _CODE_RATES.get(tx.modulation.lora.code_rate, "4/5"),
        "rssi": rx.rssi,
        "lsnr": round(rx.snr, 2),
        "size": len(frame.phy_payload),
        "data": base64.b64encode(frame.phy_payload).decode(),
    }
