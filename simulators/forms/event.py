"""A network server's `up` event (`integration.UplinkEvent`, JSON or protobuf) about one device.

Each entry of its `rx_info` is a frame, and one without gateway where it has none. What belongs to
the device (EUI, address, counter, port, payload, the event's own time) is taken from the first
frame that is kept.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from chirpstack_api import integration

from khaen.capture import Record
from khaen.ids import DevAddr, GatewayEui, parse_dev_addr, parse_gateway_eui
from khaen.topics import ApplicationTopic
from simulators.forms.envelope import reception, write_reception
from simulators.forms.frame import Frame
from simulators.forms.message import Message, timestamp

_UP = "up"


class Event:
    """An `up` event taken apart. Raises ValueError, RecursionError or protobuf's errors."""

    def __init__(self, record: Record, topic: ApplicationTopic) -> None:
        if topic.event != _UP:
            raise ValueError("no frame in this event")
        self._record, self._topic = record, topic
        # `object` is the network server's own decoding: any JSON at all.
        self._content = Message(integration.UplinkEvent(), record.payload, free="object")
        event = self._content.message
        said = Frame(
            dev_eui=topic.dev_eui,
            dev_addr=_dev_addr(event.dev_addr),
            f_cnt=event.f_cnt,
            f_port=event.f_port,
            payload=bytes(event.data),
            network_at=timestamp(event, "time"),
        )
        heard = tuple(_heard(rx, said) for rx in event.rx_info)
        self.frames = heard or (said,)

    def write(self, changed: tuple[Frame | None, ...]) -> Record:
        """The event, on the topic of its device."""
        event = self._content.message
        pairs = list(zip(self.frames, changed, strict=True))
        for rx, (before, after) in zip(event.rx_info, pairs, strict=False):
            if after is not None:
                write_reception(rx, before, after)
                _write_time(rx, "ns_time", before.network_at, after.network_at)
        self._content.drop(
            "rx_info", {index for index, (_, after) in enumerate(pairs) if after is None}
        )
        first = next((before, after) for before, after in pairs if after is not None)
        topic = self._write_device(event, *first)
        return replace(self._record, topic=topic, payload=self._content.payload())

    def _write_device(self, event: Any, before: Frame, after: Frame) -> str:
        """Write what belongs to the device; the topic of the device that it is then."""
        topic = self._record.topic
        if after.dev_eui != before.dev_eui and after.dev_eui is not None:
            event.device_info.dev_eui = after.dev_eui
            topic = f"application/{self._topic.application}/device/{after.dev_eui}/event/{_UP}"
        if after.dev_addr != before.dev_addr and after.dev_addr is not None:
            event.dev_addr = after.dev_addr
        if after.payload is not None:
            event.data = after.payload
        event.f_cnt = after.f_cnt if after.f_cnt is not None else event.f_cnt
        event.f_port = after.f_port if after.f_port is not None else event.f_port
        if before.network_at is not None and after.network_at is not None:
            at = timestamp(event, "time")
            with suppress(OverflowError):
                if at is not None:
                    _write_time(event, "time", at, at + (after.network_at - before.network_at))
        return topic


def _heard(rx: Any, said: Frame) -> Frame:
    found = reception(rx, replace(said, gateway_eui=_gateway(rx.gateway_id)))
    return replace(found, network_at=timestamp(rx, "ns_time") or said.network_at)


def _write_time(holder: Any, field: str, before: datetime | None, after: datetime | None) -> None:
    if before != after and after is not None and holder.HasField(field):
        getattr(holder, field).FromDatetime(after)


def _gateway(text: str) -> GatewayEui | None:
    try:
        return parse_gateway_eui(text)
    except ValueError:
        return None


def _dev_addr(text: str) -> DevAddr | None:
    try:
        return parse_dev_addr(text)
    except ValueError:
        return None
