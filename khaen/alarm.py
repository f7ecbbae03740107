"""What an alarm is, in the words of ISA-18.2 / IEC 62682."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from khaen.ids import AlarmId, OrganisationId, SubjectId


class State(enum.StrEnum):
    """The states of ISA-18.2 by name. An alarm in Normal is closed."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"
    LATCHED_UNACKNOWLEDGED = "latched_unacknowledged"
    LATCHED_ACKNOWLEDGED = "latched_acknowledged"
    SHELVED = "shelved"
    SUPPRESSED_BY_DESIGN = "suppressed_by_design"
    OUT_OF_SERVICE = "out_of_service"


WAITING = frozenset(
    {State.UNACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED, State.LATCHED_UNACKNOWLEDGED}
)
"""States in which nobody has answered yet."""


class Priority(enum.IntEnum):
    """P1 is answered within 60 s, P2 within 15 minutes, P3 within the shift."""

    P1 = 1
    P2 = 2
    P3 = 3


class AlarmClass(enum.StrEnum):
    """Whose queue an alarm belongs to."""

    CARE = "care"
    TECHNICAL = "technical"
    CIVIC = "civic"
    TEST = "test"


class Change(enum.StrEnum):
    """What happened to an alarm: the kinds of its events."""

    RAISED = "raised"
    PRESSED_AGAIN = "pressed_again"
    PRIORITY_CHANGED = "priority_changed"
    CONDITION_CLEARED = "condition_cleared"
    CONDITION_RETURNED = "condition_returned"
    ACCEPTED = "accepted"
    CLOSED = "closed"
    NOTIFIED = "notified"
    LATE_EPISODE = "late_episode"


class Outcome(enum.StrEnum):
    """How a case ended, as the carer says when closing it."""

    EMERGENCY = "emergency"
    ASSISTED = "assisted"
    NOT_URGENT = "not_urgent"
    FALSE_DEVICE = "false_device"
    FALSE_WEARER = "false_wearer"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm: at most one is open per subject and rule.

    `event_at` is when it happened, `raised_at` when the ledger had it; `late` says that the two
    lie apart so far that the screen must show it. `presses` counts what was gathered in it.
    """

    id: AlarmId
    organisation: OrganisationId
    subject: SubjectId
    rule: str
    alarm_class: AlarmClass
    priority: Priority
    state: State
    event_at: datetime
    raised_at: datetime
    presses: int = 1
    late: bool = False
    simulated: bool = False
    reason: str = ""
    """A short code of why, for the text that a person reads: `press`, `fall_still`, …"""
    accepted_by: str | None = None
    accepted_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: Outcome | None = None

    @property
    def open(self) -> bool:
        """Whether anything is left to do about it."""
        return self.state is not State.NORMAL
