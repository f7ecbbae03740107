"""Running a scenario inside one process, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simulators.acts.vocabulary import Act
from simulators.inside.world import CALM, REAL, World
from simulators.scenario.evidence import Evidence
from simulators.scenario.judging import Line, judge
from simulators.scenario.loader import Loaded
from simulators.traffic import Pace

Tell = Callable[[float, Act], None]
"""Told of each act as it happens, with the seconds from the start."""


def run(loaded: Loaded, folder: Path, tell: Tell = lambda _at, _act: None) -> tuple[Line, ...]:
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
            world.advance(act.at)
            tell(act.at, act)
            if act.name is not None:
                began[act.name] = act.at
            world.perform(act)
        world.advance(scenario.lasts)
        world.stop_radio()
        world.advance(scenario.lasts + scenario.drains)
        return _judge(loaded, world, began)


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
