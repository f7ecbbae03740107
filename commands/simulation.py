"""`khaen simulate` as radio: a twin with its view, into a site of its own or into other agents."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from khaen.clock import Clock, SystemClock
from khaen.ids import GatewayEui
from khaen.lorawan.crypto import SessionCipher

if TYPE_CHECKING:
    from commands.own_site import Office
    from deploy.local import Options
    from simulators.link import Link
    from simulators.roads import Roads
    from simulators.sites.twin import Simulated
    from simulators.terminal.display import Display
    from simulators.terminal.live import Live
    from simulators.traffic import Pace
    from simulators.twin import Twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What was asked for. `agents` None is a whole site on this machine, kept in `folder`. In
    `memory` devices keep their counters, into `join_keys` go the keys of those that join.
    """

    agents: Mapping[GatewayEui, tuple[str, int]] | None
    folder: Path | None
    options: Options
    begin: datetime | None
    seconds: float
    pace: Pace
    seed: int
    life: float
    faults: tuple[str, ...]
    network_server: bool
    memory: Path | None
    join_keys: Path | None
    plain: bool


async def run(simulated: Simulated, play: Play) -> None:
    """Simulate until its time is over, or somebody ends it. Raises NotRunnable, SettingsError."""
    from commands.remembered import write_join_keys
    from simulators.served import serve
    from simulators.terminal.display import Display

    if play.network_server:
        simulated = serve(simulated, seed=play.seed)
    if play.join_keys is not None:
        write_join_keys(play.join_keys, simulated.join_keys)
    display = Display(plain=play.plain)
    if play.agents is not None:
        live = make_live(simulated, play, play.agents, display)
        await _show(live, display, play)
        return
    from commands.own_site import whole_site

    async with whole_site(simulated, play, display) as live:
        await _show(live, display, play)


async def _show(live: Live, display: Display, play: Play) -> None:
    """The view and the keyboard for as long as it runs."""
    from commands.remembered import remembering
    from simulators.terminal.keyboard import Keyboard

    loop = asyncio.get_running_loop()
    entered: asyncio.Queue[str] = asyncio.Queue(maxsize=100)

    async def obey() -> None:
        while True:
            await live.enter(await entered.get())
            display.refresh()

    def take(line: str) -> None:
        if not entered.full():
            entered.put_nowait(line)

    obeying = loop.create_task(obey(), name="commands")
    try:
        with ExitStack() as stack:
            stack.enter_context(display)
            if sys.stdin is not None and not sys.stdin.closed:
                keyboard = Keyboard(
                    sys.stdin.fileno(),
                    take,
                    changed=display.refresh,
                    # A pipe that ends has said all that it wanted; at a terminal it is Ctrl-D.
                    ended=live.stop if sys.stdin.isatty() else lambda: None,
                )
                display.keyboard = stack.enter_context(keyboard)
            async with remembering(play.memory, live.memories):
                await live.run(play.seconds, display.show)
    finally:
        obeying.cancel()
        await asyncio.wait({obeying})


def make_live(
    simulated: Simulated,
    play: Play,
    agents: Mapping[GatewayEui, tuple[str, int]],
    display: Display,
    *,
    links: Mapping[GatewayEui, Link] | None = None,
    office: Office | None = None,
) -> Live:
    """A twin with all that can happen to it."""
    from commands.imitated import spread, tell_silent
    from commands.remembered import recall
    from simulators.acts import life
    from simulators.ear import Ear
    from simulators.terminal.live import Live
    from simulators.traffic import Traffic
    from simulators.twin import Twin

    site, clock = simulated.site, SystemClock()
    start = play.begin or clock.now()
    traffic = Traffic(
        site,
        simulated.keys,
        seed=play.seed,
        start=start,
        pace=spread(play.pace, site),
        join_keys=simulated.join_keys,
        memories=recall(play.memory),
    )
    if play.life:
        life.begin(traffic, site, seed=play.seed, often=play.life)
    tell_silent(site, traffic)
    ear = Ear(site, traffic)
    twin = Twin(traffic, {gateway.eui: gateway for gateway in site.gateways}, agents, clock)
    roads = make_roads(twin, simulated, clock, play.seed)
    for fault in play.faults:
        roads.add(fault)
    return Live(
        site,
        twin,
        ear,
        roads,
        clock,
        links=links,
        look=None if office is None else office.look,
        accept=None if office is None else office.accept,
        tell=display.tell,
    )


def make_roads(twin: Twin, simulated: Simulated, clock: Clock, seed: int) -> Roads:
    """The roads to the agents, with the names and sessions that faults may ask for."""
    from simulators.acts.subjects import find_subjects
    from simulators.roads import Roads

    subjects = find_subjects(simulated.site)
    ciphers = {
        device.dev_eui: SessionCipher(
            dev_addr=device.dev_addr, nwk_s_key=pair.nwk_s_key, app_s_key=pair.app_s_key
        )
        for device in simulated.site.devices
        if device.dev_addr is not None and (pair := simulated.keys.get(device.dev_eui))
    }
    return Roads(twin.forwarders, clock, seed=seed, names=subjects.names(), ciphers=ciphers)
