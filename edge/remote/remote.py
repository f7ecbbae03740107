"""A configuration from afar is tried, and kept once a heartbeat has been receipted under it.

Whatever happens in a trial ends in the last good configuration: a time that is over, a broker that
is not there, settings that cannot be run on, the end of the process. What is decided is on the disk
before it is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

from edge.remote import memory
from edge.remote.local import Local, find_changed
from edge.remote.memory import Decision, Memory
from edge.settings import EdgeSettings
from khaen import configuration, log
from khaen.clock import Clock
from khaen.configuration import (
    MAX_CHANGED,
    MAX_REASON,
    Configuration,
    ConfigurationState,
    Outcome,
)
from khaen.errors import KhaenError, NotRunnable, SettingsError, WireError
from khaen.ids import GatewayEui

_log = log.logger()
_ENDED = "the agent ended during the trial"


class Agent(Protocol):
    """What is asked of the agent."""

    async def apply(self, settings: EdgeSettings) -> None:
        """Run on other settings. Raises KhaenError where that cannot be."""

    def connected(self) -> frozenset[GatewayEui]:
        """The gateways that are connected now."""

    async def prove(self, gateways: Collection[GatewayEui]) -> None:
        """Return once each of `gateways` has a receipt for a heartbeat stored from now on."""

    def explain(self, gateways: Collection[GatewayEui]) -> str:
        """Why they have none."""

    def tell(self, state: ConfigurationState) -> None:
        """Publish it, if there is a connection."""


class Remote:
    """Decides which settings an agent runs on. `take` and `tell` are called in the loop's thread,
    also before `run`.
    """

    def __init__(self, local: Local, clock: Clock) -> None:
        """Raises SettingsError where the local settings are wrong."""
        self._local, self._clock = local, clock
        self.settings = local.settings()
        """Those that an agent begins with; later those it runs on."""
        self._path, self._confirm_s = self.settings.remote_path, self.settings.remote.confirm_s
        self._memory = memory.load(self._path)
        self._agent: Agent | None = None
        self._waiting: bytes | None = None
        self._news = asyncio.Event()
        self._said: Decision | None = None
        self._recover()

    def _recover(self) -> None:
        """Roll back a trial that the process did not survive; set aside what does not fit here."""
        if (trial := self._memory.trial) is not None:
            self._drop(self._decide(trial, Outcome.ROLLED_BACK, _ENDED))
        if (kept := self._memory.kept) is not None:
            try:
                self.settings = self._local.lay(kept.settings)
            except SettingsError as error:
                reason = f"set aside, for the machine's own settings are others now: {error}"
                self._memory = self._memory.model_copy(update={"kept": None})
                self._drop(self._decide(kept, Outcome.REFUSED, reason))
        self._said = self._memory.decided[-1] if self._memory.decided else None

    # -- what the broker says -----------------------------------------------

    def take(self, payload: bytes) -> None:
        """A document came. One that comes during a trial waits for its end, the last one only."""
        self._waiting = payload
        self._news.set()

    def tell(self) -> None:
        """Say what became of the last document: at each connect, as every retained topic."""
        if (said := self._said) is None or self._agent is None:
            return
        self._agent.tell(
            ConfigurationState(
                at=said.at,
                id=said.id,
                outcome=said.outcome,
                reason=said.reason,
                changed=said.changed,
                configuration=self.settings.fingerprint(),
            )
        )

    # -- what becomes of it -------------------------------------------------

    async def run(self, agent: Agent) -> None:
        """Take what comes, for ever. Raises KhaenError where the last good settings fail, too."""
        self._agent = agent
        self.tell()
        while True:
            await self._news.wait()
            self._news.clear()
            payload, self._waiting = self._waiting, None
            if payload:  # an empty one is a retained document that was taken away
                await self._judge(agent, payload)

    async def _judge(self, agent: Agent, payload: bytes) -> None:
        try:
            wanted = configuration.parse(payload)
        except WireError as error:
            self._say(self._decide(None, Outcome.REFUSED, str(error)))
            return
        if (before := self._memory.find(wanted.id)) is not None:
            if before != self._memory.decided[-1] or before.digest != memory.digest(wanted):
                reason = f"this id had its turn ({before.outcome}): give the document another"
                self._say(self._decide(wanted, Outcome.REFUSED, reason))
            return
        try:
            settings = self._local.lay(wanted.settings)
        except SettingsError as error:
            await asyncio.to_thread(self._drop, self._decide(wanted, Outcome.REFUSED, str(error)))
        else:
            await self._use(agent, wanted, settings)
        self.tell()

    async def _use(self, agent: Agent, wanted: Configuration, settings: EdgeSettings) -> None:
        changed = find_changed(self.settings, settings)
        try:
            if changed:  # a trial that would survive no power cut does not begin
                await self._write(self._memory.begin(wanted))
            else:
                await self._keep(wanted, self._decide(wanted, Outcome.UNCHANGED))
        except NotRunnable as error:
            self._note(self._decide(wanted, Outcome.REFUSED, str(error)))
        else:
            if changed:
                await self._try(agent, wanted, settings, changed)

    async def _try(
        self, agent: Agent, wanted: Configuration, settings: EdgeSettings, changed: tuple[str, ...]
    ) -> None:
        self._say(self._decide(wanted, Outcome.TRYING, changed=changed))
        good = self.settings
        try:
            await self._prove(agent, settings)
            await self._keep(wanted, self._decide(wanted, Outcome.KEPT, changed=changed))
        except KhaenError as error:
            failed = self._decide(wanted, Outcome.ROLLED_BACK, str(error), changed)
            await asyncio.to_thread(self._drop, failed)
            if self.settings is not good:
                self.settings = good
                await agent.apply(good)

    async def _prove(self, agent: Agent, settings: EdgeSettings) -> None:
        """Run on `settings`. Raises KhaenError where they cannot be run on, or the agent is not in
        touch under them in time.
        """
        gateways, good = agent.connected() | {settings.gateway_eui}, self.settings
        self.settings = settings
        try:
            await agent.apply(settings)
        except KhaenError:
            self.settings = good
            raise
        try:
            async with asyncio.timeout(self._confirm_s):
                await agent.prove(gateways)
        except TimeoutError as error:
            reason = agent.explain(gateways)
            raise NotRunnable(f"after {self._confirm_s:g} s: {reason}") from error

    # -- what is remembered -------------------------------------------------

    def _decide(
        self,
        wanted: Configuration | None,
        outcome: Outcome,
        reason: str | None = None,
        changed: tuple[str, ...] = (),
    ) -> Decision:
        return Decision(
            id=None if wanted is None else wanted.id,
            digest="" if wanted is None else memory.digest(wanted),
            at=self._clock.now(),
            outcome=outcome,
            reason=reason and reason[:MAX_REASON],
            changed=changed[:MAX_CHANGED],
        )

    def _note(self, decision: Decision) -> None:
        _log.info(
            "configuration_decided",
            id=decision.id,
            outcome=decision.outcome.value,
            reason=decision.reason,
        )
        self._said = decision

    def _say(self, decision: Decision) -> None:
        self._note(decision)
        self.tell()

    async def _write(self, known: Memory) -> None:
        """Remember; nothing has changed where that raises NotRunnable."""
        await asyncio.to_thread(memory.save, self._path, known)
        self._memory = known

    async def _keep(self, wanted: Configuration, decision: Decision) -> None:
        await self._write(self._memory.decide(decision, kept=wanted))
        self._note(decision)

    def _drop(self, decision: Decision) -> None:
        """Remember that something is not to be. Where the disk refuses, a trial that it still knows
        of is rolled back at the next start.
        """
        self._memory = self._memory.decide(decision, kept=self._memory.kept)
        self._note(decision)
        try:
            memory.save(self._path, self._memory)
        except NotRunnable as error:
            _log.error("configuration_not_remembered", reason=str(error))
