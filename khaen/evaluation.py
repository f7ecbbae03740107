"""What rules make of an observation: the words between the engine and the ledger.

Everything here is plain data, so that the engine stays pure and the ledger stays ignorant of
rules. A subject's state is one JSON document per rule, moved only inside a transaction that has
locked the subject's row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from khaen.alarm import Alarm, Change
from khaen.ids import DevEui, GatewayEui, OrganisationId, PlaceId, SubjectId, UplinkId
from khaen.reading import Decoded

Json = Mapping[str, object]
EMPTY: Json = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who or what a reading is about, as the registry had it when it was received."""

    id: SubjectId
    organisation: OrganisationId
    place: PlaceId | None = None
    simulated: bool = False
    """The organisation's word: nobody real is paged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one first copy of an uplink says of its subject.

    `event_at` is when it was heard. `late` is older than the state's last event, admitted more
    than 10 minutes after it was heard, or dated by a span only. `fresh` is False for a frame whose
    counter may be a replay.
    """

    subject: Subject
    dev_eui: DevEui
    family: str
    uplink_id: UplinkId
    event_at: datetime
    decoded: Decoded
    late: bool = False
    fresh: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectState:
    """A subject's state before or after an evaluation; `open` holds its open alarms by rule."""

    subject: SubjectId
    event_at: datetime | None = None
    rules: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    open: Mapping[str, Alarm] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmChange:
    """An alarm as it is after something happened to it.

    `notify` says that people must be told (again): a raise, a new press, a higher priority.
    """

    alarm: Alarm
    change: Change
    at: datetime
    actor: str = "system"
    notify: bool = False
    uplink_id: UplinkId | None = None
    detail: Json = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerSet:
    """Wake the rule for this subject at `due_at`; replaces its earlier timer."""

    rule: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerCancelled:
    """The rule's timer for this subject is no longer wanted."""

    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFailure:
    """A rule that raised: it cost itself only. `error` names the exception's type, no data."""

    rule: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All that one observation, or one due timer, leads to."""

    state: SubjectState
    changes: tuple[AlarmChange, ...] = ()
    timers: tuple[TimerSet | TimerCancelled, ...] = ()
    failures: tuple[RuleFailure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A gateway that has not been heard, and who is unseen because of it."""

    gateway_eui: GatewayEui
    last_heard: datetime | None
    unseen: tuple[SubjectId, ...] = ()
