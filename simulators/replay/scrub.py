"""What could name somebody beside EUIs and addresses, taken out of a record.

Whatever is not known to be harmless goes: names, tags, places, texts, the network server's own
decoding. Numbers of the radio stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from chirpstack_api import gw, integration
from google.protobuf import json_format

from khaen import topics
from khaen.capture import Record, Road
from khaen.clock import Rung, format_time, parse_time
from khaen.ids import parse_epoch, parse_gateway_eui
from khaen.topics import ApplicationTopic
from khaen.uplink import Kind, Origin
from khaen.wire import MAX_SEQ, VERSION
from simulators.forms.envelope import TMST_BYTES
from simulators.forms.frame import is_json
from simulators.forms.message import Message
from simulators.replay import rxpk
from simulators.replay.identities import Identities
from simulators.replay.skip import Skip

REGION: Final = "as923"
"""The prefix of gateway topics; a site's own may be called after a place."""
_KHAEN: Final = "khaen"
_RX: Final = (
    "gateway_id", "uplink_id", "gw_time", "ns_time", "time_since_gps_epoch",
    "fine_time_since_gps_epoch", "rssi", "snr", "channel", "rf_chain", "board", "antenna",
    "context", "crc_status",
)  # fmt: skip
_EVENT: Final = (
    "time", "dev_addr", "adr", "dr", "f_cnt", "f_port", "confirmed", "data", "tx_info",
)  # fmt: skip


def _time(text: str) -> str:
    return format_time(parse_time(text))


_METADATA: Final[Mapping[str, Callable[[str], str]]] = {
    "khaen_v": lambda _text: str(VERSION),
    "khaen_kind": lambda text: Kind(text).value,
    "khaen_at": _time,
    "khaen_until": _time,
    "khaen_clock": lambda text: Rung(text).value,
    "khaen_origin": lambda text: Origin(text).value,
}
"""What is known to name nobody (docs/wire.md), with how it is read; ValueError for anything else.
Numbers are kept, in another epoch; a device or a topic has no place on a LoRaWAN frame.
"""


def scrub(record: Record, identities: Identities) -> Record:
    """The record without anything that could name somebody; its frames are others' already."""
    if record.road is Road.UDP_UP:
        return replace(record, payload=rxpk.scrub(record.payload))
    topic = topics.parse(record.topic)
    if not isinstance(topic, ApplicationTopic):
        message = Message(gw.UplinkFrame(), record.payload).message
        if message.rx_info.metadata.get("khaen_kind", Kind.LORAWAN) != Kind.LORAWAN:
            raise Skip("no_frames")
        clean = gw.UplinkFrame(phy_payload=message.phy_payload)
        _copy(message, clean, ("tx_info",))
        _copy_reception(message.rx_info, clean.rx_info, identities)
        prefix = _KHAEN if topic.prefix == _KHAEN else REGION
        name = f"{prefix}/gateway/{topic.gateway}/{topic.leaf}"
        return replace(record, topic=name, payload=_encode(clean, record.payload))
    message = Message(integration.UplinkEvent(), record.payload, free="object").message
    application = identities.application(topic.application)
    name = f"application/{application}/device/{topic.dev_eui}/event/{topic.event}"
    clean = _event(message, topic, identities)
    clean.device_info.application_id = application
    return replace(record, topic=name, payload=_encode(clean, record.payload))


def _event(message: Any, topic: ApplicationTopic, identities: Identities) -> Any:
    clean = integration.UplinkEvent()
    _copy(message, clean, _EVENT)
    clean.device_info.dev_eui = topic.dev_eui
    clean.device_info.device_name = topic.dev_eui
    for rx in message.rx_info:
        if _is_eui(rx.gateway_id):
            _copy_reception(rx, clean.rx_info.add(), identities)
    return clean


def _copy_reception(rx: Any, clean: Any, identities: Identities) -> None:
    _copy(rx, clean, _RX)
    if len(rx.context) != TMST_BYTES:
        clean.ClearField("context")
    for key, read in _METADATA.items():
        with suppress(ValueError):
            if key in rx.metadata:
                clean.metadata[key] = read(rx.metadata[key])
    with suppress(ValueError):
        epoch, seq = rx.metadata.get("khaen_epoch", ""), int(rx.metadata.get("khaen_seq", ""), 10)
        if 0 < seq <= MAX_SEQ:
            clean.metadata["khaen_epoch"] = identities.epoch(parse_epoch(epoch))
            clean.metadata["khaen_seq"] = str(seq)


def _is_eui(text: str) -> bool:
    try:
        parse_gateway_eui(text)
    except ValueError:
        return False
    return True


def _copy(source: Any, target: Any, fields: tuple[str, ...]) -> None:
    for field, value in source.ListFields():
        if field.name in fields:
            if field.message_type is not None:
                getattr(target, field.name).CopyFrom(value)
            else:
                setattr(target, field.name, value)


def _encode(message: Any, before: bytes) -> bytes:
    message.DiscardUnknownFields()
    modulation = message.tx_info.modulation
    for name in ("lora", "lr_fhss"):
        if modulation.HasField(name):
            getattr(modulation, name).ClearField("code_rate_legacy")  # any text at all
    if is_json(before):
        return json_format.MessageToJson(message, indent=None).encode()
    return bytes(message.SerializeToString(deterministic=True))
