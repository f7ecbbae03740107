"""A message as it came to what it says: parsed, opened, attributed. Touches no database.

Whatever is wrong with a message, its bytes are kept with the reason; no exception leaves.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

from chirpstack_api import gw
from google.protobuf.message import DecodeError as ProtobufError

from ingest import attribution, relays
from ingest.attribution import NotItsDevice, OriginRefused
from ingest.dating import Dated, Dating
from ingest.item import Alert, Arrival, Content, Entry, Item, Opened, Said, Status
from ingest.sessions import Sessions
from ingest.sources import chirpstack, gateway
from ingest.sources.gateway import Unopened
from khaen import log, status, topics, wire
from khaen.errors import UnknownDevice, WireError
from khaen.ids import DevAddr, GatewayEui, UplinkId
from khaen.lorawan.frame import JoinRequest
from khaen.topics import ApplicationTopic, GatewayTopic
from khaen.uplink import UPLINK_NAMESPACE, Kind, Number, Origin, Way
from khaen.wire import Heard, NumberedWireError
from store.quarantine import Foreign, Refused
from store.registry import Registry

_log = log.logger()
_parse_topic = lru_cache(maxsize=16_384)(topics.parse)
_STATUS = "status"
_TROUBLES = {
    "certificate_expired": "gateway",
    "certificate_expires": "gateway",
    "clock_untrue": "clock",
    "disk_low": "gateway",
    "forwarder_silent": "gateway",
    "other_gateways_outbox": "gateway",
    "outbox_shedding": "outbox",
    "publish_refused": "gateway",
    "twin_agent": "conflict",
}
"""What an agent warns of and somebody must act on, and the rule of its technical alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known of the site: one generation of the registry, with its sessions.

    `urgent_ports` are the ports by family whose frames close a group; `splits` by family say of
    which wearers a relay's frame speaks.
    """

    registry: Registry
    sessions: Sessions
    urgent_ports: dict[str, frozenset[int]] = field(default_factory=dict)
    splits: relays.Splits = field(default_factory=dict)


@dataclass(slots=True)
class _Draft:
    """A message while it is read: what is known of it if reading fails."""

    arrival: Arrival
    gateway: GatewayEui | None = None
    dev_addr: DevAddr | None = None
    entry: Entry | None = None
    digest: bytes | None = None
    alerts: list[Alert] = field(default_factory=list)


class Reader:
    """Reads messages, one after the other, in one thread."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._dating = Dating()

    def read(self, arrival: Arrival) -> Item:
        """What the message says; a Refused where it cannot be taken."""
        draft = _Draft(arrival)
        try:
            content = self._read(draft)
        except WireError as error:
            content = self._refuse(draft, error)
        except UnknownDevice:
            content = _refused(draft, "unknown_device", "")
        except Exception as error:  # noqa: BLE001 - the border of one frame
            _log.exception("message_reading_failed", topic=arrival.message.topic)
            content = _refused(draft, "reading_failed", type(error).__name__)
        return Item(
            arrival=arrival,
            content=content,
            entry=draft.entry,
            priority=self._is_urgent(content),
            alerts=draft.alerts,
        )

    def _read(self, draft: _Draft) -> Content:
        message = draft.arrival.message
        topic = _parse_topic(message.topic)
        if isinstance(topic, ApplicationTopic):
            return self._event(draft, topic, message.topic, message.payload)
        draft.gateway = topic.gateway
        if topic.leaf == _STATUS:
            said = status.parse(message.payload)
            if said.volatile:  # what it hears now does not survive its power supply
                draft.alerts += self._gateway_alert(topic.gateway, "outbox", "volatile")
            for code in said.warnings:
                if (rule := _TROUBLES.get(code)) is not None:
                    draft.alerts += self._gateway_alert(topic.gateway, rule, code)
            return Status(gateway=topic.gateway, status=said)
        return self._frame(draft, topic)

    def _frame(self, draft: _Draft, topic: GatewayTopic) -> Content:
        arrival = draft.arrival
        try:
            heard = wire.parse(topic.gateway, arrival.message.payload)
        except NumberedWireError as error:
            draft.digest = sha256(_phy_payload(arrival.message.payload)).digest()
            draft.entry = _entry(draft, topic.gateway, error.number, Kind.LORAWAN)
            draft.digest = None  # what cannot be read yet may differ in more than its payload
            raise
        draft.digest = sha256(heard.payload).digest()
        if heard.number is not None:
            draft.entry = _entry(draft, heard.gateway_eui, heard.number, heard.kind)
        dated = self._dating.date(heard, arrival.way, arrival.at, settled=arrival.settled)
        if dated.wrong:
            draft.alerts += self._gateway_alert(heard.gateway_eui, "clock", "clock_off")
        return _KINDS[heard.kind](self, draft, heard, dated)

    def _lorawan(self, draft: _Draft, heard: Heard, dated: Dated) -> Content:
        message = draft.arrival.message
        found = gateway.read_lorawan(
            heard,
            dated,
            draft.arrival.way,
            self.knowledge.sessions,
            topic=message.topic,
            envelope=message.payload,
        )
        if isinstance(found, Said):
            return self._attribute(draft, found)
        if isinstance(found, JoinRequest):
            return self._join(heard, dated, found, message.payload)
        return found

    def _join(self, heard: Heard, dated: Dated, request: JoinRequest, envelope: bytes) -> Content:
        try:
            self.knowledge.registry.device(request.dev_eui, dated.at)
        except UnknownDevice:  # somebody else's device: kept as theirs
            return Foreign(
                gateway=heard.gateway_eui,
                dev_addr=DevAddr(""),
                content=envelope,
                received_at=dated.micros,
            )
        return gateway.join_event(heard, dated, request)

    def _point_to_point(self, draft: _Draft, heard: Heard, dated: Dated) -> Content:
        message = draft.arrival.message
        said = gateway.read_point_to_point(
            heard, dated, draft.arrival.way, topic=message.topic, envelope=message.payload
        )
        said.id = _point_to_point_id(heard)
        return self._attribute(draft, said, word_of=heard.gateway_eui)

    def _application(self, draft: _Draft, heard: Heard, dated: Dated) -> Content:
        topic = _parse_topic(heard.topic or "")
        if not isinstance(topic, ApplicationTopic):
            raise WireError("unknown_topic", "an application frame without its topic")
        found = chirpstack.read(
            topic, heard.topic or "", heard.payload, draft.arrival.at, carried=dated
        )
        if isinstance(found, Said):
            if heard.origin is not Origin.RADIO:  # the agent seals what its network server cannot
                found.origin = heard.origin
            return self._attribute(draft, found, word_of=heard.gateway_eui)
        return found

    def _heartbeat(self, draft: _Draft, heard: Heard, dated: Dated) -> Content:
        age_s = (draft.arrival.at - dated.at).total_seconds()
        return gateway.read_heartbeat(heard, dated, age_s=age_s)

    def _gone(self, draft: _Draft, heard: Heard, dated: Dated) -> Content:
        del draft, dated
        return gateway.read_gone(heard)

    def _event(self, draft: _Draft, topic: ApplicationTopic, name: str, payload: bytes) -> Content:
        found = chirpstack.read(topic, name, payload, draft.arrival.at)
        return self._attribute(draft, found) if isinstance(found, Said) else found

    def _attribute(self, draft: _Draft, said: Said, *, word_of: GatewayEui | None = None) -> Opened:
        draft.dev_addr = said.dev_addr
        registry = self.knowledge.registry
        try:
            opened = attribution.attribute(registry, said, word_of=word_of)
            relays.spread(registry, opened, self.knowledge.splits)
            return opened
        except OriginRefused as error:
            draft.alerts.append(error.alert)
            raise
        except NotItsDevice as error:
            draft.alerts += self._gateway_alert(error.gateway, "vouching", error.reason)
            raise

    def _gateway_alert(self, gateway: GatewayEui, rule: str, reason: str) -> list[Alert]:
        return attribution.gateway_alert(self.knowledge.registry, gateway, rule, reason)

    def _refuse(self, draft: _Draft, error: WireError) -> Refused:
        if isinstance(error, Unopened):
            draft.dev_addr = error.frame.dev_addr
        return _refused(draft, error.reason, error.detail)

    def _is_urgent(self, content: Content) -> bool:
        if not isinstance(content, Opened):
            return False
        ports = self.knowledge.urgent_ports.get(content.device.family)
        return ports is not None and content.said.f_port in ports


