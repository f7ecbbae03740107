"""From an alarm to what a tired person reads: one sentence, one next action, where and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from console.dates import machine, render, render_brief, years_since
from console.house import Visit
from console.text import say, say_best
from khaen.alarm import WAITING, Alarm, AlarmClass
from khaen.ids import AlarmId, DevEui, GatewayEui, OrganisationId, SubjectId
from store import alarms, board, people, users
from store.people import Details
from store.registry import Registry

OPEN_READ = 1000
OPEN_SHOWN = 60
CLOSED_SHOWN = 8
CLOSED_DAYS = 7
GATEWAY_SILENT_S = 150.0
"""Without a heartbeat for this long a gateway counts as silent."""


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
    presses: int
    late: bool
    simulated: bool
    gateways: int
    unseen: tuple[str, ...]
    accepted_by: str
    mine: bool
    accepted: Time | None
    closed: Time | None
    outcome: str

    @property
    def ring(self) -> str:
        """Changes whenever people should be told again."""
        return f"{self.id}:{self.presses}:{self.priority}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLine:
    """One gateway, small."""

    eui: GatewayEui
    name: str
    simulated: bool
    last: Time | None
    silent: bool


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
    unseen = {c.id: _unseen(connection, c.id) for c in cases if c.rule == "gateway_down"}
    subjects = {case.subject for case in cases} | {s for some in unseen.values() for s in some}
    known = people.details(connection, _people(subjects))
    carers = users.names(connection, [case.accepted_by for case in cases if case.accepted_by])
    return [
        _card(visit, case, heard.get(case.id), known, carers, unseen.get(case.id, ()))
        for case in cases
    ]


def _card(
    visit: Visit,
    case: Alarm,
    heard: board.Hearing | None,
    known: Mapping[str, Details],
    carers: Mapping[str, str],
    unseen: tuple[SubjectId, ...],
) -> Card:
    registry, language = visit.house.registry, visit.language
    who = called(case.subject, known, registry)
    details = known.get(case.subject.partition(":")[2])
    years = years_since(details.born, visit.now) if details and details.born else None
    organisation = registry.organisations.get(case.organisation)
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
        next_action=_next_action(case, language),
        subject=case.subject,
        who=who,
        years="" if years is None else say(language, "age_years", n=years),
        place=place_of(case.subject, registry, language),
        organisation=_name(organisation, language),
        event=time(case.event_at, visit),
        received=time(case.raised_at, visit),
        presses=case.presses,
        late=case.late,
        simulated=case.simulated,
        gateways=0 if heard is None else heard.gateways,
        unseen=tuple(called(subject, known, registry) for subject in unseen),
        accepted_by=carers.get(case.accepted_by or "", case.accepted_by or ""),
        mine=case.accepted_by == visit.session.user.id,
        accepted=None if case.accepted_at is None else time(case.accepted_at, visit),
        closed=None if case.closed_at is None else time(case.closed_at, visit),
        outcome=say(language, f"outcome.{case.outcome}")
        if case.outcome
        else say(language, "closed.self"),
    )


def called(subject: SubjectId, known: Mapping[str, Details], registry: Registry) -> str:
    """What people call a subject: nickname and name, a gateway's name, else its id."""
    kind, _, name = subject.partition(":")
    if kind == "person" and name in known:
        return known[name].called or name
    if kind == "gateway" and (gateway := registry.gateway(GatewayEui(name))) is not None:
        return gateway.name
    return name or subject


def place_of(subject: SubjectId, registry: Registry, language: str) -> str:
    """The name of the place where a subject is at home; empty where none is known."""
    kind, _, name = subject.partition(":")
    place = None
    if kind == "person" and (someone := registry.persons.get(name)) is not None:
        place = someone.place
    elif kind == "gateway" and (gateway := registry.gateway(GatewayEui(name))) is not None:
        place = gateway.place
    elif kind == "device":
        place = next((d.place for d in registry.devices if d.dev_eui == DevEui(name)), None)
    found = registry.places.get(place) if place is not None else None
    return _name(found, language)


def organisation_of(subject: SubjectId, registry: Registry) -> OrganisationId | None:
    """The organisation that a subject belongs to now; None for one that is unknown."""
    kind, _, name = subject.partition(":")
    if kind == "person":
        someone = registry.persons.get(name)
        return None if someone is None else someone.organisation
    if kind == "device":
        return next((d.organisation for d in registry.devices if d.dev_eui == name), None)
    return None


def _next_action(case: Alarm, language: str) -> str:
    if case.state not in WAITING:
        return say(language, "next.accepted")
    return say_best(language, f"next.{case.rule}.{case.reason}", f"next.{case.rule}", "next.other")


def _unseen(connection: Connection, case: AlarmId) -> tuple[SubjectId, ...]:
    """Who was unseen when a gateway fell silent, by the newest event that says so."""
    for event in reversed(alarms.events(connection, case)):
        given = event.detail.get("unseen")
        if isinstance(given, list):
            return tuple(SubjectId(str(subject)) for subject in given)
    return ()


def _people(subjects: Iterable[SubjectId]) -> list[str]:
    return [s.partition(":")[2] for s in subjects if s.startswith("person:")]


def _name(named: object, language: str) -> str:
    if named is None:
        return ""
    return str(getattr(named, "name_en" if language == "en" else "name_th"))


def _gateway(contact: board.Contact, visit: Visit) -> GatewayLine:
    last = contact.heartbeat_at
    age = None if last is None else (visit.now - last).total_seconds()
    return GatewayLine(
        eui=contact.eui,
        name=contact.name,
        simulated=contact.simulated,
        last=None if last is None else time(last, visit),
        silent=age is None or age > GATEWAY_SILENT_S,
    )


def parse_alarm_id(text: str) -> AlarmId | None:
    """The id in an address; None where it is none."""
    try:
        return AlarmId(UUID(text))
    except ValueError:
        return None
