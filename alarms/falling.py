"""A fall of which it is not decided yet what it is, and what its frames say of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alarms.rule import Parameters
from khaen.alarm import Priority
from khaen.clock import from_micros, to_micros
from khaen.evaluation import Json, Observation
from khaen.reading import Event, EventKind

ENDS = frozenset({EventKind.FALL_END, EventKind.MAN_DOWN_END})
"""The device sees that the wearer is up, or moves, again."""
AGE_UNKNOWN = 255
"""The band's seconds since the impact end here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A fall of which it is not decided what it is; `at` is the impact in microseconds."""

    dev_eui: str
    count: int | None
    at: int
    uplink_id: str
    still: bool | None = None
    """What the band said last; None while it said nothing."""

    def due_at(self, parameters: Parameters) -> datetime:
        """When it is decided, if nothing more is heard."""
        wait = parameters["cancel_s"] if self.still is False else parameters["still_s"]
        return from_micros(self.at) + timedelta(seconds=max(wait, parameters["cancel_s"]))

    def describe(self) -> Json:
        """What an alarm's record says of it."""
        said: dict[str, object] = {"dev_eui": self.dev_eui}
        if self.count is not None:
            said["press"] = self.count
        return said


def still(event: Event) -> bool | None:
    """Whether the wearer lies still, or moves; None while the band does not say."""
    if event.kind is EventKind.MAN_DOWN or event.kind in ENDS:
        return event.kind is EventKind.MAN_DOWN
    said = event.detail.get("still")
    return None if said is None else said > 0


def impact(observation: Observation, event: Event) -> int:
    """When the wearer fell, in microseconds: by the frame's age, else when it was heard."""
    age = event.detail.get("age_s", AGE_UNKNOWN)
    seconds = age if 0 <= age < AGE_UNKNOWN else 0
    return to_micros(observation.event_at - timedelta(seconds=seconds))


def reason(still: bool | None) -> str:
    """The short code for people's texts."""
    return {True: "fall_still", False: "fall_moving", None: "fall_unheard"}[still]


def reason_of(event: Event) -> str:
    """The same for one event by itself."""
    return "man_down" if event.kind is EventKind.MAN_DOWN else reason(still(event))


def priority(still: bool | None) -> Priority:
    """Nothing heard counts as lying still: the band may have broken, or be lain upon."""
    return Priority.P2 if still is False else Priority.P1
