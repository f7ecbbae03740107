"""A whole site of its own for `khaen simulate`: processes, network server, a carer, a ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import TYPE_CHECKING

from commands.books import Balance, Books
from khaen.alarm import WAITING, Alarm
from khaen.errors import NotRunnable
from khaen.ids import SubjectId

if TYPE_CHECKING:
    from commands.simulation import Play
    from deploy.local import LocalSite
    from simulators.carer import Carer
    from simulators.sites.twin import Simulated
    from simulators.terminal.display import Display
    from simulators.terminal.live import Ledger, Live


@asynccontextmanager
async def whole_site(simulated: Simulated, play: Play, display: Display) -> AsyncIterator[Live]:
    """A site's processes on this machine, and a twin that speaks to its agents."""
    from commands.demonstration import Backhauls
    from commands.imitated import keep_site
    from commands.premises import let_in, new_folder, started
    from commands.simulation import make_live
    from deploy.local import LocalSite
    from simulators.carer import Carer
    from simulators.sites.twin import give_agents

    simulated = give_agents(simulated)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(new_folder(play.folder, "simulate"))
        if play.folder is not None:
            keep_site(simulated, folder, play.seed)
        backhauls = await stack.enter_async_context(Backhauls())
        local = LocalSite(
            simulated.site,
            simulated.keys,
            folder / "data",
            play.options,
            say=display.say,
            broker_of=backhauls.lay,
        )
        await stack.enter_async_context(started(local))
        if play.network_server:
            await stack.enter_async_context(_network_server(local, simulated, play.seed))
        _mine, carers = await asyncio.to_thread(let_in, local)
        books = stack.enter_context(closing(Books(local.ledger_url)))
        carer = await stack.enter_async_context(Carer(carers, monotonic=time.monotonic))
        agents = {eui: local.udp_address(eui) for eui in local.taken.udp}
        live = make_live(
            simulated,
            play,
            agents,
            display,
            links={eui: backhauls.of(eui) for eui in agents},
            office=Office(books, carer),
        )
        live.say(f"console {local.console_url}")
        live.say(f"sign in: khaen console link --config {local.settings_file}")
        yield live


@asynccontextmanager
async def _network_server(local: LocalSite, simulated: Simulated, seed: int) -> AsyncIterator[None]:
    """The stand-in for ChirpStack, by its account at the site's broker. Raises NotRunnable."""
    from deploy.access import NETWORK_SERVER
    from khaen.mqtt import MqttSettings
    from simulators.network.plan import Network
    from simulators.network_server import NetworkServer
    from simulators.served import register

    host, port = local.broker_address
    password_file = local.credentials.password_file(NETWORK_SERVER)
    settings = MqttSettings(
        host=host, port=port, username=NETWORK_SERVER, password_file=password_file
    )
    network = Network(region=local.site.lorawan.topic_prefix)
    server = NetworkServer(settings, seed=str(seed), network=network)
    register(server.core, simulated)
    try:
        await server.start()
    except TimeoutError as error:
        raise NotRunnable(f"{host}:{port}: the broker lets no network server in") from error
    try:
        yield
    finally:
        await server.stop()


class Office:
    """What a running site's ledger says, and a carer who takes a case when she is told to."""

    def __init__(self, books: Books, carer: Carer) -> None:
        self._books, self._carer = books, carer
        self._balance = Balance()

    async def look(self) -> Ledger:
        """The counters and the newest alarms. Raises StoreUnavailable."""
        from simulators.terminal.live import Account, Ledger

        balance = self._balance = await asyncio.to_thread(self._books.balance)
        return Ledger(
            gateways={
                eui: Account(committed=sums.lorawan, missing=sums.missing)
                for eui, sums in balance.gateways.items()
            },
            alarms_open=balance.alarms_open,
            alarms={
                f"{alarm.id} {alarm.state} {alarm.presses}": _say(alarm)
                for alarm in reversed(balance.newest)
            },
            raised={str(alarm.id): f"P{alarm.priority} {alarm.rule}" for alarm in balance.newest},
        )

    async def accept(self, subject: SubjectId, rule: str) -> bool:
        """Take an open case; False where none waits."""
        for alarm in self._balance.newest:
            if (alarm.subject, alarm.rule) == (subject, rule) and alarm.state in WAITING:
                await self._carer.accept(str(alarm.id))
                return True
        return False


def _say(alarm: Alarm) -> str:
    from console.text import say_best

    who = alarm.subject.removeprefix("person:")
    late = " (late)" if alarm.late else ""
    keys = (f"alarm.{alarm.rule}.{alarm.reason}", f"alarm.{alarm.rule}", "alarm.other")
    thai = say_best("th", *keys, who=who, rule=alarm.rule)
    state = alarm.state.replace("_", " ")
    return f"เหตุ {thai}  ·  P{alarm.priority} {alarm.rule} {who}{late}: {state}"
