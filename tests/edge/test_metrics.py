"""The small HTTP server on loopback: what it answers, and whoever cannot hurt it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, Counter

from edge.health import condition
from edge.health.condition import Condition
from edge.health.metrics import Metrics
from khaen.errors import NotRunnable
from tests.edge.conditions import make_condition


@dataclass
class FakeSurvey:
    """An agent; `gate` is open while it answers."""

    faults: list[str] = field(default_factory=list)
    condition: Condition | None = field(default_factory=make_condition)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0

    async def find_faults(self) -> list[str]:
        self.asked += 1
        self.began.set()
        await self.gate.wait()
        return self.faults

    async def look(self) -> Condition | None:
        self.asked += 1
        await self.gate.wait()
        return self.condition


@pytest.fixture
async def served() -> AsyncIterator[tuple[FakeSurvey, int]]:
    registry = CollectorRegistry()
    Counter("khaen_edge_things", "Things", registry=registry).inc(3)
    survey = FakeSurvey()
    survey.gate.set()
    server = Metrics(registry, survey)
    yield survey, await server.start(0)
    await server.stop()


async def talk(port: int, text: bytes) -> bytes:
    """Say something, and hear all that is answered: nothing from who hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        async with asyncio.timeout(15):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def get(port: int, path: str) -> tuple[int, str]:
    answer = await talk(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return int(head.split()[1]), body.decode()


async def test_what_it_answers(served: tuple[FakeSurvey, int]) -> None:
    survey, port = served
    assert await get(port, "/health") == (200, "ok\n")
    status, text = await get(port, "/metrics?x=1")
    assert status == 200
    assert "khaen_edge_things_total 3.0\n" in text
    assert "khaen_edge_healthy 1.0\n" in text
    status, text = await get(port, "/status")
    assert condition.parse(text.encode()) == survey.condition
    assert await get(port, "/") == (404, "/metrics, /health, /status\n")
    survey.faults = ["one: the disk refuses", "two: the outbox has not answered for 5 s"]
    assert await get(port, "/health") == (503, "\n".join(survey.faults) + "\n")


async def test_while_it_is_starting_it_says_so(served: tuple[FakeSurvey, int]) -> None:
    survey, port = served
    survey.condition = None
    for path in ("/metrics", "/status"):
        assert await get(port, path) == (503, "it is starting\n")


@pytest.mark.parametrize(
    "text",
    [b"POST /health HTTP/1.1\r\n\r\n", b"\xff\x00 \xff /metrics\r\n\r\n", b"\r\n\r\n"],
)
async def test_whatever_is_asked_gets_an_answer(
    served: tuple[FakeSurvey, int], text: bytes
) -> None:
    assert (await talk(served[1], text)).startswith(b"HTTP/1.1 404 ")


async def test_an_endless_question_is_cut_off(served: tuple[FakeSurvey, int]) -> None:
    assert await talk(served[1], b"GET /" + b"x" * 100_000) == b""
    assert await get(served[1], "/health") == (200, "ok\n")


async def test_one_question_is_looked_into_at_a_time_and_few_may_wait(
    served: tuple[FakeSurvey, int],
) -> None:
    survey, port = served
    survey.gate.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(get(port, "/health"))
        await survey.began.wait()
        others = [group.create_task(talk(port, b"GET /health HTTP/1.1\r\n\r\n")) for _ in range(40)]
        turned_away = 0
        while turned_away < 25:
            await asyncio.sleep(0.01)
            turned_away = sum(task.done() for task in others)
        assert survey.asked == 1
        survey.gate.set()
    assert first.result() == (200, "ok\n")
    answers = [task.result() for task in others]
    assert answers.count(b"") == 25
    assert sum(answer.endswith(b"ok\n") for answer in answers) == 15


async def test_who_says_nothing_and_who_does_not_read_cost_nobody_else(
    served: tuple[FakeSurvey, int],
) -> None:
    silent = await asyncio.open_connection("127.0.0.1", served[1])
    deaf = await asyncio.open_connection("127.0.0.1", served[1])
    deaf[1].write(b"GET /metrics HTTP/1.1\r\n\r\n")
    assert await get(served[1], "/health") == (200, "ok\n")
    for _, writer in (silent, deaf):
        writer.close()


async def test_a_taken_port_is_said(served: tuple[FakeSurvey, int]) -> None:
    with pytest.raises(NotRunnable, match="set metrics_port"):
        await Metrics(CollectorRegistry(), FakeSurvey()).start(served[1])
