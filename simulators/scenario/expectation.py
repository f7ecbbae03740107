"""What must have come of a scenario by its end, to be seen in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from khaen.alarm import Change, State
from khaen.clock import Rung
from khaen.site.model import Slug
from khaen.uplink import Way
from simulators.acts.duration import Seconds, show

AtLeast = Annotated[int, Field(ge=0)]


class Expectation(BaseModel):
    """Something to be seen; `about` says it in a word or two."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    see: str

    def words(self) -> str:
        """What is expected, for a person."""
        said = self.model_dump(mode="json", exclude={"see"}, exclude_defaults=True)
        within = said.pop("within", None)
        after = said.pop("after", None)
        parts = [f"{key} {_show(value)}" for key, value in said.items()]
        if within is not None:
            parts.append(f"within {show(within)}" + (f" of {after}" if after else ""))
        elif after is not None:
            parts.append(f"after {after}")
        return f"{self.see.replace('_', ' ')}: {', '.join(parts)}" if parts else self.see


class Timed(Expectation):
    """Something that is to be seen in time."""

    after: Slug | None = None
    """The name of an act; the start where it is absent. What was before it does not count."""
    within: Seconds | None = None
    """How long after that act at the latest."""


class OfCase(Timed):
    """Something about the alarms of a rule and a subject."""

    rule: Slug
    """The alarm's rule: `sos`, `fall`, `gateway_down`, `clock`, `replay`, …"""
    resident: Slug | None = None
    """Whom it is about: an elder, …"""
    gateway: str | None = None
    """… a gateway (`gw-2`), …"""
    device: str | None = None
    """… or a device by its DevEUI; a resident's band where `of_band` is set."""
    of_band: bool = False
    """It is about the resident's band, not about her: technical alarms are."""

    @model_validator(mode="after")
    def _has_one_subject(self) -> Self:
        if sum(name is not None for name in (self.resident, self.gateway, self.device)) > 1:
            raise ValueError("name one of resident, gateway and device")
        if self.of_band and self.resident is None:
            raise ValueError("of_band is about a resident's band: name the resident")
        return self


class SeeAlarm(OfCase):
    """An alarm was raised; what is said of it besides holds at the end."""

    see: Literal["alarm"] = "alarm"
    times: int = Field(default=1, ge=1, le=1000)
    """How many such alarms there are in all."""
    priority: int | None = Field(default=None, ge=1, le=3)
    state: State | None = None
    reason: Slug | None = None
    """Its short code, such as `press_counter_not_fresh`."""
    late: bool | None = None
    """Whether it is marked late."""
    presses: AtLeast | None = None
    """How many presses were gathered in it."""
    gateways: AtLeast | None = None
    """How many gateways heard the frame that raised it, at least."""
    organisation: Slug | None = None
    """Whose alarm it is."""


class SeeNoAlarm(Timed):
    """No such alarm was raised."""

    see: Literal["no_alarm"] = "no_alarm"
    rule: Slug | None = None
    """Any rule of care where it is absent."""
    resident: Slug | None = None
    """Anybody where it is absent."""


class SeeCall(OfCase):
    """Somebody was told by a channel."""

    see: Literal["call"] = "call"
    channel: Slug | None = None
    to: Slug | None = None
    """An address of the site."""
    times: AtLeast = 1
    """At least so often."""


class SeeChange(OfCase):
    """Something happened to an alarm."""

    see: Literal["change"] = "change"
    change: Change


class SeeAccount(Expectation):
    """The audit of numbers: whatever an agent acknowledged to its radio is in the ledger."""

    see: Literal["account"] = "account"
    gateway: str | None = None
    """All gateways where it is absent."""
    missing: AtLeast = 0
    in_flight: AtLeast = 0
    gone: AtLeast = 0
    late_at_least: AtLeast = 0
    """Numbers that came by the backlog."""


class SeeUplinks(Expectation):
    """Uplinks of a device are in the ledger, each once."""

    see: Literal["uplinks"] = "uplinks"
    resident: Slug | None = None
    device: str | None = None
    f_port: int | None = Field(default=None, ge=0, le=255)
    at_least: AtLeast = 1
    gateways: AtLeast = 0
    """So many gateways heard one of them, at least."""
    receptions: AtLeast | None = None
    """How often the one that was heard most was heard, copies by whatever way counted once."""
    ways: tuple[Way, ...] = ()
    """Ways by which they came, each at least once."""

    @model_validator(mode="after")
    def _has_a_device(self) -> Self:
        if (self.resident is None) == (self.device is None):
            raise ValueError("name the resident, or the device")
        return self


class SeeEvents(Expectation):
    """The network server told applications of a resident's band."""

    see: Literal["events"] = "events"
    resident: Slug
    kind: Literal["up", "ack", "txack", "log", "status", "join"] = "up"
    at_least: AtLeast = 1


class SeeDates(Expectation):
    """Receptions of a gateway are dated as they should be."""

    see: Literal["dates"] = "dates"
    gateway: str
    since: Seconds = 0.0
    """Of what was truly heard from then …"""
    until: Seconds | None = None
    """… to then."""
    rungs: tuple[Rung, ...] = ()
    """The rungs that occur, each of them and no other."""
    within: Seconds = 2.0
    """How far from the truth at most; a span must hold it, give or take this."""
    at_least: AtLeast = 1
    """How many receptions there are."""


class SeeQuarantine(Expectation):
    """Messages were set aside, with this reason."""

    see: Literal["quarantine"] = "quarantine"
    reason: Slug
    at_least: AtLeast = 1


class SeeLatest(Expectation):
    """What a screen shows of an elder is the newest that was heard, whatever came late."""

    see: Literal["latest"] = "latest"
    resident: Slug


AnyExpectation = Annotated[
    SeeAlarm
    | SeeNoAlarm
    | SeeCall
    | SeeChange
    | SeeAccount
    | SeeUplinks
    | SeeEvents
    | SeeDates
    | SeeQuarantine
    | SeeLatest,
    Field(discriminator="see"),
]
KINDS: dict[str, type[Expectation]] = {
    str(kind.model_fields["see"].default): kind
    for kind in AnyExpectation.__origin__.__args__  # type: ignore[attr-defined]
}
"""Every expectation by its name."""


def named_acts(expectation: Expectation) -> Iterator[str]:
    """The acts to which an expectation refers."""
    if isinstance(expectation, Timed) and expectation.after is not None:
        yield expectation.after


def _show(value: object) -> str:
    if isinstance(value, float):  # all of them are spans of time
        return show(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
