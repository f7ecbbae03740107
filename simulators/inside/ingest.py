"""Ingest in a virtual world: the real subscriber and pipeline, moved by the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from pydantic import SecretBytes

from alarms import engine
from ingest.in_process import InProcess
from ingest.item import Arrival
from ingest.judgement import Judgement
from ingest.subscriber import Subscriber, acknowledge
from khaen.clock import Clock
from khaen.evaluation import Evaluation, Observation, SubjectState
from khaen.mqtt import Client, Connect, Handlers, Message, MqttSettings, Session
from khaen.settings import IngestSettings
from store import liveness
from store.database import Database

_ALERT: Final = "alert:"


class VirtualIngest:
    """`stirred` is called after a commit that may have raised, changed or planned something."""

    def __init__(
        self,
        database: Database,
        key: SecretBytes,
        clock: Clock,
        connect: Connect,
        stirred: Callable[[], None],
    ) -> None:
        self._settings = IngestSettings()
        self._clock, self._connect, self._stirred = clock, connect, stirred
        self._database = database
        self._arrived = asyncio.Event()
        self._since = clock.now()
        self._judged = False
        judgement = Judgement(evaluator=self._evaluate)
        self.process = InProcess(database, key, clock, judgement=judgement, publish=self._publish)
        self._subscriber = Subscriber(
            MqttSettings(),
            self._settings,
            clock,
            self.process.receipts.connected,
            self._connect_listening,
        )

    def start(self) -> None:
        """Connect."""
        self._subscriber.start()

    def stop(self) -> None:
        """Take no more."""
        self._subscriber.stop()

    async def run(self) -> None:
        """Commit what comes and say receipts, for ever."""
        while True:
            wait = self.process.publish_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._arrived.wait()
            if self._arrived.is_set():
                await asyncio.sleep(self._settings.group_ms / 1000)
                self._arrived.clear()
                while group := self._gather():
                    self._commit(group)

    def beat(self) -> None:
        """Say that ingest works, while it is subscribed; the real one does each 2 s."""
        if not self._subscriber.connected:
            self._since = self._clock.now()
            return
        with self._database.write() as tx:
            liveness.beat(tx, liveness.INGEST, self._since)

    def _gather(self) -> list[Arrival]:
        group: list[Arrival] = []
        while len(group) < self._settings.group_frames:
            arrival = self._subscriber.take(0.0)
            if arrival is None:
                break
            group.append(arrival)
        return group

    def _commit(self, group: list[Arrival]) -> None:
        self._judged = False
        counts = self.process.commit(group)
        for arrival in group:
            acknowledge(arrival)
        if self._judged or any(count.startswith(_ALERT) for count in counts):
            self._stirred()

    def _evaluate(
        self,
        observation: Observation,
        state: SubjectState,
        parameters: Mapping[str, Mapping[str, float]],
        now: datetime,
    ) -> Evaluation:
        self._judged = True
        return engine.evaluate(observation, state, parameters, now)

    def _connect_listening(
        self, mqtt: MqttSettings, session: Session, handlers: Handlers
    ) -> Client:
        """The client, whose messages also wake `run`."""
        receive = handlers.message

        def message(received: Message) -> None:
            receive(received)
            self._arrived.set()

        handlers.message = message
        return self._connect(mqtt, session, handlers)

    def _publish(self, topic: str, payload: bytes) -> bool:
        live = self._subscriber.clients()[0]
        return live.publish(topic, payload, retain=True) is not None
