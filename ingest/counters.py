"""Which uplink a frame is: a copy, the next one, a late one, one after a restart, or a replay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

from ingest.item import Alert, Opened
from khaen.clock import to_micros
from khaen.ids import UplinkId, device_subject
from khaen.uplink import PORTS_OF_THE_NETWORK, Uplink, uplink_id
from store.quarantine import Refused
from store.uplinks import Group, Mark

SAME_US = 600_000_000
"""The same counter, port and payload within 10 minutes are one uplink."""
ORDER_US = 60_000_000
"""By how much two gateways' clocks may disagree before an order counts as an order."""


@dataclass(frozen=True, slots=True)
class Place:
    """An uplink's generation and id; not `fresh` is a counter that may be a replay."""

    generation: int
    id: UplinkId
    fresh: bool = True


def identify(opened: Opened, generation: int) -> UplinkId:
    """The uplink's id, were it of this generation."""
    if opened.id is not None:
        return opened.id
    return uplink_id(
        opened.dev_eui,
        opened.dev_addr,
        generation,
        opened.f_cnt,
        opened.f_port,
        opened.payload,
    )


def possible(group: Group, opened: Opened) -> dict[int, UplinkId]:
    """The ids that the frame may have, by generation, from the counters known before the group."""
    marks = group.marks(opened.dev_eui, opened.dev_addr)
    generations = [mark.generation for mark in marks] or [0]
    return {generation: identify(opened, generation) for generation in generations}


def place(group: Group, opened: Opened, ids: dict[int, UplinkId]) -> Place:
    """Place a frame among what is known of its device."""
    if opened.id is not None:
        return Place(0, opened.id)
    marks = group.marks(opened.dev_eui, opened.dev_addr)
    if not marks:
        return Place(0, ids[0])
    head = opened.receptions[0]
    start = to_micros(head.received_at)
    end = start if head.received_until is None else to_micros(head.received_until)
    for mark in marks:
        found = ids.get(mark.generation) or identify(opened, mark.generation)
        heard = group.heard_at(found)
        if heard is not None and start - SAME_US <= heard <= end + SAME_US:
            return Place(mark.generation, found)
    if opened.device.counter_restarts:
        return _place_restarted(group, opened, marks, start, end)
    newest = marks[0]
    fresh = opened.f_cnt > newest.f_cnt or start <= newest.at + ORDER_US
    return Place(newest.generation, identify(opened, newest.generation), fresh)


def _place_restarted(
    group: Group, opened: Opened, marks: list[Mark], start: int, end: int
) -> Place:
    """The newest generation in which the counter is in order, or a new one."""
    for mark in marks:
        if opened.f_cnt > mark.f_cnt and end >= mark.at - ORDER_US:
            return Place(mark.generation, identify(opened, mark.generation))
        below, above, heard = group.neighbours(
            opened.dev_eui, opened.dev_addr, mark.generation, opened.f_cnt
        )
        after = below is None or end >= below - ORDER_US
        before = above is None or start <= above + ORDER_US
        if after and before and not heard:
            return Place(mark.generation, identify(opened, mark.generation))
    generation = marks[0].generation + 1
    return Place(generation, identify(opened, generation))


def placed(opened: Opened, place: Place, *, unnumbered: bool) -> Uplink:
    """The uplink at its place. `unnumbered` leaves out a number that another frame has."""
    receptions = opened.receptions
    if unnumbered:
        receptions = tuple(replace(reception, number=None) for reception in receptions)
    return Uplink(
        dev_eui=opened.dev_eui,
        dev_addr=opened.dev_addr,
        generation=place.generation,
        f_cnt=opened.f_cnt,
        f_port=opened.f_port,
        payload=b"" if opened.f_port in PORTS_OF_THE_NETWORK else opened.payload,
        phy_payload=opened.phy_payload,
        confirmed=opened.confirmed,
        origin=opened.origin,
        receptions=receptions,
    )


def replay(opened: Opened) -> Refused:
    """A frame whose counter was used before, as it goes to the quarantine."""
    return Refused(
        reason="replay_suspected",
        detail=f"{opened.dev_eui} f_cnt {opened.f_cnt}",
        topic=opened.topic,
        content=opened.envelope,
        gateway=opened.receptions[0].gateway_eui,
        dev_addr=opened.dev_addr,
        digest=sha256(opened.phy_payload or opened.envelope).digest(),
    )


def replay_alert(opened: Opened) -> Alert:
    """The technical alarm of it."""
    return Alert(
        organisation=opened.subject.organisation,
        subject=device_subject(opened.dev_eui),
        rule="replay",
        reason="counter_not_fresh",
    )
