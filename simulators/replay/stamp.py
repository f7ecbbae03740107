"""Recorded traffic as messages that say of themselves that they are a replay.

Gateway frames get numbers and the origin `replay`; a network server's events get the origin in the
metadata of a reception. What was late, and what is not sent as new, takes the backlog, whose dates
ingest keeps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chirpstack_api import gw, integration

from edge.semtech import rxpk
from edge.semtech.rxpk import RxpkError
from khaen import topics
from khaen.capture import Record, Road
from khaen.clock import Rung, parse_time
from khaen.ids import GatewayEui, parse_epoch
from khaen.topics import ApplicationTopic, GatewayTopic
from khaen.uplink import Kind, Number, Origin
from khaen.wire import Stamp
from khaen.wire import stamp as seal
from simulators.forms.datagram import HEADER, PUSH_DATA, gateway_of
from simulators.forms.message import Message, shift_gateway, timestamp
from simulators.replay.numbers import Numbers
from simulators.replay.skip import BROKEN, Skip, is_join
from store.hearing import NOWHERE

Moved = Callable[[datetime], datetime]
"""A recorded time as the replay has it."""
LIVE: Final = timedelta(seconds=2)
"""docs/wire.md: what is older takes the backlog."""
_ENVELOPES: Final = frozenset({"event/up", "live", "backlog"})
_SENT: Final = frozenset({Kind.LORAWAN, Kind.P2P, Kind.APPLICATION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to be published."""

    topic: str
    payload: bytes


class Stamper:
    """Makes messages of records; `region` is the prefix of gateway topics for datagrams."""

    def __init__(self, run: str, *, region: str = "as923") -> None:
        self._numbers, self._region = Numbers(run), region

    def stamp(self, record: Record, moved: Moved, now: datetime) -> list[Outgoing]:
        """What is sent for a record at `now`. Raises Skip."""
        try:
            if record.road is Road.UDP_UP:
                return list(self._datagram(record, moved, now))
            topic = topics.parse(record.topic) if record.road is Road.MQTT else None
            if isinstance(topic, ApplicationTopic):
                return [Outgoing(topic=record.topic, payload=self._event(topic, record, moved))]
            if isinstance(topic, GatewayTopic) and topic.leaf in _ENVELOPES:
                frame = Message(gw.UplinkFrame(), record.payload).message
                return [self._envelope(topic.gateway, topic.prefix, frame, record, moved, now)]
        except BROKEN as error:
            raise Skip("unreadable") from error
        raise Skip("no_frames")

    def _datagram(self, record: Record, moved: Moved, now: datetime) -> Iterator[Outgoing]:
        gateway = gateway_of(record.payload)
        if gateway is None or record.payload[3] != PUSH_DATA:
            raise Skip("no_frames")
        entries = rxpk.load(record.payload[HEADER:]).get("rxpk")
        heard: list[rxpk.Reception] = []
        for entry in entries if isinstance(entries, list) else ():
            with contextlib.suppress(RxpkError):  # as the agent would: the others are taken
                heard += rxpk.parse(entry, gateway=gateway, token=0)
        if not heard:
            raise Skip("no_frames")
        for each in heard:
            metadata = each.frame.rx_info.metadata
            metadata["khaen_clock"] = (Rung.GPS if each.satellite else Rung.SYNCED).value
            yield self._envelope(gateway, self._region, each.frame, record, moved, now)

    def _envelope(
        self,
        gateway: GatewayEui,
        prefix: str,
        frame: Any,
        record: Record,
        moved: Moved,
        now: datetime,
    ) -> Outgoing:
        said = {k: v for k, v in frame.rx_info.metadata.items() if k.startswith("khaen_")}
        for key in said:
            del frame.rx_info.metadata[key]
        kind = Kind(said.get("khaen_kind", Kind.LORAWAN))
        if kind not in _SENT:
            raise Skip(kind.value)
        heard = _time(said.get("khaen_at")) or timestamp(frame.rx_info, "gw_time")
        # A recorder's clock dates what was dated by nothing but its arrival.
        clock = Rung.NETWORK if heard is None else Rung(said.get("khaen_clock", Rung.SYNCED))
        heard = heard or record.at
        at, until = moved(heard), _time(said.get("khaen_until"))
        shift_gateway(frame.rx_info, at - heard)
        if kind is Kind.APPLICATION:
            frame.phy_payload = self._inner(said.get("khaen_topic", ""), frame, record, moved)
        number = self._numbers.give(gateway, _number(said), at)
        facts = Stamp(
            number=number,
            kind=kind,
            clock=clock if clock is not Rung.ARRIVAL else Rung.NETWORK,
            origin=Origin.REPLAY,
            at=at,
            until=moved(until) if until else None,
            device=said.get("khaen_device"),
            topic=said.get("khaen_topic"),
        )
        frame.rx_info.gateway_id = gateway
        payload = seal(frame, facts)
        late = now - at > LIVE or record.topic.endswith("/backlog")
        # A network server would answer a join, and end a session that lives.
        if late or (kind is Kind.LORAWAN and is_join(frame.phy_payload)):
            return Outgoing(topic=topics.backlog(gateway), payload=payload)
        if kind is Kind.LORAWAN:
            return Outgoing(topic=topics.up(prefix, gateway), payload=payload)
        return Outgoing(topic=topics.live(gateway), payload=payload)

    def _inner(self, name: str, frame: Any, record: Record, moved: Moved) -> bytes:
        topic = topics.parse(name)
        if not isinstance(topic, ApplicationTopic):
            raise Skip("unreadable")
        return self._event(topic, replace(record, payload=bytes(frame.phy_payload)), moved)

    def _event(self, topic: ApplicationTopic, record: Record, moved: Moved) -> bytes:
        if topic.event != "up":
            raise Skip("other_event")
        content = Message(integration.UplinkEvent(), record.payload, free="object")
        event = content.message
        _move(event, "time", moved)
        if not event.rx_info:  # somewhere the origin must stand
            event.rx_info.add(gateway_id=NOWHERE)
        for rx in event.rx_info:
            self._reception(rx, moved)
        return content.payload()

    def _reception(self, rx: Any, moved: Moved) -> None:
        heard = timestamp(rx, "gw_time")
        if heard is not None:
            shift_gateway(rx, moved(heard) - heard)
        _move(rx, "ns_time", moved)
        rx.metadata["khaen_origin"] = Origin.REPLAY.value
        recorded = _number(rx.metadata)
        given = self._numbers.find(GatewayEui(rx.gateway_id), recorded) if recorded else None
        for key in ("khaen_epoch", "khaen_seq"):
            if key in rx.metadata:
                del rx.metadata[key]
        if given is not None:
            rx.metadata["khaen_epoch"], rx.metadata["khaen_seq"] = given.epoch, str(given.seq)


def _move(holder: Any, field: str, moved: Moved) -> None:
    at = timestamp(holder, field)
    if at is not None:
        getattr(holder, field).FromDatetime(moved(at))


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def _number(said: Any) -> Number | None:
    epoch, seq = said.get("khaen_epoch"), said.get("khaen_seq")
    if not epoch or not seq:
        return None
    return Number(epoch=parse_epoch(epoch), seq=int(seq, 10))
