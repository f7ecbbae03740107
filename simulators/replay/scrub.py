"""What could name somebody beside EUIs and addresses, taken out of a record.

Whatever is not known to be harmless goes: names, tags, places, texts, the network server's own
decoding. Numbers of the radio stay.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from chirpstack_api import gw, integration
from google.protobuf import json_format

from khaen import topics
from khaen.capture import Record, Road
from khaen.topics import ApplicationTopic
from simulators.forms.frame import is_json
from simulators.forms.message import Message
from simulators.replay.identities import Identities

_HEADER: Final = 12
_RXPK: Final = frozenset(
    {"tmst", "tmms", "ftime", "time", "chan", "rfch", "brd", "freq", "stat", "modu", "datr", "codr",
     "rssi", "lsnr", "size", "data", "mid", "foff", "rssis", "hpw"}
)  # fmt: skip
"""Fields of an rxpk (PROTOCOL.TXT) that are about the radio."""
_RX: Final = (
    "gateway_id", "uplink_id", "gw_time", "ns_time", "time_since_gps_epoch",
    "fine_time_since_gps_epoch", "rssi", "snr", "channel", "rf_chain", "board", "antenna",
    "context", "crc_status",
)  # fmt: skip
_EVENT: Final = (
    "time", "dev_addr", "adr", "dr", "f_cnt", "f_port", "confirmed", "data", "tx_info",
)  # fmt: skip
_OURS: Final = "khaen_"


def scrub(record: Record, identities: Identities) -> Record:
    """The record without anything that could name somebody; its frames are others' already."""
    if record.road is Road.UDP_UP:
        return replace(record, payload=_datagram(record.payload))
    topic = topics.parse(record.topic)
    if not isinstance(topic, ApplicationTopic):
        message = Message(gw.UplinkFrame(), record.payload).message
        clean = gw.UplinkFrame(phy_payload=message.phy_payload)
        clean.tx_info.CopyFrom(message.tx_info)
        _copy_reception(message.rx_info, clean.rx_info)
        return replace(record, payload=_encode(clean, record.payload))
    message = Message(integration.UplinkEvent(), record.payload, free="object").message
    application = identities.application(topic.application)
    name = f"application/{application}/device/{topic.dev_eui}/event/{topic.event}"
    return replace(record, topic=name, payload=_event(message, topic, application, record.payload))


def _event(message: Any, topic: ApplicationTopic, application: str, before: bytes) -> bytes:
    clean = integration.UplinkEvent()
    _copy(message, clean, _EVENT)
    clean.device_info.application_id = application
    clean.device_info.dev_eui = topic.dev_eui
    clean.device_info.device_name = topic.dev_eui
    for rx in message.rx_info:
        _copy_reception(rx, clean.rx_info.add())
    return _encode(clean, before)


def _copy_reception(rx: Any, clean: Any) -> None:
    _copy(rx, clean, _RX)
    for key, value in rx.metadata.items():
        if key.startswith(_OURS):
            clean.metadata[key] = value


def _copy(source: Any, target: Any, fields: tuple[str, ...]) -> None:
    for field, value in source.ListFields():
        if field.name in fields:
            if field.message_type is not None:
                getattr(target, field.name).CopyFrom(value)
            else:
                setattr(target, field.name, value)


def _encode(message: Any, before: bytes) -> bytes:
    if is_json(before):
        return json_format.MessageToJson(message, indent=None).encode()
    return bytes(message.SerializeToString(deterministic=True))


def _datagram(datagram: bytes) -> bytes:
    document = json.loads(datagram[_HEADER:])
    entries = [
        {key: value for key, value in entry.items() if key in _RXPK}
        for entry in document["rxpk"]
        if isinstance(entry, dict)
    ]
    body = json.dumps({"rxpk": entries}, separators=(",", ":"))
    return datagram[:_HEADER] + body.encode()
