"""Running a scenario inside one process, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from simulators.acts.vocabulary import Act
from simulators.inside.world import CALM, REAL, World
from simulators.scenario.evidence import Evidence
from simulators.scenario.judging import Line, judge
from simulators.scenario.loader import Loaded
from simulators.traffic import Pace

Tell = Callable[[float, Act], None]
"""Told of each act as it happens, with the seconds from the start."""
Look = Callable[[float], None]
"""Told each virtual minute how many seconds have passed; what it raises ends the run in order."""
_STEP_S: Final = 60.0


def run(
    loaded: Loaded,
    folder: Path,
    tell: Tell = lambda _at, _act: None,
    look: Look = lambda _now: None,
) -> tuple[Line, ...]:
    """Run it with all files in `folder`, which must be empty; a line for each expectation.

    Raises StoreUnavailable where the folder cannot be written.
    """
    scenario = loaded.scenario
    with World(
        loaded.site,
        loaded.keys,
        seed=scenario.seed,
        start=scenario.start,
        folder=folder,
        pace=Pace(wristband=scenario.pace.wristband, sensor=scenario.pace.sensor),
        network_server=scenario.network_server,
        satellites=scenario.satellites,
        cadence=CALM if scenario.calm else REAL,
        faults=scenario.faults,
    ) as world:
        began: dict[str, float] = {}
        for act in sorted(scenario.acts, key=lambda act: act.at):
            _pass(world, act.at, look)
            tell(act.at, act)
            if act.name is not None:
                began[act.name] = act.at
            world.perform(act)
        _pass(world, scenario.lasts, look)
        world.stop_radio()
        _pass(world, scenario.lasts + scenario.drains, look)
        return _judge(loaded, world, began)


def _pass(world: World, until: float, look: Look) -> None:
    """Let time pass in steps, between which one can look and end it."""
    while world.now + _STEP_S < until:
        look(world.now)
        world.advance(world.now + _STEP_S)
    look(world.now)
    world.advance(until)


def _judge(loaded: Loaded, world: World, began: dict[str, float]) -> tuple[Line, ...]:
    with world.database.read() as connection:
        evidence = Evidence(
            connection=connection,
            subjects=loaded.subjects,
            start=world.start,
            ended=world.clock.now(),
            began=began,
            sent_at=world.sent_at,
            tallies=world.twin.tallies(),
            events={} if world.network is None else world.network.told,
        )
        return tuple(judge(expectation, evidence) for expectation in loaded.scenario.expect)
