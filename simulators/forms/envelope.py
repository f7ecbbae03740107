"""`gw.UplinkFrame`, protobuf or JSON, on a gateway's topics (docs/wire.md); one frame each.

Heartbeats, declarations and a network server's events in an envelope are frames without `phy`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chirpstack_api import gw

from khaen.capture import Record
from khaen.clock import format_time
from khaen.ids import DevEui, GatewayEui, parse_epoch
from khaen.topics import GatewayTopic
from khaen.uplink import Kind, Number, Origin
from simulators.forms.frame import Frame, said_by, time_of
from simulators.forms.message import Message, shift_gateway, timestamp

TMST_BYTES = 4
"""A packet forwarder's `tmst` is the context of a hearing, most significant byte first."""
_ORIGINS = frozenset(Origin)
_LEAVES = frozenset({"event/up", "live", "backlog"})


class Envelope:
    """An envelope taken apart. Raises ValueError, RecursionError or protobuf's errors."""

    def __init__(self, record: Record, topic: GatewayTopic) -> None:
        if topic.leaf not in _LEAVES:
            raise ValueError("no frame on this topic")
        self._record, self._topic = record, topic
        self._content = Message(gw.UplinkFrame(), record.payload)
        self._frame = _frame(topic.gateway, self._content.message)
        self.frames = (self._frame,)

    def write(self, changed: tuple[Frame | None, ...]) -> Record:
        """The envelope, on the topic of its gateway."""
        before, after = self._frame, changed[0] or self._frame
        message = self._content.message
        if after.phy != before.phy and after.phy is not None:
            message.phy_payload = after.phy
        if after.dev_eui != before.dev_eui and "khaen_device" in message.rx_info.metadata:
            message.rx_info.metadata["khaen_device"] = after.dev_eui or ""
        write_reception(message.rx_info, before, after)
        topic = self._record.topic
        if after.gateway_eui != before.gateway_eui:
            topic = f"{self._topic.prefix}/gateway/{after.gateway_eui}/{self._topic.leaf}"
        return replace(self._record, topic=topic, payload=self._content.payload())


def _frame(gateway: GatewayEui, message: Any) -> Frame:
    metadata = message.rx_info.metadata
    kind = metadata.get("khaen_kind", Kind.LORAWAN)
    phy = bytes(message.phy_payload) if kind in {Kind.LORAWAN, Kind.P2P} else None
    found = reception(message.rx_info, Frame(gateway_eui=gateway))
    if phy is None or kind == Kind.P2P:
        device = metadata.get("khaen_device")
        return replace(found, phy=phy, dev_eui=DevEui(device) if device else None)
    return replace(found, phy=phy, **said_by(phy))


def reception(rx: Any, frame: Frame) -> Frame:
    """The frame with what `gw.UplinkRxInfo` says of its hearing."""
    origin = rx.metadata.get("khaen_origin")
    return replace(
        frame,
        at=time_of(rx.metadata.get("khaen_at")) or timestamp(rx, "gw_time"),
        tmst=int.from_bytes(rx.context, "big") if len(rx.context) == TMST_BYTES else None,
        number=_number(rx.metadata),
        origin=Origin(origin) if origin in _ORIGINS else None,
        rssi=rx.rssi,
        snr=rx.snr,
    )


def _number(metadata: Any) -> Number | None:
    epoch, seq = metadata.get("khaen_epoch", ""), metadata.get("khaen_seq", "")
    try:
        return Number(epoch=parse_epoch(epoch), seq=int(seq, 10))
    except ValueError:
        return None


def write_reception(rx: Any, before: Frame, after: Frame) -> None:
    """Write into `gw.UplinkRxInfo` what changed of a hearing."""
    if after.gateway_eui != before.gateway_eui and after.gateway_eui is not None:
        rx.gateway_id = after.gateway_eui
    if after.tmst != before.tmst and after.tmst is not None:
        rx.context = after.tmst.to_bytes(TMST_BYTES, "big")
    if after.number != before.number and after.number is not None:
        rx.metadata["khaen_epoch"] = after.number.epoch
        rx.metadata["khaen_seq"] = str(after.number.seq)
    if after.origin != before.origin and after.origin is not None:
        rx.metadata["khaen_origin"] = after.origin.value
    if after.rssi != before.rssi and after.rssi is not None:
        rx.rssi = after.rssi
    if after.snr != before.snr and after.snr is not None:
        rx.snr = after.snr
    if before.at is not None and after.at is not None and after.at != before.at:
        _shift(rx, after.at - before.at)


def _shift(rx: Any, by: timedelta) -> None:
    shift_gateway(rx, by)
    for key in ("khaen_at", "khaen_until"):
        at = time_of(rx.metadata.get(key))
        with suppress(OverflowError):
            if at is not None:
                rx.metadata[key] = format_time(at + by)
