"""The simulated part of `khaen demo`: the twin of the site, its story, and who watches it.

It runs in this process, everything that it talks to in processes of its own. The twin counts by
itself what agents acknowledged; at the end that must be what the ledger holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from commands.books import Balance, Books
from commands.screen import Screen, summarise
from deploy.local import Address, LocalSite
from khaen.clock import SystemClock
from khaen.errors import StoreUnavailable
from khaen.ids import AlarmId, DevEui, GatewayEui
from khaen.site.model import Gateway
from simulators.air.radio import Hearing
from simulators.carer import Carer, Seen
from simulators.link import Link
from simulators.payloads.wristband import SOS_PORT
from simulators.sites.demonstration import CALLER, CUT_GATEWAY, FALLER, Demonstration
from simulators.story import Act, Kind, Sight, Story
from simulators.traffic import Traffic
from simulators.twin import Tally, Twin

RADIO_OFF_S: Final = 5.0
"""The radio stops so long before the end …"""
DRAIN_S: Final = 10.0
"""… and what is under way then has so long to arrive, at most."""
LOOK_S: Final = 0.5
"""The counters are read this often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a demonstration came to; `latencies` of calls, in seconds from datagram to screen."""

    balance: Balance
    tallies: Mapping[GatewayEui, Tally]
    story: Story
    latencies: tuple[float, ...]

    @property
    def lost(self) -> int:
        """Frames that an agent acknowledged and the ledger does not hold."""
        return sum(
            max(0, tally.acked - self.balance.of(eui).lorawan)
            for eui, tally in self.tallies.items()
        )

    @property
    def unexplained(self) -> int:
        """Frames that the ledger holds and no forwarder can have sent."""
        return sum(
            max(0, self.balance.of(eui).lorawan - tally.sent) for eui, tally in self.tallies.items()
        )

    @property
    def failures(self) -> tuple[str, ...]:
        """Why this was no success, in words; empty when it was one."""
        words = [] if any(t.acked for t in self.tallies.values()) else ["nothing was heard"]
        if self.lost:
            words.append(f"{self.lost} acknowledged frames are not in the ledger")
        if self.unexplained:
            words.append(f"{self.unexplained} frames are in the ledger and were never sent")
        words += [
            f"{self.balance.total(name)} {text}"
            for name, text in (("missing", "numbers are missing"), ("gone", "numbers are gone"))
            if self.balance.total(name)
        ]
        words += [f"not seen in time: {line.expectation.en}" for line in self.story.failures]
        return tuple(words)


class Backhauls:
    """A link that can be cut between each gateway's agent and the broker."""

    def __init__(self) -> None:
        self._links: dict[GatewayEui, Link] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for link in self._links.values():
            await link.close()

    async def lay(self, gateway: GatewayEui, broker: Address) -> Address:
        """Where a gateway's agent finds the broker from now on."""
        link = self._links[gateway] = Link(broker)
        await link.open()
        return link.host, link.port

    def of(self, gateway: GatewayEui) -> Link:
        """The link of a gateway. Raises KeyError where none was laid."""
        return self._links[gateway]


