"""The simulated carer against a console in miniature that answers as the real one does."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import httpx
import pytest

from simulators.carer import Carer, CarerRefused, Seen
from tests.simulators.agent import until

LINK = "http://127.0.0.1:8080/sign-in?token=t-1"


def event(kind: str, data: object, position: int | None = None) -> str:
    line = "" if position is None else f"id: {position}\n"
    return f"event: {kind}\n{line}data: {json.dumps(data)}\n\n"


class Body(httpx.AsyncByteStream):
    """A stream in pieces that do not end where lines do; held open in the end, or broken."""

    def __init__(self, text: str, *, broken: bool) -> None:
        self._bytes, self._broken = text.encode(), broken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._bytes), 7):
            yield self._bytes[at : at + 7]
        if not self._broken:
            await asyncio.Event().wait()


class Console:
    """Knows one token, one cookie and one CSRF token."""

    def __init__(self, *streams: str) -> None:
        self.streams = list(streams)
        self.after: list[int] = []
        self.accepted: list[str] = []
        self.tokens = {"t-1"}

    def __call__(self, request: httpx.Request) -> httpx.Response:  # noqa: PLR0911
        path = request.url.path
        if path == "/sign-in":
            token = parse_qs(request.content.decode())["token"][0]
            if token not in self.tokens:
                return httpx.Response(403)
            self.tokens.remove(token)
            return httpx.Response(303, headers={"set-cookie": "khaen=c-1; Path=/; HttpOnly"})
        if request.headers.get("cookie") != "khaen=c-1":
            return httpx.Response(401)
        if path == "/":
            return httpx.Response(200, text='<input type="hidden" name="csrf" value="s-1">')
        if path == "/api/v1/alarms":
            return httpx.Response(200, json={"position": 7, "alarms": []})
        if path == "/api/v1/events":
            self.after.append(int(request.url.params["after"]))
            text = self.streams.pop(0)
            return httpx.Response(200, stream=Body(text, broken=bool(self.streams)))
        if request.headers.get("x-csrf-token") != "s-1":
            return httpx.Response(403)
        self.accepted.append(path.split("/")[4])
        return httpx.Response(200 if len(self.accepted) == 1 else 409)


def make_carer(console: Console) -> Carer:
    return Carer(LINK, monotonic=lambda: 1.5, transport=httpx.MockTransport(console))


def alarm(id_: str) -> dict[str, object]:
    return {"id": id_, "subject": "person:R-0012", "rule": "sos"}


async def watch(carer: Carer, count: int) -> list[Seen]:
    found: list[Seen] = []

    async def collect() -> None:
        async for seen in carer.watch():
            found.append(seen)  # noqa: PERF401 (read while it grows)

    task = asyncio.create_task(collect())
    await until(lambda: len(found) == count)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return found


async def test_signs_in_watches_and_accepts() -> None:
    console = Console("retry: 1000\n\n" + event("beat", {}) + event("alarm", alarm("a-1"), 9))
    async with make_carer(console) as carer:
        (seen,) = await watch(carer, 1)
        assert (seen.id, seen.position, seen.at) == ("a-1", 9, 1.5)
        assert seen.key == ("person:R-0012", "sos")
        assert await carer.accept("a-1")
        assert not await carer.accept("a-1")
    assert console.accepted == ["a-1", "a-1"]
    assert console.after == [7]


async def test_stream_that_breaks_is_opened_again_where_it_stopped() -> None:
    console = Console(event("alarm", alarm("a-1"), 9), event("alarm", alarm("a-2"), 12))
    async with make_carer(console) as carer:
        assert [seen.id for seen in await watch(carer, 2)] == ["a-1", "a-2"]
    assert console.after == [7, 9]


async def test_link_that_was_used_does_not_let_in() -> None:
    console = Console()
    console.tokens.clear()
    with pytest.raises(CarerRefused, match="403"):
        async with make_carer(console):
            pass