_Read = Callable[[Reader, _Draft, Heard, Dated], Content]
_KINDS: dict[Kind, _Read] = {
    Kind.LORAWAN: Reader._lorawan,
    Kind.P2P: Reader._point_to_point,
    Kind.APPLICATION: Reader._application,
    Kind.HEARTBEAT: Reader._heartbeat,
    Kind.GONE: Reader._gone,
}


def _entry(draft: _Draft, gateway: GatewayEui, number: Number, kind: Kind) -> Entry:
    return Entry(
        gateway=gateway,
        number=number,
        kind=kind,
        digest=draft.digest or b"",
        backlog=draft.arrival.way is Way.BACKLOG,
    )


def _refused(draft: _Draft, reason: str, detail: str) -> Refused:
    message = draft.arrival.message
    return Refused(
        reason=reason,
        detail=detail,
        topic=message.topic,
        content=message.payload,
        gateway=draft.gateway,
        dev_addr=draft.dev_addr,
        digest=draft.digest,
    )


def _phy_payload(envelope: bytes) -> bytes:
    try:
        return bytes(gw.UplinkFrame.FromString(envelope).phy_payload)
    except ProtobufError:
        return envelope


def _point_to_point_id(heard: Heard) -> UplinkId:
    """The identity of what carries no counter: its first number."""
    number = heard.number
    name = f"p2p|{heard.gateway_eui}|{number.epoch}|{number.seq}" if number else ""
    return UplinkId(uuid.uuid5(UPLINK_NAMESPACE, name or f"p2p|{heard.device}|{heard.at}"))