class Stage:
    """The simulated part of a running demonstration."""

    def __init__(
        self,
        demonstration: Demonstration,
        local: LocalSite,
        backhauls: Backhauls,
        screen: Screen,
        *,
        patience: float,
    ) -> None:
        self._local, self._backhauls = local, backhauls
        self._screen, self._patience = screen, patience
        self._site = demonstration.site
        self._clock = SystemClock()
        self._gateways: dict[GatewayEui, Gateway] = {g.eui: g for g in self._site.gateways}
        self._cut = self._site.gateways[CUT_GATEWAY].eui
        self._traffic = Traffic(
            self._site,
            demonstration.keys,
            seed=demonstration.seed,
            start=self._clock.now(),
        )
        self._twin: Twin | None = None
        self._story = Story(now=lambda: self.now, tell=screen.tell, patience=patience)
        self._called: dict[DevEui, float] = {}
        self._latencies: list[float] = []
        self._late_before = 0
        self._looked = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []
        self.balance = Balance()

    @property
    def now(self) -> float:
        """Seconds since the first frame."""
        return self._twin.now if self._twin is not None else 0.0

    # -- running ------------------------------------------------------------

    async def run(self, carer: Carer, books: Books, seconds: float | None) -> Outcome:
        """Play until `seconds` are over (None: until cancelled), drain, and say what it came to."""
        agents = {eui: self._local.udp_address(eui) for eui in self._gateways}
        twin = self._twin = Twin(
            self._traffic, self._gateways, agents, self._clock, pushed=self._note_push
        )
        radio = None if seconds is None else max(1.0, seconds - RADIO_OFF_S)
        async with asyncio.TaskGroup() as tasks:
            for name, work in (
                ("twin", twin.run()),
                ("carer", self._watch(carer, tasks)),
                ("counters", self._look(books)),
                ("story", self._play(radio)),
            ):
                self._running.append(tasks.create_task(work, name=name))
            await self._sleep_until(radio)
            twin.stop_radio()
            # A story that is cut short leaves nobody cut off: what that gateway kept is to arrive.
            await self._backhauls.of(self._cut).restore()
            self._screen.tell(self.now, "วิทยุหยุดส่ง รอข้อมูลที่ค้าง", "radio off, draining")
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await self._drained()
            for task in self._running:
                task.cancel()
        self.balance = await asyncio.to_thread(books.balance)
        self._screen.say(f"{self.now:6.1f} s  {summarise(self.balance, twin.tallies())}")
        return Outcome(
            balance=self.balance,
            tallies=twin.tallies(),
            story=self._story,
            latencies=tuple(self._latencies),
        )

    async def _sleep_until(self, at: float | None) -> None:
        if at is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(max(0.0, at - self.now))

    async def _drained(self) -> None:
        """Wait until what was acknowledged is committed, and what was expected is seen."""
        assert self._twin is not None
        while not (self._twin.quiet and self._story.told and self._settled()):
            self._looked.clear()
            await self._looked.wait()

    def _settled(self) -> bool:
        assert self._twin is not None
        balance = self.balance
        arrived = all(
            balance.of(eui).lorawan >= tally.acked for eui, tally in self._twin.tallies().items()
        )
        return arrived and not balance.total("missing") and not balance.total("in_flight")

    # -- the story ----------------------------------------------------------

    async def _play(self, until: float | None) -> None:
        for act in self._story.acts:
            if until is not None and act.at >= until:
                return
            await self._sleep_until(act.at)
            self._story.begin(act)
            await self._perform(act)

    async def _perform(self, act: Act) -> None:
        assert self._twin is not None
        match act.kind:
            case Kind.PRESS:
                self._traffic.press(CALLER, act.at)
            case Kind.FALL:
                cancel_s = self._site.rules["fall"]["cancel_s"]
                self._traffic.fall(FALLER, act.at, cancel_s=cancel_s)
            case Kind.CUT:
                await self._backhauls.of(self._cut).cut()
            case Kind.RESTORE:
                self._late_before = self.balance.of(self._cut).late
                await self._backhauls.of(self._cut).restore()
        self._twin.look_again()

    def _note_push(self, hearing: Hearing, at: float) -> None:
        """The first datagram of a call starts the clock; its repeats do not."""
        sent = hearing.transmission
        if sent.f_port == SOS_PORT:
            self._called.setdefault(sent.dev_eui, at)

    # -- the screen ---------------------------------------------------------

    async def _watch(self, carer: Carer, tasks: asyncio.TaskGroup) -> None:
        offered: set[str] = set()
        async for seen in carer.watch():
            self._story.watch(seen)
            self._measure(seen)
            if seen.alarm["waiting"] and seen.alarm["class"] == "care" and seen.id not in offered:
                offered.add(seen.id)
                accept = self._accept_later(carer, seen.id)
                self._running.append(tasks.create_task(accept, name=f"accept {seen.id}"))

    def _measure(self, seen: Seen) -> None:
        subject, rule = seen.key
        dev_eui = self._traffic.residents.get(subject.removeprefix("person:"))
        if rule == "sos" and seen.alarm["change"] == "raised" and dev_eui in self._called:
            self._latencies.append(seen.at - self._called[dev_eui])

    async def _accept_later(self, carer: Carer, alarm_id: str) -> None:
        """A person before the screen goes first; who has it already keeps it."""
        await asyncio.sleep(self._patience)
        await carer.accept(alarm_id)

    # -- the books ----------------------------------------------------------

    async def _look(self, books: Books) -> None:
        assert self._twin is not None
        while True:
            with suppress(StoreUnavailable):
                self.balance = await asyncio.to_thread(books.balance)
                await self._notice(books)
                self._screen.show(self.now, self.balance, self._twin.tallies())
                self._looked.set()
            await asyncio.sleep(LOOK_S)

    async def _notice(self, books: Books) -> None:
        calls = [AlarmId(UUID(id_)) for id_ in self._story.calls]
        if len(calls) == 1:
            gateways = await asyncio.to_thread(books.hearing_gateways, calls)
            if gateways >= 2:
                self._story.notice(Sight.CALL_ONCE, gateways=gateways)
        restored = self._story.lines[Sight.LATE_FRAMES]
        late = self.balance.of(self._cut).late - self._late_before
        if restored.began is not None and late > 0 and not self.balance.of(self._cut).missing:
            self._story.notice(Sight.LATE_FRAMES, frames=late)
        if restored.seen is not None and self._settled():
            self._story.notice(Sight.NOTHING_MISSING)
