"""From an alarm to what a tired person reads: one sentence, one next action, where and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from console.dates import machine, render, render_brief, years_since
from console.house import Visit
from console.naming import called, named, organisation_of, place_of
from console.text import say, say_best
from khaen.alarm import WAITING, Alarm, AlarmClass, State
from khaen.ids import AlarmId, GatewayEui, SubjectId
from store import alarms, board, people, users
from store.people import Details

OPEN_READ = 1000
OPEN_SHOWN = 60
CLOSED_SHOWN = 8
CLOSED_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """A moment, for people and for the script that shows its age."""

    machine: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One alarm, ready to be shown."""

    id: AlarmId
    priority: int
    waiting: bool
    open: bool
    sentence: str
    next_action: str
    subject: SubjectId
    who: str
    years: str
    place: str
    organisation: str
    event: Time
    received: Time
    repeated: str
    """How often it happened, in words; empty for once."""
    others: int
    """Further open alarms of the same subject."""
    over: str
    """That its condition is gone, in words, while somebody must still look."""
    ring: str
    """Changes whenever people should be told again; empty where nobody need hurry any more."""
    late: bool
    simulated: bool
    gateways: int
    unseen: tuple[str, ...]
    """People who may be unseen."""
    unseen_devices: tuple[str, ...]
    is_person: bool
    accepted_by: str
    mine: bool
    accepted: Time | None
    closed: Time | None
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLine:
    """One gateway, small."""

    eui: GatewayEui
    name: str
    simulated: bool
    last: Time | None
    silent: bool
    mute: bool
    """Of another make, which never says that it lives: `last` is its newest frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The whole first page."""

    open: tuple[Card, ...]
    more: int
    waiting: Mapping[int, int]
    closed: tuple[Card, ...]
    gateways: tuple[GatewayLine, ...]
    read: Time


def time(at: datetime, visit: Visit) -> Time:
    """A moment as this visitor reads it."""
    return Time(machine=machine(at), text=render_brief(at, visit.language, visit.now))


def board_of(visit: Visit) -> Board:
    """Everything that this user may see, in one consistent view of the ledger."""
    seen = visit.organisations
    with visit.house.database.read() as connection:
        found = [
            case
            for case in alarms.listed(connection, seen, open_only=True, limit=OPEN_READ)
            if case.alarm_class is not AlarmClass.TEST
        ]
        found.sort(key=lambda c: (c.priority, c.state not in WAITING, c.event_at, c.id))
        closed = board.recently_closed(
            connection,
            seen,
            raised_after=visit.now - timedelta(days=CLOSED_DAYS),
            limit=CLOSED_SHOWN,
        )
        shown = found[:OPEN_SHOWN]
        cards = cards_of(visit, connection, [*shown, *closed])
        gateways = board.contacts(connection, seen)
    return Board(
        open=tuple(cards[: len(shown)]),
        more=len(found) - len(shown),
        waiting={p: sum(c.state in WAITING and c.priority == p for c in found) for p in (1, 2, 3)},
        closed=tuple(cards[len(shown) :]),
        gateways=tuple(_gateway(contact, visit) for contact in gateways),
        read=Time(machine=machine(visit.now), text=render(visit.now, visit.language)),
    )


def cards_of(visit: Visit, connection: Connection, cases: list[Alarm]) -> list[Card]:
    """The alarms as cards, in their order."""
    heard = board.hearings(connection, [case.id for case in cases])
    unseen = {c.id: _unseen(visit, connection, c) for c in cases if c.rule == "gateway_down"}
    subjects = {case.subject for case in cases} | {s for some in unseen.values() for s in some}
    known = people.details(connection, _people(subjects))
    carers = users.names(connection, [case.accepted_by for case in cases if case.accepted_by])
    opened = alarms.open_counts(connection, {case.subject for case in cases})
    return [
        _card(
            visit,
            case,
            heard.get(case.id),
            known,
            carers,
            unseen.get(case.id, ()),
            opened.get(case.subject, 0) - case.open,
        )
        for case in cases
    ]


