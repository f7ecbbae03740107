"""Ordinary life at a site: what befalls its elders by chance, day after day."""

from __future__ import annotations

from functools import partial

from khaen.site.model import Site
from simulators.acts import on_air
from simulators.acts.vocabulary import Act
from simulators.people.chances import befall, usual_oxygen
from simulators.traffic import Traffic

_DAY_S = 86_400.0


def begin(traffic: Traffic, site: Site, *, seed: int, often: float = 1.0) -> None:
    """Let it happen from now on, `often` times as often as usual; a few elders have COPD."""
    for resident in traffic.residents:
        traffic.elder(resident).oxygen = usual_oxygen(resident, seed)

    def do(act: Act, now: float) -> None:
        on_air.perform(act, traffic, site, now)

    def plan(now: float) -> None:
        for at, act in befall(traffic.residents, seed, traffic.time(now), 1, often=often):
            traffic.agenda.at((at - traffic.start).total_seconds(), partial(do, act))
        traffic.agenda.at(now + _DAY_S, plan)

    plan(0.0)
