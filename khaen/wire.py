"""The one envelope: protobuf `gw.UplinkFrame` with Khaen's facts in `rx_info.metadata`.

See docs/wire.md. An agent stamps what it numbers, ingest parses what comes; a frame without
`khaen_v` comes from another make of gateway and is live and unnumbered. Other makes may send JSON:
a payload whose first byte is a brace, which no UplinkFrame in protobuf has there; white space is
not skipped, since it may be a tag or a length. (ChirpStack looks for `gatewayId` anywhere instead;
a hostile device could then hide its frame by sending that text.)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from chirpstack_api import gw
from google.protobuf import json_format
from google.protobuf.message import DecodeError as ProtobufError

from khaen.clock import Rung, format_time, parse_time
from khaen.errors import WireError
from khaen.ids import GatewayEui, parse_epoch, parse_gateway_eui
from khaen.uplink import Kind, Number, Origin, Reception, Way

VERSION = 1
_KEYS = (
    "v",
    "epoch",
    "seq",
    "kind",
    "device",
    "topic",
    "at",
    "until",
    "clock",
    "origin",
)
_FIELDS = tuple((key, f"khaen_{key}") for key in _KEYS)
MAX_SEQ = 2**63 - 1


class NumberedWireError(WireError):
    """A message that cannot be taken, but whose number could be read: it can be settled."""

    def __init__(self, reason: str, detail: str, *, number: Number) -> None:
        super().__init__(reason, detail)
        self.number = number


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What an agent says of a frame beside the frame itself.

    `at` (and `until` where it is a span) is None on the rung `arrival` only.
    """

    number: Number
    kind: Kind
    clock: Rung
    origin: Origin
    at: datetime | None = None
    until: datetime | None = None
    device: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A gateway's message, parsed. `number` is None for another make of gateway."""

    gateway_eui: GatewayEui
    kind: Kind
    payload: bytes
    """PHYPayload, point-to-point bytes, or an event's bytes."""
    clock: Rung
    origin: Origin
    number: Number | None = None
    at: datetime | None = None
    until: datetime | None = None
    device: str | None = None
    topic: str | None = None
    context: bytes = b""
    rssi: int | None = None
    snr: float | None = None
    frequency: int | None = None
    dr: str | None = None

    def reception(self, way: Way, received_at: datetime, clock: Rung) -> Reception:
        """This hearing as a reception, dated as the caller decided."""
        return Reception(
            gateway_eui=self.gateway_eui,
            way=way,
            received_at=received_at,
            received_until=self.until if clock is Rung.BETWEEN else None,
            clock=clock,
            number=self.number,
            context=self.context,
            rssi=self.rssi,
            snr=self.snr,
            frequency=self.frequency,
            dr=self.dr,
        )


def stamp(frame: gw.UplinkFrame, facts: Stamp) -> bytes:
    """The envelope's bytes: `frame` with `facts` in its metadata (`frame` is changed)."""
    values = {
        "v": str(VERSION),
        "epoch": facts.number.epoch,
        "seq": str(facts.number.seq),
        "kind": facts.kind.value,
        "device": facts.device,
        "topic": facts.topic,
        "at": format_time(facts.at) if facts.at else None,
        "until": format_time(facts.until) if facts.until else None,
        "clock": facts.clock.value,
        "origin": facts.origin.value,
    }
    metadata = frame.rx_info.metadata
    for key, value in values.items():
        if value is not None:
            metadata[f"khaen_{key}"] = value
    return bytes(frame.SerializeToString())


def parse(gateway: GatewayEui, payload: bytes) -> Heard:
    """Parse a message of the topic of `gateway`.

    Raises WireError: `not_json`, `not_protobuf`, `gateway_mismatch`, `bad_envelope`,
    `newer_version` (as NumberedWireError where the number could be read).
    """
    frame = _message(payload)
    try:
        said = parse_gateway_eui(frame.rx_info.gateway_id)
    except ValueError as error:
        raise WireError("gateway_mismatch", str(error)) from error
    if said != gateway:
        raise WireError("gateway_mismatch", f"topic of {gateway}, frame of {said}")
    said_of = frame.rx_info.metadata.get
    facts = {key: said_of(field) for key, field in _FIELDS}
    if facts["v"] is None:
        return _heard(gateway, frame, clock=Rung.SYNCED, at=_gateway_time(frame))
    number = _number(facts)
    try:
        return _stamped(gateway, frame, facts, number)
    except ValueError as error:
        raise NumberedWireError("bad_envelope", str(error), number=number) from error


def _message(payload: bytes) -> gw.UplinkFrame:
    frame = gw.UplinkFrame()
    if payload[:1] == b"{":
        try:
            return json_format.Parse(payload, frame, ignore_unknown_fields=True)
        except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
            raise WireError("not_json", str(error)[:200]) from error
    try:
        frame.ParseFromString(payload)
    except ProtobufError as error:
        raise WireError("not_protobuf", str(error)[:200]) from error
    return frame


def _number(facts: dict[str, str | None]) -> Number:
    try:
        seq = int(facts["seq"] or "", 10)
        if not 1 <= seq <= MAX_SEQ:
            raise ValueError(f"khaen_seq {seq} is out of range")
        return Number(epoch=parse_epoch(facts["epoch"] or ""), seq=seq)
    except ValueError as error:
        raise WireError("bad_envelope", str(error)) from error


def _stamped(
    gateway: GatewayEui,
    frame: gw.UplinkFrame,
    facts: dict[str, str | None],
    number: Number,
) -> Heard:
    if int(facts["v"] or "", 10) > VERSION:
        raise NumberedWireError("newer_version", f"khaen_v {facts['v']}", number=number)
    return _heard(
        gateway,
        frame,
        number=number,
        kind=Kind(facts["kind"] or ""),
        clock=Rung(facts["clock"] or ""),
        origin=Origin(facts["origin"] or ""),
        at=parse_time(facts["at"]) if facts["at"] else None,
        until=parse_time(facts["until"]) if facts["until"] else None,
        device=facts["device"],
        topic=facts["topic"],
    )


def _heard(
    gateway: GatewayEui,
    frame: gw.UplinkFrame,
    *,
    clock: Rung,
    at: datetime | None,
    number: Number | None = None,
    kind: Kind = Kind.LORAWAN,
    origin: Origin = Origin.RADIO,
    until: datetime | None = None,
    device: str | None = None,
    topic: str | None = None,
) -> Heard:
    rx, tx = frame.rx_info, frame.tx_info
    return Heard(
        gateway_eui=gateway,
        kind=kind,
        payload=frame.phy_payload,
        clock=Rung.ARRIVAL if at is None else clock,
        origin=origin,
        number=number,
        at=at,
        until=until,
        device=device,
        topic=topic,
        context=rx.context,
        rssi=rx.rssi,
        snr=round(rx.snr, 2),
        frequency=tx.frequency or None,
        dr=data_rate(tx),
    )


def data_rate(tx: gw.UplinkTxInfo) -> str | None:
    """The data rate as a packet forwarder writes it (`SF7BW125`, `FSK50000`)."""
    match tx.modulation.WhichOneof("parameters"):
        case "lora":
            lora = tx.modulation.lora
            return f"SF{lora.spreading_factor}BW{lora.bandwidth // 1000}"
        case "fsk":
            return f"FSK{tx.modulation.fsk.datarate}"
    return None


def _gateway_time(frame: gw.UplinkFrame) -> datetime | None:
    if not frame.rx_info.HasField("gw_time"):
        return None
    try:
        at: datetime = frame.rx_info.gw_time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return at