def _card(
    visit: Visit,
    case: Alarm,
    heard: board.Hearing | None,
    known: Mapping[str, Details],
    carers: Mapping[str, str],
    unseen: tuple[SubjectId, ...],
    others: int,
) -> Card:
    registry, language = visit.house.registry, visit.language
    who = called(case.subject, known, registry, language)
    details = known.get(case.subject.partition(":")[2])
    years = years_since(details.born, visit.now) if details and details.born else None
    return Card(
        id=case.id,
        priority=int(case.priority),
        waiting=case.state in WAITING,
        open=case.open,
        sentence=say_best(
            language,
            f"alarm.{case.rule}.{case.reason}",
            f"alarm.{case.rule}",
            "alarm.other",
            who=who,
            rule=case.rule,
        ),
        next_action=_next_action(case, unseen, language),
        subject=case.subject,
        who=who,
        years="" if years is None else say(language, "age_years", n=years),
        place=place_of(case.subject, registry, language),
        organisation=named(registry.organisations.get(case.organisation), language),
        event=time(case.event_at, visit),
        received=time(case.raised_at, visit),
        repeated=_repeated(case, language),
        others=others,
        over=_over(case, language),
        ring=_ring(case),
        late=case.late,
        simulated=case.simulated,
        gateways=0 if heard is None else heard.gateways,
        unseen=tuple(called(s, known, registry, language) for s in unseen if _is_person(s)),
        unseen_devices=tuple(
            called(s, known, registry, language) for s in unseen if not _is_person(s)
        ),
        is_person=_is_person(case.subject),
        accepted_by=carers.get(case.accepted_by or "", case.accepted_by or ""),
        mine=case.accepted_by == visit.session.user.id,
        accepted=None if case.accepted_at is None else time(case.accepted_at, visit),
        closed=None if case.closed_at is None else time(case.closed_at, visit),
        outcome=say(language, f"outcome.{case.outcome}")
        if case.outcome
        else say(language, "closed.self"),
    )


def _next_action(case: Alarm, unseen: tuple[SubjectId, ...], language: str) -> str:
    if case.state not in WAITING:
        return say(language, "next.accepted")
    if case.state is State.RETURNED_UNACKNOWLEDGED:
        return say(language, "next.returned")
    if case.rule == "gateway_down" and not unseen:
        return say(language, "next.gateway_down.covered")
    return say_best(language, f"next.{case.rule}.{case.reason}", f"next.{case.rule}", "next.other")


def _repeated(case: Alarm, language: str) -> str:
    if case.presses < 2:
        return ""
    return say_best(language, f"fact.times.{case.rule}", "fact.times", n=case.presses)


def _over(case: Alarm, language: str) -> str:
    if case.state is State.RETURNED_UNACKNOWLEDGED:
        return say(language, "over.returned")
    if case.state in (State.LATCHED_UNACKNOWLEDGED, State.LATCHED_ACKNOWLEDGED):
        return say(language, "over.latched")
    return ""


def _ring(case: Alarm) -> str:
    if case.state not in WAITING or case.state is State.RETURNED_UNACKNOWLEDGED:
        return ""
    # What machines repeat is only counted; a person who presses again is to be heard.
    presses = case.presses if case.alarm_class is AlarmClass.CARE else 1
    return f"{case.id}:{presses}:{int(case.priority)}"


def _unseen(visit: Visit, connection: Connection, case: Alarm) -> tuple[SubjectId, ...]:
    """Who was unseen when a gateway fell silent, by the newest event that says so.

    Only who belongs to the case's organisation, whatever was written then.
    """
    for event in reversed(alarms.events(connection, case.id)):
        given = event.detail.get("unseen")
        if isinstance(given, list):
            subjects = (SubjectId(str(subject)) for subject in given)
            registry = visit.house.registry
            return tuple(s for s in subjects if organisation_of(s, registry) == case.organisation)
    return ()


def _is_person(subject: SubjectId) -> bool:
    return subject.startswith("person:")


def _people(subjects: Iterable[SubjectId]) -> list[str]:
    return [s.partition(":")[2] for s in subjects if _is_person(s)]


def _gateway(contact: board.Contact, visit: Visit) -> GatewayLine:
    mute = contact.heartbeat_at is None and contact.frame_at is not None
    last = contact.frame_at if mute else contact.heartbeat_at
    age_s = None if last is None else (visit.now - last).total_seconds()
    return GatewayLine(
        eui=contact.eui,
        name=contact.name,
        simulated=contact.simulated,
        last=None if last is None else time(last, visit),
        silent=not mute and (age_s is None or age_s >= visit.house.gateway_silent_s),
        mute=mute,
    )


def parse_alarm_id(text: str) -> AlarmId | None:
    """The id in an address; None where it is none."""
    try:
        return AlarmId(UUID(text))
    except ValueError:
        return None
