"""A simulated carer: signs in by a one-use link as a browser does, watches, and takes what nobody
else took.

She speaks HTTP only: the sign-in form with its cookie, the event stream, the accept button with the
page's CSRF token. What she sees is what any screen would see.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import httpx

from khaen import log
from khaen.errors import KhaenError

_log = log.logger()
_TIMEOUT_S: Final = 10.0
_SILENCE_S: Final = 15.0
"""The console's stream beats every few seconds; this long without anything, it is dead."""
_AGAIN_S: Final = 0.5
_CSRF: Final = re.compile(r'name="csrf" value="([^"]+)"')


class CarerRefused(KhaenError):
    """The console did not let the simulated carer in; says how it answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An alarm as the event stream told of it; `at` is the monotonic time when it came."""

    at: float
    position: int
    alarm: dict[str, Any]

    @property
    def id(self) -> str:
        """The alarm's id."""
        return str(self.alarm["id"])

    @property
    def key(self) -> tuple[str, str]:
        """Subject and rule: one open alarm at most has them."""
        return str(self.alarm["subject"]), str(self.alarm["rule"])


class Carer:
    """A browser without a person; an asynchronous context manager, signed in within."""

    def __init__(
        self,
        link: str,
        *,
        monotonic: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        parts = urlsplit(link)
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._token = parse_qs(parts.query).get("token", [""])[0]
        self._monotonic = monotonic
        self._client = httpx.AsyncClient(
            base_url=self._base,
            timeout=httpx.Timeout(_TIMEOUT_S, read=_SILENCE_S),
            trust_env=False,
            transport=transport,
        )
        self._csrf = ""
        self._position = -1

    async def __aenter__(self) -> Self:
        try:
            await self._sign_in()
        except BaseException:
            await self._client.aclose()
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def _sign_in(self) -> None:
        answer = await self._client.post("/sign-in", data={"token": self._token})
        if answer.status_code != httpx.codes.SEE_OTHER:
            raise CarerRefused(f"console: sign-in answered {answer.status_code}")
        page = await self._client.get("/")
        found = _CSRF.search(page.text)
        if page.status_code != httpx.codes.OK or found is None:
            raise CarerRefused(f"console: the first page answered {page.status_code}")
        self._csrf = found[1]
        alarms = await self._client.get("/api/v1/alarms")
        self._position = int(alarms.json()["position"])

    async def watch(self) -> AsyncGenerator[Seen, None]:
        """Changes of alarms from the sign-in on, each once and in order, until cancelled.

        A stream that breaks is opened again where it stopped, as a browser does.
        """
        while True:
            try:
                async with self._client.stream(
                    "GET", "/api/v1/events", params={"after": self._position}
                ) as stream:
                    stream.raise_for_status()
                    async with aclosing(_events(stream)) as events:
                        async for event, data, position in events:
                            if position is not None:
                                self._position = position
                            if event == "alarm":
                                yield self._seen(data)
            except httpx.HTTPError as error:
                _log.debug("event_stream_broke", error=type(error).__name__)
            await asyncio.sleep(_AGAIN_S)

    def _seen(self, data: str) -> Seen:
        return Seen(at=self._monotonic(), position=self._position, alarm=json.loads(data))

    async def accept(self, alarm_id: str) -> bool:
        """Take a case; False where another has it, or the console did not answer."""
        try:
            answer = await self._client.post(
                f"/api/v1/alarms/{alarm_id}/accept", headers={"X-CSRF-Token": self._csrf}
            )
        except httpx.HTTPError as error:
            _log.warning("accept_failed", error=type(error).__name__)
            return False
        return answer.status_code == httpx.codes.OK


async def _events(stream: httpx.Response) -> AsyncGenerator[tuple[str, str, int | None], None]:
    """Server-sent events: kind, data and id (WHATWG HTML, section 9.2.6, as far as it is used)."""
    event, data, position = "message", "", None
    async for line in stream.aiter_lines():
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield event, data, position
            event, data, position = "message", "", None
        elif name == "event":
            event = value
        elif name == "data":
            data += value
        elif name == "id" and value.isdigit():
            position = int(value)
