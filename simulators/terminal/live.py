"""A twin that people play with: acts and faults as they are typed, and a picture of it all."""

from __future__ import annotations

import asyncio
import textwrap
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from khaen.clock import Clock
from khaen.errors import KhaenError, StoreUnavailable
from khaen.ids import DevEui, GatewayEui, SubjectId, gateway_subject, person
from khaen.site.model import Site
from simulators.acts import on_air, short_form
from simulators.acts import vocabulary as acts
from simulators.acts.short_form import BadCommand
from simulators.acts.subjects import find_subjects
from simulators.acts.vocabulary import Act
from simulators.ear import Ear
from simulators.faults.catalogue import parse
from simulators.link import Fault, Link
from simulators.mac import Memory
from simulators.roads import Roads
from simulators.terminal.picture import FaultLine, GatewayLine, Happening, Picture
from simulators.terminal.warning import Warnings
from simulators.twin import Twin

LOOK_S: Final = 0.5
_KEPT: Final = 50
_DEVICES: Final = 100
"""Of how many devices a picture tells: more lines than any terminal has."""
_LARGE: Final = 5000
"""With more devices than this a look costs enough to be taken more seldom."""
_DRAIN_LOOKS, _DRAIN_LOOK_S = 20, 0.05
_UNBROKEN: Final = "\N{NO-BREAK SPACE}"
FAULT_HELP: Final = "fault NAME=VALUE[,KEY=VALUE…] | fault off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A gateway's frames as the ledger counts them."""

    committed: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What the ledger says now; `alarms` are the newest, by an id of each state that was told, and
    `raised` the kind of each alarm by its own id.
    """

    gateways: Mapping[GatewayEui, Account] = field(default_factory=dict)
    alarms_open: int = 0
    alarms: Mapping[str, str] = field(default_factory=dict)
    raised: Mapping[str, str] = field(default_factory=dict)


Look = Callable[[], Awaitable[Ledger]]
Accept = Callable[[SubjectId, str], Awaitable[bool]]
"""Takes the open alarm of a subject and a rule; False where none waits."""


class Live:
    """A running twin. `links` are the ways to the broker that can be cut; `look` reads the ledger
    and `accept` takes a case, where there are such; `tell` is told of each happening.
    """

    def __init__(
        self,
        site: Site,
        twin: Twin,
        ear: Ear,
        roads: Roads,
        clock: Clock,
        *,
        links: Mapping[GatewayEui, Link] | None = None,
        look: Look | None = None,
        accept: Accept | None = None,
        tell: Callable[[Happening], None] = lambda _happening: None,
    ) -> None:
        self._site, self._twin, self._ear, self._roads = site, twin, ear, roads
        self._clock, self._links = clock, dict(links or {})
        self._look, self._accept, self._tell = look, accept, tell
        self._subjects = find_subjects(site)
        self._recent: deque[Happening] = deque(maxlen=_KEPT)
        self._ledger: Ledger | None = None
        self._told: set[str] = set()
        self._raised: dict[str, str] = {}
        self._ended: tuple[FaultLine, ...] = ()
        self._warnings = Warnings()
        self._words = self._find_words()
        self._over = asyncio.Event()

    def memories(self) -> dict[DevEui, Memory]:
        """What each device keeps in flash by now."""
        return self._twin.traffic.memories()

    # -- what is typed ----------------------------------------------------------

    async def enter(self, line: str) -> None:
        """Do what a line says, or say in one line why not."""
        try:
            await self._do(line)
        except KhaenError as error:
            self.say(f"✗ {error}")

    def say(self, text: str) -> None:
        """One line more of what happened."""
        happening = Happening(at=self._clock.now(), text=text)
        self._recent.append(happening)
        self._tell(happening)

    def stop(self) -> None:
        """End it in good order."""
        self._over.set()

    async def _do(self, line: str) -> None:
        word, _, rest = line.strip().partition(" ")
        match word.lower():
            case "help" | "?":
                self.say(_fill(self._words.values()))
            case "quit" | "exit":
                self.stop()
            case "fault" if rest.strip() == "off":
                self._end_faults()
                self.say("faults are over")
            case "fault":
                for name in parse(rest.strip()).named_gateways:
                    self._subjects.gateway(name)
                self._roads.add(rest.strip())
                self.say(f"fault begins: {rest.strip()}")
            case _:
                act = short_form.parse(line, self._subjects, self._words)
                await self.perform(act)
                self.say(f"{act.text().th}  ·  {act.text().en}")

    async def perform(self, act: Act) -> None:
        """Have something happen now. Raises BadCommand for what cannot happen here."""
        try:
            done = on_air.perform(act, self._twin.traffic, self._site, self._twin.now)
        except (KeyError, ValueError) as error:
            raise BadCommand(f"{act.act}: {_why(error)}") from error
        if done:
            self._twin.look_again()
            return
        match act:
            case acts.CutGateway() if link := self._link(act.gateway):
                if link.fault is Fault(act.how):
                    raise BadCommand(f"{act.gateway} is cut already ({link.fault})")
                await link.cut(Fault(act.how))
            case acts.RestoreGateway() if link := self._link(act.gateway):
                if link.fault is None:
                    raise BadCommand(f"{act.gateway} was not cut")
                await link.restore()
            case acts.Accept() if self._accept is not None:
                if not await self._accept(self._whose(act), act.which):
                    raise BadCommand(f"no {act.which} of {act.resident or act.gateway} waits")
            case _:
                raise BadCommand(
                    f"{act.act} cannot be done from here; `khaen scenario run` does it inside"
                )

    def _find_words(self) -> dict[str, str]:
        """What can be typed here, each with how to write it."""
        possible = set(on_air.PERFORMS)
        if self._links:
            possible |= {"cut_gateway", "restore_gateway"}
        if self._accept is not None:
            possible.add("accept")
        others = {"fault": FAULT_HELP, "help": "help", "quit": "quit"}
        return short_form.find_words(possible) | others

    def _end_faults(self) -> None:
        self._ended += self._roads.lines()
        self._roads.clear()

    def _whose(self, act: acts.Accept) -> SubjectId:
        if act.resident is not None:
            return person(act.resident)
        return gateway_subject(self._subjects.gateway(act.gateway or ""))

    def _link(self, gateway: str) -> Link | None:
        return self._links.get(self._subjects.gateway(gateway))

    # -- running ----------------------------------------------------------------

    async def run(self, seconds: float, show: Callable[[Picture], None]) -> None:
        """The radio until `seconds` are over, or `stop`; then what is under way may arrive."""
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._twin.run(), name="twin"),
                tasks.create_task(self._watch(show), name="view"),
            ]
            with suppress(TimeoutError):
                async with asyncio.timeout(None if seconds == float("inf") else seconds):
                    await self._over.wait()
            self._twin.stop_radio()
            await self._drain()
            for task in running:
                task.cancel()
        self._end_faults()
        show(replace(self.picture(), faults=self._ended))

    async def _drain(self) -> None:
        """Wait until agents have acknowledged what is under way, for a second at most."""
        for _ in range(_DRAIN_LOOKS):
            if self._twin.quiet:
                return
            await asyncio.sleep(_DRAIN_LOOK_S)

    async def _watch(self, show: Callable[[Picture], None]) -> None:
        pause = LOOK_S * max(1.0, self._ear.count / _LARGE)
        while True:
            if self._look is not None:
                with suppress(StoreUnavailable):
                    self._ledger = await self._look()
                    self._tell_alarms(self._ledger)
            for text in self._warnings.look(self.picture()):
                self.say(f"✗ {text}")
            show(self.picture())
            await asyncio.sleep(pause)

    def _tell_alarms(self, ledger: Ledger) -> None:
        self._raised |= ledger.raised
        for key, text in ledger.alarms.items():
            if key not in self._told:
                self._told.add(key)
                self.say(text)

    # -- the picture ------------------------------------------------------------

    def picture(self) -> Picture:
        """All of it as it is now."""
        now, ear = self._twin.now, self._ear
        return Picture(
            site=self._site.site,
            now=self._clock.now(),
            seconds=now,
            rate=ear.rate(now),
            frames=ear.frames,
            unheard=ear.unheard,
            device_count=ear.count,
            silent_count=ear.silent(now),
            alarms_open=None if self._ledger is None else self._ledger.alarms_open,
            gateways=tuple(self._gateways()),
            devices=ear.devices(now, most=_DEVICES),
            faults=self._roads.lines(),
            recent=tuple(self._recent),
            behind=max(0.0, now - self._twin.traffic.next_at),
            raised=tuple(sorted(Counter(self._raised.values()).items())),
        )

    def _gateways(self) -> list[GatewayLine]:
        tallies, lines = self._twin.tallies(), []
        for gateway in self._site.gateways:
            if (tally := tallies.get(gateway.eui)) is None:
                continue
            account = self._ledger.gateways.get(gateway.eui) if self._ledger else None
            link = self._links.get(gateway.eui)
            lines.append(
                GatewayLine(
                    short=self._subjects.short(gateway.eui),
                    name=gateway.name,
                    sent=tally.sent,
                    acked=tally.acked,
                    committed=None if account is None else account.committed,
                    missing=None if account is None else account.missing,
                    link="" if link is None or link.fault is None else f"cut ({link.fault})",
                )
            )
        return lines


def _fill(words: Iterable[str]) -> str:
    """Lines that a terminal of 80 columns has room for, after the time before the first."""
    text = "   ".join(word.replace(" ", _UNBROKEN) for word in words)
    lines = textwrap.wrap(text, 78, initial_indent=" " * 10, break_on_hyphens=False)
    return "\n".join(lines).lstrip(" ").replace(_UNBROKEN, " ")


def _why(error: Exception) -> str:
    if isinstance(error, KeyError):
        return "that device is not simulated, or is none for it"
    return str(error)
