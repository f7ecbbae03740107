"""The stand-in network server as a program: a broker on one side, its API on the other."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from khaen import log
from khaen.clock import Clock, SystemClock
from khaen.mqtt import Answer, Client, Handlers, Message, MqttSettings, Session
from simulators.network.core import NetworkCore
from simulators.network.exchange import Exchange
from simulators.network.plan import Network

if TYPE_CHECKING:
    from simulators.network.api.server import ApiServer

_log = log.logger()
_SHARE: Final = "$share/chirpstack/"
_WINDOW: Final = 1_000
_QUEUE: Final = 1_000
"""Messages that wait for the core before the network thread, and so the broker, waits."""
_OUT: Final = 10_000
"""Messages that wait for the broker; the oldest go first when it stays away."""
_PATIENCE_S: Final = 0.5
_STOP_S: Final = 2.0
_START_S: Final = 20.0


class NetworkServer:
    """ChirpStack v4's stand-in. Create, `await start()`, use `core` and `api`, `await stop()`.

    Started again it goes on with what it knew. All in one loop's thread. `json` is the encoding of
    applications, `shared` whether to subscribe as ChirpStack does where the broker knows shared
    subscriptions. `name` is the client id: one per server and broker. With `api_port` (0: any free
    one) it also speaks gRPC on loopback.
    """

    def __init__(
        self,
        mqtt: MqttSettings,
        *,
        seed: str = "0",
        network: Network | None = None,
        clock: Clock | None = None,
        json: bool = True,
        shared: bool = False,
        name: str = "khaen-network-server",
        api_port: int | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self.core = NetworkCore(self._clock, seed=seed, network=network)
        self.api: ApiServer | None = None
        if api_port is not None:
            from simulators.network.api.server import ApiServer

            self.api = ApiServer(self.core, self._clock, seed=seed, port=api_port)
        self._mqtt = mqtt
        self._exchange = Exchange(self.core, json=json)
        prefix = _SHARE if shared else ""
        self._session = Session(
            client_id=name,
            subscriptions=tuple(prefix + topic for topic in self._exchange.subscriptions),
            window=_WINDOW,
        )
        self._client: Client | None = None
        self._stopping = threading.Event()
        self._room = threading.BoundedSemaphore(_QUEUE)
        self._inbox: deque[Message] = deque()
        self._out: deque[tuple[str, bytes]] = deque(maxlen=_OUT)
        self._in_flight: dict[tuple[int, int], tuple[str, bytes]] = {}
        self._wake = asyncio.Event()
        self._granted = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    # -- life ---------------------------------------------------------------

    async def start(self, *, within: float = _START_S) -> None:
        """Begin, and return when the broker granted all subscriptions.

        Raises TimeoutError when it does not `within` so many seconds; nothing is left running then.
        """
        self._stopping.clear()
        handlers = Handlers(
            message=self._receive,
            connected=lambda: self._tell(self._on_connected),
            disconnected=lambda _reason: self._tell(self._on_disconnected),
            published=lambda *answer: self._tell(self._on_published, *answer),
        )
        client = self._client = Client(self._mqtt, self._session, handlers)
        self._task = asyncio.create_task(self._run(client), name="network server")
        client.start()
        try:
            if self.api is not None:
                await self.api.start()
            await _within(within, self._granted.wait())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Disconnect and end; nothing is left running. Raises what ended its work before."""
        self._stopping.set()
        if self.api is not None:
            await self.api.stop()
        client, task = self._client, self._task
        self._client = self._task = None
        if client is not None:
            await asyncio.to_thread(client.stop, _STOP_S)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            while self._inbox:  # a clean start at the broker: they are nobody's now
                self._inbox.popleft()
                self._room.release()
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    @property
    def api_address(self) -> str:
        """Where gRPC listens, once started with an `api_port`."""
        return "" if self.api is None else self.api.address

    @property
    def api_token(self) -> str:
        """What callers of the API must bring."""
        return "" if self.api is None else self.api.token

    @property
    def connected(self) -> bool:
        """Whether the broker granted all subscriptions."""
        return self._client is not None and self._client.connected

    # -- the network thread -------------------------------------------------

    def _tell(self, what: Any, *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is over
            self._loop.call_soon_threadsafe(what, *arguments)

    def _receive(self, message: Message) -> None:
        while not self._room.acquire(timeout=_PATIENCE_S):
            if self._stopping.is_set():
                return
        self._tell(self._on_message, message)

    # -- the loop's thread --------------------------------------------------

    def _on_message(self, message: Message) -> None:
        self._inbox.append(message)
        self._wake.set()

    def _on_connected(self) -> None:
        self._granted.set()
        self._wake.set()

    def _on_disconnected(self) -> None:
        self._granted.clear()
        self._out.extendleft(reversed(self._in_flight.values()))
        self._in_flight.clear()

    def _on_published(self, connection: int, mid: int, _answer: Answer) -> None:
        self._in_flight.pop((connection, mid), None)
        if self._out:
            self._wake.set()

    async def _run(self, client: Client) -> None:
        while True:
            next_at = self.core.next_at()
            wait = None if next_at is None else max(0.0, next_at - self._clock.monotonic())
            with contextlib.suppress(TimeoutError):
                await _within(wait, self._wake.wait())
            self._wake.clear()
            while self._inbox:
                message = self._inbox.popleft()
                self._room.release()
                self._exchange.take(message.topic, message.payload)
                client.ack(message)
            self._out.extend(self._exchange.render(self.core.step()))
            self._publish(client)

    def _publish(self, client: Client) -> None:
        while self._out and len(self._in_flight) < _WINDOW:
            sent = client.publish(*self._out[0])
            if sent is None:
                return
            self._in_flight[sent] = self._out.popleft()


async def _within(seconds: float | None, awaitable: Awaitable[Any]) -> None:
    async with asyncio.timeout(seconds):
        await awaitable
