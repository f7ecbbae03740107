"""Events of ChirpStack v4 about devices, JSON or protobuf; fields that are not known are ignored.

An `up` event becomes an uplink with the receptions that it names; every other event is kept as it
is. Payloads come decrypted; one that is still encrypted cannot be attributed. An event that a
gateway carried comes from a network server on it: both have one clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from chirpstack_api import gw, integration
from google.protobuf import json_format
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message as Protobuf
from google.protobuf.timestamp_pb2 import Timestamp

from ingest.dating import Dated
from ingest.item import Said
from khaen.clock import Rung, to_micros
from khaen.errors import WireError
from khaen.ids import (
    DevEui,
    GatewayEui,
    parse_dev_addr,
    parse_dev_eui,
    parse_epoch,
    parse_gateway_eui,
)
from khaen.topics import ApplicationTopic
from khaen.uplink import Number, Origin, Reception, Way
from khaen.wire import MAX_SEQ, data_rate
from store.hearing import NOWHERE
from store.quarantine import DeviceEvent

UP = "up"
_AHEAD = timedelta(seconds=5)
_OFF = timedelta(seconds=30)
_OTHERS: dict[str, type[Protobuf]] = {
    "join": integration.JoinEvent,
    "status": integration.StatusEvent,
    "ack": integration.AckEvent,
    "txack": integration.TxAckEvent,
    "log": integration.LogEvent,
    "location": integration.LocationEvent,
}
_JSON = b"{"
_MAX_BYTE = 0xFF
"""The port is one byte, and so is the length of a LoRa packet."""


_TRUE: Final = frozenset({Rung.GPS, Rung.SYNCED})


@dataclass(frozen=True, slots=True)
class _When:
    at: datetime
    clock: Rung
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Arrival:
    """When an event came; `trusted` says that its network server knew the time."""

    when: _When
    trusted: bool = True

    @property
    def latest(self) -> datetime:
        """No event is later than this, but for what clocks may differ by."""
        return (self.when.until or self.when.at) + _AHEAD


def read(
    topic: ApplicationTopic,
    name: str,
    payload: bytes,
    arrived: datetime,
    *,
    carried: Dated | None = None,
) -> Said | DeviceEvent:
    """What an event says; `name` is the whole topic, `carried` when a gateway heard it.

    Raises WireError: `not_json`, `not_protobuf`, `unknown_event`, `device_mismatch`, `bad_event`,
    `encrypted`.
    """
    arrival = _Arrival(_When(arrived, Rung.ARRIVAL))
    if carried is not None:
        when = _When(carried.at, carried.clock, carried.until)
        arrival = _Arrival(when, trusted=carried.clock in _TRUE)
    if topic.event == UP:
        event = _parse(integration.UplinkEvent(), payload)
        _check(topic, event.device_info.dev_eui)
        return _up(topic.dev_eui, event, name, payload, arrival)
    kind = _OTHERS.get(topic.event)
    if kind is None:
        raise WireError("unknown_event", topic.event[:40])
    other: Any = _parse(kind(), payload)
    _check(topic, other.device_info.dev_eui)
    return DeviceEvent(
        gateway="",
        dev_eui=topic.dev_eui,
        kind=topic.event,
        content=payload,
        digest=sha256(payload).digest(),
        received_at=to_micros((arrival.trusted and _time(other.time)) or arrival.when.at),
    )


def _parse(event: Any, payload: bytes) -> Any:
    if payload[:1] != _JSON:
        try:
            event.ParseFromString(payload)
        except ProtobufError as error:
            raise WireError("not_protobuf", str(error)[:200]) from error
        return event
    try:
        document = json.loads(payload)
        # The network server's own decoding: any JSON at all, and not ours to read.
        document.pop("object", None)
        return json_format.ParseDict(document, event, ignore_unknown_fields=True)
    except (ValueError, RecursionError, json_format.ParseError) as error:
        raise WireError("not_json", type(error).__name__) from error


def _check(topic: ApplicationTopic, dev_eui: str) -> None:
    try:
        same = parse_dev_eui(dev_eui) == topic.dev_eui
    except ValueError as error:
        raise WireError("device_mismatch", "no device EUI") from error
    if not same:
        raise WireError("device_mismatch", f"topic of {topic.dev_eui}")


def _up(
    dev_eui: DevEui,
    event: integration.UplinkEvent,
    topic: str,
    payload: bytes,
    arrival: _Arrival,
) -> Said:
    if event.HasField("join_server_context"):
        raise WireError("encrypted", "the network server does not have the key")
    try:
        dev_addr = parse_dev_addr(event.dev_addr)
    except ValueError as error:
        raise WireError("bad_event", "no DevAddr") from error
    if event.f_port > _MAX_BYTE or len(event.data) > _MAX_BYTE:
        raise WireError("bad_event", "a port or a payload that no LoRaWAN frame has")
    receptions = [_reception(rx, event, arrival) for rx in event.rx_info]
    if not receptions:
        receptions = [_nowhere(event, arrival)]
    receptions.sort(
        key=lambda reception: (list(Rung).index(reception.clock), reception.received_at)
    )
    return Said(
        dev_eui=dev_eui,
        dev_addr=dev_addr,
        f_cnt=event.f_cnt,
        f_port=event.f_port,
        payload=event.data,
        phy_payload=None,
        confirmed=event.confirmed,
        origin=_origin(event),
        receptions=tuple(receptions),
        topic=topic,
        envelope=payload,
    )


def _reception(rx: gw.UplinkRxInfo, event: integration.UplinkEvent, arrival: _Arrival) -> Reception:
    try:
        gateway = parse_gateway_eui(rx.gateway_id)
    except ValueError as error:
        raise WireError("bad_event", "no gateway EUI") from error
    when = _when(rx, event, arrival)
    return Reception(
        gateway_eui=gateway,
        way=Way.NETWORK_SERVER,
        received_at=when.at,
        received_until=when.until,
        clock=when.clock,
        number=_number(rx),
        context=rx.context,
        rssi=rx.rssi,
        snr=round(rx.snr, 2),
        frequency=event.tx_info.frequency or None,
        dr=data_rate(event.tx_info),
    )


def _nowhere(event: integration.UplinkEvent, arrival: _Arrival) -> Reception:
    """The reception of an event that names no gateway."""
    at = _network_time(event.time, arrival)
    when = arrival.when if at is None else _When(at, Rung.NETWORK)
    return Reception(
        gateway_eui=GatewayEui(NOWHERE),
        way=Way.NETWORK_SERVER,
        received_at=when.at,
        received_until=when.until,
        clock=when.clock,
    )


def _when(rx: gw.UplinkRxInfo, event: integration.UplinkEvent, arrival: _Arrival) -> _When:
    """The gateway's time where the network's agrees to 30 s, else the network's."""
    network = _network_time(rx.ns_time, arrival) or _network_time(event.time, arrival)
    own = _time(rx.gw_time) if rx.HasField("gw_time") else None
    gps = rx.HasField("time_since_gps_epoch")
    likely = own is not None and (arrival.trusted or gps) and own <= arrival.latest
    if own is not None and likely and abs(own - (network or arrival.when.at)) <= _OFF:
        return _When(own, Rung.GPS if gps else Rung.SYNCED)
    return arrival.when if network is None else _When(network, Rung.NETWORK)


def _network_time(stamp: Timestamp, arrival: _Arrival) -> datetime | None:
    """A time of the network server, if it can be one."""
    at = _time(stamp) if arrival.trusted else None
    return at if at is not None and at <= arrival.latest else None


def _number(rx: gw.UplinkRxInfo) -> Number | None:
    """The gateway's own number, which travels through the network server as metadata."""
    epoch, seq = rx.metadata.get("khaen_epoch"), rx.metadata.get("khaen_seq")
    if epoch is None or seq is None:
        return None
    try:
        number = Number(epoch=parse_epoch(epoch), seq=int(seq, 10))
    except ValueError:
        return None
    return number if 1 <= number.seq <= MAX_SEQ else None


def _origin(event: integration.UplinkEvent) -> Origin:
    for rx in event.rx_info:
        said = rx.metadata.get("khaen_origin")
        if said in {Origin.SIMULATED, Origin.REPLAY, Origin.DRILL}:
            return Origin(said)
    return Origin.RADIO


def _time(stamp: Timestamp) -> datetime | None:
    if not stamp.seconds:
        return None
    try:
        found: datetime = stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return found
