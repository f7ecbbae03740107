"""The event stream: what changed, to every open screen that may see it, without a gap.

`alarm` events carry the journal's position as their id, so that Last-Event-ID resumes exactly
there; a `beat` every few seconds proves the whole road from the ledger to the screen. A screen
that asks from too far back, or from a position that this ledger never had, gets `reset`: read
everything anew. One that cannot keep up is dropped, comes again, and misses nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from console.follower import Announcement, Follower, announcements
from console.house import House, Visit
from khaen.clock import format_time
from store.users import Session

BEAT_S = 3.0
QUEUE = 256
"""Events held for one screen."""
REPLAY_MAX = 100_000
"""Journal positions: from further back a screen reads everything anew."""
RETRY_MS = 1000
PER_SESSION = 64
"""Open screens of one session: a browser has six at most. More, and the oldest goes."""


class Connection:
    """One open screen."""

    def __init__(self, session: Session, sees: Callable[[str], bool], position: int) -> None:
        self.session = session
        self.sees = sees
        self.joined_at = position
        """All that comes after it will be in the queue."""
        self.queue: asyncio.Queue[str] = asyncio.Queue(QUEUE)
        self.dropped = asyncio.Event()

    def offer(self, text: str) -> None:
        """Hand over an event, or give the screen up when it does not keep up."""
        try:
            self.queue.put_nowait(text)
        except asyncio.QueueFull:
            self.dropped.set()


class Hub:
    """All open screens; lives in the event loop, fed by the follower's thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._loop = asyncio.get_running_loop()
        self._connections: dict[Connection, None] = {}  # oldest first
        self._position = 0
        self._beating: asyncio.Task[None] | None = None
        self._follower = Follower(
            house,
            deliver=lambda told, upto: self._from_thread(self._tell, told, upto),
            connected=lambda: [c.session.digest for c in tuple(self._connections)],
            dismiss=lambda digests: self._from_thread(self._dismiss, digests),
        )

    def start(self) -> None:
        """Follow the journal from its present end."""
        self._position = self._follower.position
        self._follower.start()
        self._beating = asyncio.create_task(self._beat(), name="console-beat")

    def close(self) -> None:
        """Let all streams end; new ones end at once."""
        self._follower.stop()
        for connection in self._connections:
            connection.dropped.set()

    async def stop(self) -> None:
        """Close, and wait until nothing runs any more."""
        self.close()
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        await run_in_threadpool(self._follower.join)

    def join(self, visit: Visit) -> Connection:
        """A new open screen."""
        house, organisation = self._house, visit.session.user.organisation
        connection = Connection(
            visit.session, lambda of: of in house.visible(organisation), self._position
        )
        own = [c for c in self._connections if c.session.digest == visit.session.digest]
        if len(own) >= PER_SESSION:
            own[0].dropped.set()
        self._connections[connection] = None
        return connection

    def leave(self, connection: Connection) -> None:
        """The screen is gone."""
        self._connections.pop(connection, None)

    @property
    def position(self) -> int:
        """How far the journal has been told; what is read after asking shows at least that."""
        return self._position

    @property
    def screens(self) -> int:
        """How many are open."""
        return len(self._connections)

    def beat(self) -> str:
        """What proves that a screen sees the present: `live` is whether the ledger answers."""
        return json.dumps(
            {"now": format_time(self._house.clock.now()), "live": self._follower.looking}
        )

    def _from_thread(self, call: Callable[..., None], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(call, *arguments)

    def _tell(self, told: list[Announcement], upto: int) -> None:
        for announcement in told:
            text = render("alarm", announcement.data, announcement.position)
            for connection in self._connections:
                if connection.sees(announcement.organisation):
                    connection.offer(text)
        self._position = upto

    def _dismiss(self, digests: set[bytes]) -> None:
        for connection in self._connections:
            if connection.session.digest in digests:
                connection.dropped.set()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            text = render("beat", self.beat(), self._position)
            for connection in self._connections:
                connection.offer(text)


def render(event: str, data: str, position: int | None = None) -> str:
    """One event on the wire; `data` is one line."""
    line = "" if position is None else f"id: {position}\n"
    return f"event: {event}\n{line}data: {data}\n\n"


async def follow(hub: Hub, connection: Connection, visit: Visit, after: int) -> AsyncIterator[str]:
    """Everything from the position `after` on (negative: from now), then what comes."""
    yield f"retry: {RETRY_MS}\n\n"
    sent = connection.joined_at
    if after >= 0 and not 0 <= connection.joined_at - after <= REPLAY_MAX:
        yield render("reset", "{}", sent)
    elif after >= 0:
        position = after
        while position < connection.joined_at:
            told, position = await run_in_threadpool(
                _missed, visit.house, position, connection.joined_at
            )
            for announcement in told:
                if connection.sees(announcement.organisation):
                    yield render("alarm", announcement.data, announcement.position)
    yield render("beat", hub.beat(), sent)
    while True:
        yield await connection.queue.get()


def _missed(house: House, after: int, upto: int) -> tuple[list[Announcement], int]:
    with house.database.read() as connection:
        return announcements(connection, after=after, upto=upto)


class EventStream(Response):
    """Streams to one screen until it goes, is dropped, or the console ends."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, visit: Visit, after: int) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub
        self._visit = visit
        self._after = after

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Serve until one of the three ends it."""
        connection = self._hub.join(self._visit)
        try:
            async with anyio.create_task_group() as group:

                async def until_gone() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    group.cancel_scope.cancel()

                async def until_dropped() -> None:
                    await connection.dropped.wait()
                    group.cancel_scope.cancel()

                group.start_soon(until_gone)
                group.start_soon(until_dropped)
                await self._stream(connection, send)
        finally:
            self._hub.leave(connection)
        if connection.dropped.is_set():
            with anyio.move_on_after(0.2):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, connection: Connection, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for text in follow(self._hub, connection, self._visit, self._after):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
