"""`khaen simulate` as radio: a twin with its view, into a site of its own or into other agents."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from commands.books import Balance
from khaen.alarm import WAITING, Alarm
from khaen.clock import Clock, SystemClock
from khaen.ids import GatewayEui, SubjectId
from khaen.lorawan.crypto import SessionCipher

if TYPE_CHECKING:
    from commands.books import Books
    from deploy.local import Options
    from simulators.carer import Carer
    from simulators.display import Display
    from simulators.link import Link
    from simulators.live import Ledger, Live
    from simulators.roads import Roads
    from simulators.traffic import Pace
    from simulators.twin import Twin
    from simulators.twin_site import Simulated


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What was asked for. `agents` None is a whole site on this machine, kept in `folder`."""

    agents: Mapping[GatewayEui, tuple[str, int]] | None
    folder: Path | None
    options: Options
    begin: datetime | None
    seconds: float
    pace: Pace
    seed: int
    life: float
    faults: tuple[str, ...]
    plain: bool


async def run(simulated: Simulated, play: Play) -> None:
    """Simulate until its time is over, or somebody ends it. Raises NotRunnable, SettingsError."""
    from simulators.display import Display

    display = Display(plain=play.plain)
    if play.agents is not None:
        live = make_live(simulated, play, play.agents, display)
        await _show(live, display, play)
        return
    async with _whole_site(simulated, play, display) as live:
        await _show(live, display, play)


async def _show(live: Live, display: Display, play: Play) -> None:
    """The view and the keyboard for as long as it runs."""
    from simulators.keyboard import Keyboard

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
            await live.run(play.seconds, display.show)
    finally:
        obeying.cancel()
        await asyncio.wait({obeying})


@asynccontextmanager
async def _whole_site(simulated: Simulated, play: Play, display: Display) -> AsyncIterator[Live]:
    """A site's processes on this machine, and a twin that speaks to its agents."""
    from commands.books import Books
    from commands.demonstration import Backhauls
    from commands.premises import let_in, new_folder, started
    from deploy.local import LocalSite
    from simulators.carer import Carer
    from simulators.twin_site import give_agents

    simulated = give_agents(simulated)
    with new_folder(play.folder, "simulate") as folder:
        async with Backhauls() as backhauls:
            local = LocalSite(
                simulated.site,
                simulated.keys,
                folder / "data",
                play.options,
                say=display.say,
                broker_of=backhauls.lay,
            )
            async with started(local):
                _mine, carers = await asyncio.to_thread(let_in, local)
                agents = {eui: local.udp_address(eui) for eui in local.taken.udp}
                books = Books(local.ledger_url)
                try:
                    async with Carer(carers, monotonic=time.monotonic) as carer:
                        office = Office(books, carer)
                        live = make_live(
                            simulated,
                            play,
                            agents,
                            display,
                            links={eui: backhauls.of(eui) for eui in agents},
                            office=office,
                        )
                        live.say(f"console {local.console_url}")
                        live.say(f"sign in: khaen console link --config {local.settings_file}")
                        yield live
                finally:
                    books.close()


class Office:
    """What a running site's ledger says, and a carer who takes a case when she is told to."""

    def __init__(self, books: Books, carer: Carer) -> None:
        self._books, self._carer = books, carer
        self._balance = Balance()

    async def look(self) -> Ledger:
        """The counters and the newest alarms. Raises StoreUnavailable."""
        from simulators.live import Account, Ledger

        balance = self._balance = await asyncio.to_thread(self._books.balance)
        return Ledger(
            gateways={
                eui: Account(committed=sums.lorawan, backlog=sums.in_flight, missing=sums.missing)
                for eui, sums in balance.gateways.items()
            },
            alarms_open=balance.alarms_open,
            alarms={
                f"{alarm.id} {alarm.state} {alarm.presses}": _say(alarm)
                for alarm in reversed(balance.newest)
            },
        )

    async def accept(self, subject: SubjectId, rule: str) -> bool:
        """Take an open case; False where none waits."""
        for alarm in self._balance.newest:
            if (alarm.subject, alarm.rule) == (subject, rule) and alarm.state in WAITING:
                await self._carer.accept(str(alarm.id))
                return True
        return False


def _say(alarm: Alarm) -> str:
    who = alarm.subject.removeprefix("person:")
    late = " (late)" if alarm.late else ""
    return f"เหตุ P{alarm.priority} {alarm.rule} {who}{late}: {alarm.state.replace('_', ' ')}"


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
    from commands.imitated import tell_silent
    from simulators import life
    from simulators.ear import Ear
    from simulators.live import Live
    from simulators.traffic import Traffic
    from simulators.twin import Twin

    site, clock = simulated.site, SystemClock()
    start = play.begin or clock.now()
    traffic = Traffic(site, simulated.keys, seed=play.seed, start=start, pace=play.pace)
    if play.life:
        life.begin(traffic, site, seed=play.seed, often=play.life)
    tell_silent(traffic.silent)
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
    from simulators.roads import Roads
    from simulators.subjects import find_subjects

    subjects = find_subjects(simulated.site)
    ciphers = {
        device.dev_eui: SessionCipher(
            dev_addr=device.dev_addr, nwk_s_key=pair.nwk_s_key, app_s_key=pair.app_s_key
        )
        for device in simulated.site.devices
        if device.dev_addr is not None and (pair := simulated.keys.get(device.dev_eui))
    }
    names = {subjects.short(eui): str(eui) for eui in subjects.gateways} | dict(subjects.residents)
    return Roads(twin.forwarders, clock, seed=seed, names=names, ciphers=ciphers)
