"""What a scenario file says (docs/scenarios.md). Unknown keys are errors."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from khaen.site.model import Slug, Text
from simulators.acts.duration import Seconds
from simulators.acts.vocabulary import AnyAct
from simulators.faults.catalogue import AnyFault
from simulators.scenario.expectation import AnyExpectation


class Part(BaseModel):
    """A table of a scenario file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SiteOf(Part):
    """The site: made up as a street, or read from a site file; all of it is simulated."""

    elders: int = Field(default=4, ge=1, le=5000)
    """Elders with wristbands: R-0001 lives beside gw-1, R-0002 beside gw-2, and so on."""
    gateways: int = Field(default=2, ge=1, le=200)
    """They stand in a row …"""
    apart_km: float = Field(default=0.3, ge=0.05, le=500)
    """… so far from each other; at 40 km none hears what the other hears."""
    file: Path | None = None
    """A site file instead, relative to the scenario; of a real site its twin, with other EUIs."""


class Pace(Part):
    """How often devices report by themselves."""

    wristband: Seconds = Field(default=120.0, ge=5, le=86_400)
    sensor: Seconds = Field(default=300.0, ge=5, le=86_400)


class Scenario(Part):
    """All of a scenario file."""

    name: Slug
    """Its own, as its file's."""
    text: Text
    """What it shows, for a person."""
    seed: int = Field(default=1, ge=0)
    """The same seed gives the same frames and the same outcome."""
    start: AwareDatetime = datetime(2026, 3, 14, 1, 0, tzinfo=UTC)
    """When it begins, with its zone; a real run begins now."""
    site: SiteOf = SiteOf()
    """Where it happens: below."""
    rules: dict[Slug, dict[str, float]] = Field(default_factory=dict)
    """Parameters of rules, as in a site file: `fall: {cancel_s: 5, still_s: 10}`."""
    pace: Pace = Pace()
    """How often devices report: `wristband` (2 minutes), `sensor` (5 minutes)."""
    network_server: bool = False
    """Whether the stand-in network server serves the site too."""
    satellites: bool = False
    """Whether gateways have receivers that know the time of the satellites; for real they have."""
    calm: bool = False
    """For runs of days: gateways beat each 10 minutes and are silent after 25, and the alarm
    program looks at them each 5 minutes."""
    lasts: Seconds = Field(gt=0, le=366 * 86_400)
    """How long it goes on."""
    drains: Seconds = Field(default=30.0, ge=0, le=86_400)
    """How long what is under way may still arrive, when the devices have fallen silent."""
    runs: tuple[Literal["inside", "real"], ...] = Field(default=("inside",), min_length=1)
    """How it can run: in virtual time, with real processes in real time, or both."""
    acts: tuple[AnyAct, ...] = ()
    """What happens."""
    faults: tuple[AnyFault, ...] = ()
    """What goes wrong between packet forwarders and agents."""
    expect: tuple[AnyExpectation, ...] = Field(min_length=1)
    """What must have come of it."""
