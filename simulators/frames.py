"""The frames inside a captured record, whatever its form, and the same record with others.

Datagrams of packet forwarders, envelopes on gateway topics and `up` events of a network server are
read; everything else (statistics, receipts, states) has no frames.
"""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError as ProtobufError

from khaen import topics
from khaen.capture import Record, Road
from khaen.errors import WireError
from khaen.ids import GatewayEui
from khaen.topics import ApplicationTopic, GatewayTopic
from simulators.forms.datagram import Datagram, gateway_of
from simulators.forms.envelope import Envelope
from simulators.forms.event import Event
from simulators.forms.frame import Form, Frame

__all__ = ["Frame", "frames", "gateway", "rewrite"]


def frames(record: Record) -> tuple[Frame, ...]:
    """The frames of a record, none where it has none or cannot be read. Never raises."""
    form = _open(record)
    return form.frames if form is not None else ()


def gateway(record: Record) -> GatewayEui | None:
    """The gateway of a record, frames or not, where its form names one. Never raises."""
    if record.road is Road.UDP_UP:
        return gateway_of(record.payload)
    topic = _topic(record)
    return topic.gateway if isinstance(topic, GatewayTopic) else None


def rewrite(record: Record, change: Callable[[Frame], Frame | None]) -> Record | None:
    """The record with each frame as `change` returns it, in the same form; None drops a frame.

    None when every frame was dropped; the record itself, byte for byte, when nothing changed or
    there is no frame in it. Gateway and device change the topic, too.
    """
    form = _open(record)
    if form is None or not form.frames:
        return record
    changed = tuple(change(frame) for frame in form.frames)
    if changed == form.frames:
        return record
    if all(frame is None for frame in changed):
        return None
    return form.write(changed)


def _open(record: Record) -> Form | None:
    try:
        if record.road is Road.UDP_UP:
            return Datagram(record)
        match _topic(record):
            case GatewayTopic() as topic:
                return Envelope(record, topic)
            case ApplicationTopic() as topic:
                return Event(record, topic)
    except (ValueError, RecursionError, ProtobufError, ParseError):
        pass
    return None


def _topic(record: Record) -> GatewayTopic | ApplicationTopic | None:
    if record.road is not Road.MQTT:
        return None
    try:
        return topics.parse(record.topic)
    except WireError:
        return None
