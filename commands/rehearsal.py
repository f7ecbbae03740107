"""A scenario with real processes, sockets and time: what `khaen scenario run --real` does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from commands.demonstration import Backhauls
from commands.premises import let_in, started, until_stopped
from deploy.local import LocalSite, Options
from deploy.ports import ANY
from khaen.clock import SystemClock
from khaen.errors import KhaenError
from khaen.ids import gateway_subject, person
from simulators.acts import on_air
from simulators.acts import vocabulary as acts
from simulators.acts.vocabulary import Act
from simulators.air.radio import Hearing
from simulators.carer import Carer
from simulators.devices.device import Transmission
from simulators.link import Fault
from simulators.scenario.evidence import Evidence
from simulators.scenario.judging import Line, judge
from simulators.scenario.loader import Loaded
from simulators.traffic import Pace, Traffic
from simulators.twin import Twin
from store import accounts
from store.database import Database

LOOK_S: Final = 0.5
"""While it drains, the accounts are looked at this often."""

Tell = Callable[[float, Act], None]


class NotInReality(KhaenError):
    """An act that real processes cannot be made to live."""


def run(loaded: Loaded, folder: Path, tell: Tell) -> tuple[Line, ...] | None:
    """Run it with all files in `folder`; a line for each expectation, None when a signal ended it.

    Raises NotRunnable.
    """
    return asyncio.run(until_stopped(_rehearse(loaded, folder, tell)))


async def _rehearse(loaded: Loaded, folder: Path, tell: Tell) -> tuple[Line, ...]:
    async with Backhauls() as backhauls:
        options = Options(ports=ANY, log_level="WARNING")
        local = LocalSite(
            loaded.site,
            loaded.keys,
            folder / "data",
            options,
            say=lambda _text: None,
            broker_of=backhauls.lay,
        )
        async with started(local):
            _, link = await asyncio.to_thread(let_in, local)
            async with Carer(link, monotonic=SystemClock().monotonic) as carer:
                rehearsal = Rehearsal(loaded, local, backhauls, carer)
                await rehearsal.play(tell)
            return await asyncio.to_thread(rehearsal.judge)


class Rehearsal:
    """A scenario on a site that runs; made when its radio is to begin."""

    def __init__(
        self, loaded: Loaded, local: LocalSite, backhauls: Backhauls, carer: Carer
    ) -> None:
        self._loaded, self._local = loaded, local
        self._backhauls, self._carer = backhauls, carer
        self._clock = SystemClock()
        self._start = self._clock.now()
        self._began: dict[str, float] = {}
        self._sent: dict[bytes, float] = {}
        self._cases: dict[tuple[str, str], str] = {}
        scenario, site = loaded.scenario, loaded.site
        self._traffic = Traffic(
            site,
            loaded.keys,
            seed=scenario.seed,
            start=self._start,
            pace=Pace(wristband=scenario.pace.wristband, sensor=scenario.pace.sensor),
        )
        self._traffic.listen(self._note)
        self._twin = Twin(
            self._traffic,
            {gateway.eui: gateway for gateway in site.gateways},
            {gateway.eui: local.udp_address(gateway.eui) for gateway in site.gateways},
            self._clock,
        )

    async def play(self, tell: Tell) -> None:
        """Do every act at its time, then let what is under way arrive.

        Raises what the first part that failed raised.
        """
        try:
            await self._play(tell)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _play(self, tell: Tell) -> None:
        scenario = self._loaded.scenario
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._twin.run(), name="twin"),
                tasks.create_task(self._watch(), name="carer"),
            ]
            for act in sorted(scenario.acts, key=lambda act: act.at):
                await self._sleep_until(act.at)
                tell(act.at, act)
                if act.name is not None:
                    self._began[act.name] = self._twin.now
                await self._perform(act)
            await self._sleep_until(scenario.lasts)
            self._twin.stop_radio()
            with suppress(TimeoutError):
                async with asyncio.timeout(scenario.drains):
                    await self._drained()
            for task in running:
                task.cancel()

    def judge(self) -> tuple[Line, ...]:
        """Look into the ledger. Blocks."""
        database = Database(self._local.ledger_url)
        try:
            with database.read() as connection:
                evidence = Evidence(
                    connection=connection,
                    subjects=self._loaded.subjects,
                    start=self._start,
                    ended=self._clock.now(),
                    began=self._began,
                    sent_at=self._sent.get,
                    tallies=self._twin.tallies(),
                )
                return tuple(judge(each, evidence) for each in self._loaded.scenario.expect)
        finally:
            database.close()

    async def _perform(self, act: Act) -> None:
        if on_air.perform(act, self._traffic, self._loaded.site, self._twin.now):
            self._twin.look_again()
            return
        subjects = self._loaded.subjects
        match act:
            case acts.CutGateway():
                await self._backhauls.of(subjects.gateway(act.gateway)).cut(Fault(act.how))
            case acts.RestoreGateway():
                await self._backhauls.of(subjects.gateway(act.gateway)).restore()
            case acts.Accept():
                subject = (
                    person(str(act.resident))
                    if act.gateway is None
                    else gateway_subject(subjects.gateway(act.gateway))
                )
                if (case := self._cases.get((subject, act.which))) is not None:
                    await self._carer.accept(case)
            case _:
                raise NotInReality(f"{act.act}: a real run has no such act")

    async def _watch(self) -> None:
        async for seen in self._carer.watch():
            self._cases[seen.key] = seen.id

    async def _sleep_until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self._twin.now))

    async def _drained(self) -> None:
        """Wait until what was acknowledged is committed."""
        while True:
            if self._twin.quiet and await asyncio.to_thread(self._is_whole):
                return
            await asyncio.sleep(LOOK_S)

    def _is_whole(self) -> bool:
        database = Database(self._local.ledger_url)
        try:
            with database.read() as connection:
                rows = accounts.audit(connection)
        finally:
            database.close()
        return not any(row.missing or row.in_flight for row in rows)

    def _note(self, sent: Transmission, _hearings: tuple[Hearing, ...]) -> None:
        self._sent.setdefault(sent.phy, self._twin.now)
