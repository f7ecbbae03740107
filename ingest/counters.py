"""Which uplink a frame is: a copy, the next one, a late one, one after a restart, or a replay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

from ingest.item import Alert, Opened, Said
from khaen.clock import to_micros
from khaen.ids import UplinkId, device_subject
from khaen.uplink import PORTS_OF_THE_NETWORK, Uplink, uplink_id
from store.quarantine import Refused
from store.uplinks import Group, Mark

SAME_US = 600_000_000
"""The same counter, port and payload within 10 minutes are one uplink."""
TWIN_US = 2_000_000
"""Equal bytes of one device by two gateways within 2 s are one, where nothing is counted."""
ORDER_US = 60_000_000
"""By how much two gateways' clocks may disagree before an order counts as an order."""


@dataclass(frozen=True, slots=True)
class Place:
    """An uplink's generation and id; not `fresh` is a counter that may be a replay."""

    generation: int
    id: UplinkId
    fresh: bool = True


def identify(said: Said, generation: int) -> UplinkId:
    """The uplink's id, were it of this generation."""
    if said.id is not None:
        return said.id
    return uplink_id(said.dev_eui, said.dev_addr, generation, said.f_cnt, said.f_port, said.payload)


def possible(group: Group, said: Said) -> dict[int, UplinkId]:
    """The ids that the frame may have, by generation, from the counters known before the group."""
    marks = group.marks(said.dev_eui, said.dev_addr)
    generations = [mark.generation for mark in marks] or [0]
    return {generation: identify(said, generation) for generation in generations}


def place(group: Group, opened: Opened, ids: dict[int, UplinkId]) -> Place:
    """Place a frame among what is known of its device."""
    said = opened.said
    head = said.receptions[0]
    start = to_micros(head.received_at)
    end = start if head.received_until is None else to_micros(head.received_until)
    if said.id is not None:
        twin = group.twin(
            said.dev_eui, said.payload, head.gateway_eui, start - TWIN_US, end + TWIN_US
        )
        return Place(0, twin or said.id)
    marks = group.marks(said.dev_eui, said.dev_addr)
    if not marks:
        return Place(0, ids[0])
    for mark in marks:
        found = ids.get(mark.generation) or identify(said, mark.generation)
        heard = group.heard_at(found)
        if heard is not None and start - SAME_US <= heard <= end + SAME_US:
            return Place(mark.generation, found)
    if opened.device.counter_restarts:
        return _place_restarted(group, said, marks, start, end)
    newest = marks[0]
    fresh = said.f_cnt > newest.f_cnt or start <= newest.at + ORDER_US
    found = ids.get(newest.generation) or identify(said, newest.generation)
    return Place(newest.generation, found, fresh)


def _place_restarted(group: Group, said: Said, marks: list[Mark], start: int, end: int) -> Place:
    """The newest generation in which the counter is in order, or a new one."""
    for mark in marks:
        if said.f_cnt > mark.f_cnt and end >= mark.at - ORDER_US:
            return Place(mark.generation, identify(said, mark.generation))
        before, beside, after = group.around(
            said.dev_eui, said.dev_addr, mark.generation, start - ORDER_US, end + ORDER_US
        )
        follows = before is None or before < said.f_cnt
        precedes = after is None or said.f_cnt < after
        if follows and precedes and said.f_cnt not in beside:
            return Place(mark.generation, identify(said, mark.generation))
    generation = marks[0].generation + 1
    return Place(generation, identify(said, generation))


def placed(said: Said, place: Place, *, unnumbered: bool) -> Uplink:
    """The uplink at its place. `unnumbered` leaves out a number that another frame has."""
    receptions = said.receptions
    if unnumbered:
        receptions = tuple(replace(reception, number=None) for reception in receptions)
    return Uplink(
        dev_eui=said.dev_eui,
        dev_addr=said.dev_addr,
        generation=place.generation,
        f_cnt=said.f_cnt,
        f_port=said.f_port,
        payload=b"" if said.f_port in PORTS_OF_THE_NETWORK else said.payload,
        phy_payload=said.phy_payload,
        confirmed=said.confirmed,
        origin=said.origin,
        receptions=receptions,
    )


def beside(said: Said, relay: Place) -> tuple[Uplink, UplinkId]:
    """A wearer's uplink at its relay's place. Its relay alone has the frame's number."""
    place = Place(relay.generation, identify(said, relay.generation))
    return placed(said, place, unnumbered=True), place.id


def replay(said: Said) -> Refused:
    """A frame whose counter was used before, as it goes to the quarantine."""
    return Refused(
        reason="replay_suspected",
        detail=f"{said.dev_eui} f_cnt {said.f_cnt}",
        topic=said.topic,
        content=said.envelope,
        gateway=said.receptions[0].gateway_eui,
        dev_addr=said.dev_addr,
        digest=sha256(said.phy_payload or said.envelope).digest(),
    )


def replay_alert(opened: Opened) -> Alert:
    """The technical alarm of it."""
    return Alert(
        organisation=opened.subject.organisation,
        subject=device_subject(opened.said.dev_eui),
        rule="replay",
        reason="counter_not_fresh",
    )
