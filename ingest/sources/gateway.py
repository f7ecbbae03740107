"""Gateway frames, live and late: envelopes of Khaen's agents, and frames of other makes."""

from __future__ import annotations

import json
from hashlib import sha256

from ingest.dating import Dated
from ingest.item import Gone, Heartbeat, Said
from ingest.sessions import Sessions
from khaen.errors import WireError
from khaen.ids import DevEui, parse_dev_eui
from khaen.lorawan import frame as lorawan
from khaen.lorawan.frame import DataFrame, FrameError, JoinRequest
from khaen.uplink import Reception, Way
from khaen.wire import Heard
from store.quarantine import DeviceEvent, Foreign
from store.uplinks import NO_ADDRESS

HEARTBEAT_AGE_S = 60.0
MAX_RANGES = 1000


def read_lorawan(
    heard: Heard,
    dated: Dated,
    way: Way,
    sessions: Sessions,
    *,
    topic: str,
    envelope: bytes,
) -> Said | Foreign | JoinRequest:
    """What a LoRaWAN frame says, opened by whose keys verify it.

    Raises WireError: `not_lorawan`, `other_frame`, `unknown_address` (ours, but no session has
    it), `bad_mic` (no session of that address verifies it).
    """
    try:
        frame = lorawan.parse(heard.payload)
    except FrameError as error:
        raise WireError("not_lorawan", f"{error} at {error.offset}") from error
    if isinstance(frame, JoinRequest):
        return frame
    if not isinstance(frame, DataFrame) or not frame.uplink:
        raise WireError("other_frame", f"type {heard.payload[0] >> 5}")
    verified = sessions.open(frame)
    if verified is not None:
        return Said(
            dev_eui=verified.dev_eui,
            dev_addr=frame.dev_addr,
            f_cnt=verified.f_cnt,
            f_port=frame.f_port or 0,
            payload=verified.payload,
            phy_payload=heard.payload,
            confirmed=frame.confirmed,
            origin=heard.origin,
            receptions=(reception(heard, dated, way),),
            topic=topic,
            envelope=envelope,
        )
    if sessions.knows(frame.dev_addr):
        raise Unopened("bad_mic", frame)
    if sessions.is_ours(frame.dev_addr):
        raise Unopened("unknown_address", frame)
    return Foreign(
        gateway=heard.gateway_eui,
        dev_addr=frame.dev_addr,
        content=envelope,
        received_at=dated.micros,
    )


class Unopened(WireError):
    """A data frame that no session verifies."""

    def __init__(self, reason: str, frame: DataFrame) -> None:
        super().__init__(reason, f"{frame.dev_addr} f_cnt16 {frame.f_cnt16}")
        self.frame = frame


def read_point_to_point(
    heard: Heard, dated: Dated, way: Way, *, topic: str, envelope: bytes
) -> Said:
    """What a point-to-point frame says; its sender stands in the envelope.

    Raises WireError `unknown_sender`.
    """
    try:
        dev_eui = parse_dev_eui(heard.device or "")
    except ValueError as error:
        raise WireError("unknown_sender", "no device EUI") from error
    return Said(
        dev_eui=DevEui(dev_eui),
        dev_addr=NO_ADDRESS,
        f_cnt=heard.number.seq & 0xFFFF_FFFF if heard.number else 0,
        f_port=1,
        payload=heard.payload,
        phy_payload=heard.payload,
        confirmed=False,
        origin=heard.origin,
        receptions=(reception(heard, dated, way),),
        topic=topic,
        envelope=envelope,
    )


def read_heartbeat(heard: Heard, dated: Dated, *, age_s: float) -> Heartbeat:
    """A gateway's heartbeat, `age_s` seconds after it was made."""
    return Heartbeat(gateway=heard.gateway_eui, made_at=dated.at, fresh=age_s <= HEARTBEAT_AGE_S)


def read_gone(heard: Heard) -> Gone:
    """Numbers that will never come. Raises WireError `bad_gone`."""
    try:
        document = json.loads(heard.payload)
        ranges = tuple((int(first), int(last)) for first, last in document["ranges"])
        reason = str(document["reason"])[:40].encode("ascii", "replace").decode()
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise WireError("bad_gone", type(error).__name__) from error
    if heard.number is None or len(ranges) > MAX_RANGES:
        raise WireError("bad_gone", "unnumbered, or too many ranges")
    # Nobody can know that a number will not come before it was given.
    before = heard.number.seq - 1
    return Gone(
        gateway=heard.gateway_eui,
        number=heard.number,
        reason=reason,
        ranges=tuple((first, min(last, before)) for first, last in ranges),
    )


def join_event(heard: Heard, dated: Dated, request: JoinRequest) -> DeviceEvent:
    """A join request, to be kept; nobody answers it."""
    return DeviceEvent(
        gateway=heard.gateway_eui,
        dev_eui=request.dev_eui,
        kind="join",
        content=request.raw,
        digest=sha256(request.raw).digest(),
        received_at=dated.micros,
    )


def reception(heard: Heard, dated: Dated, way: Way) -> Reception:
    """The hearing, dated."""
    return Reception(
        gateway_eui=heard.gateway_eui,
        way=way,
        received_at=dated.at,
        received_until=dated.until,
        clock=dated.clock,
        number=heard.number,
        context=heard.context,
        rssi=heard.rssi,
        snr=heard.snr,
        frequency=heard.frequency,
        dr=heard.dr,
    )
