"""The event stream: at once, in order, without a gap, and only what one may see."""

import json
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from console import events
from khaen.alarm import Alarm
from khaen.clock import parse_time
from store import users
from tests.support.console import World, utc

Enter = Callable[..., httpx.Client]
Event = tuple[str, str, dict[str, object]]


def parse(response: httpx.Response) -> Iterator[Event]:
    """Name, id and data of each event, as a browser reads them."""
    name, key, data = "", "", ""
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "id":
            key = value
        elif field == "data":
            data = value
        elif not line and data:
            yield name, key, json.loads(data)
            name, data = "", ""


def take(found: Iterator[Event], number: int) -> list[Event]:
    """The next so many alarms."""
    wanted = []
    for event in found:
        if event[0] == "alarm":
            wanted.append(event)
        if len(wanted) == number:
            return wanted
    raise AssertionError("the stream ended")


def until(found: Iterator[Event], name: str) -> Event:
    """The next event of a name."""
    return next(event for event in found if event[0] == name)


def test_an_alarm_comes_with_what_a_program_needs(world: World, enter: Enter) -> None:
    client = enter(world.user())
    uplink = world.hear()
    with client.stream("GET", "/api/v1/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = parse(response)
        until(stream, "beat")
        case = world.raise_alarm(uplink_id=uplink)
        ((_, key, data),) = take(stream, 1)
    assert key == str(data["position"])
    assert data["id"] == str(case.id)
    assert data["uplink"] == str(uplink)
    assert (data["state"], data["priority"], data["rule"]) == ("unacknowledged", 1, "sos")
    assert (data["change"], data["waiting"], data["presses"]) == ("raised", True, 1)
    assert parse_time(str(data["raised_at"])) == case.raised_at
    assert parse_time(str(data["event_at"])) == case.event_at
    assert "บุญมี" not in json.dumps(data, ensure_ascii=False)


def test_a_stream_resumes_exactly_where_it_was(world: World, enter: Enter) -> None:
    client = enter(world.user())
    before = [world.raise_alarm(subject=f"person:A{i}") for i in range(3)]
    with client.stream("GET", "/api/v1/events", params={"after": 0}) as response:
        seen = take(parse(response), 2)
    assert [data["id"] for _, _, data in seen] == [str(case.id) for case in before[:2]]
    missed = [world.raise_alarm(subject=f"person:B{i}") for i in range(20)]
    stop = threading.Event()
    more: list[Alarm] = []

    def go_on() -> None:
        while not stop.is_set() and len(more) < 200:
            more.append(world.raise_alarm(subject=f"person:C{len(more)}"))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:  # what comes while the missed ones are read must come too, once, in order
        with client.stream(
            "GET", "/api/v1/events?after=0", headers={"last-event-id": seen[-1][1]}
        ) as response:
            stream = parse(response)
            got = take(stream, 1 + 20 + 30)
    finally:
        stop.set()
        thread.join()
    expected = [str(case.id) for case in (before[2], *missed, *more)]
    assert [data["id"] for _, _, data in got] == expected[: len(got)]
    positions = [int(key) for _, key, _ in got]
    assert positions == sorted(set(positions))


def test_a_beat_moves_the_place_to_resume_from(
    world: World, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "BEAT_S", 0.05)
    client = enter(world.user())
    with client.stream("GET", "/api/v1/events") as response:
        stream = parse(response)
        _, first, data = until(stream, "beat")
        assert data["live"] is True
        assert abs((parse_time(str(data["now"])) - utc()).total_seconds()) < 10
        world.raise_alarm(of="udon", subject="person:R-0900")  # which this user does not see
        while (event := next(stream))[1] == first:
            assert event[0] == "beat"
        assert event[0] == "beat"
        assert int(event[1]) > int(first)


@pytest.mark.parametrize("last", ["999999999", "18446744073709551999"])
def test_who_comes_from_nowhere_reads_everything_anew(
    world: World, enter: Enter, last: str
) -> None:
    client = enter(world.user())
    with client.stream("GET", "/api/v1/events", headers={"last-event-id": last}) as response:
        name, _, _ = next(parse(response))
    assert name == ("reset" if len(last) < 19 else "beat")


def test_who_comes_from_too_far_back_reads_everything_anew(
    world: World, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        world.raise_alarm(subject=f"person:A{number}")
    monkeypatch.setattr(events, "REPLAY_MAX", 3)
    client = enter(world.user())
    with client.stream("GET", "/api/v1/events?after=0") as response:
        assert next(parse(response))[0] == "reset"


def test_others_alarms_are_not_told(world: World, enter: Enter) -> None:
    here, there = enter(world.user()), enter(world.user(of="udon"))
    with (
        here.stream("GET", "/api/v1/events?after=0") as ours,
        there.stream("GET", "/api/v1/events?after=0") as theirs,
    ):
        first, second = parse(ours), parse(theirs)
        until(first, "beat")
        until(second, "beat")
        one = world.raise_alarm()
        two = world.raise_alarm(of="udon", subject="person:R-0900")
        three = world.raise_alarm(subject="person:R-0002")
        four = world.raise_alarm(of="udon", subject="person:R-0901")
        assert [d["id"] for _, _, d in take(first, 2)] == [str(one.id), str(three.id)]
        assert [d["id"] for _, _, d in take(second, 2)] == [str(two.id), str(four.id)]


def test_signing_out_ends_the_stream(
    world: World, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.follower.SESSIONS_S", 0.05)
    client = enter(world.user())
    with client.stream("GET", "/api/v1/events") as response:
        stream = parse(response)
        until(stream, "beat")
        with world.database.write() as tx:
            digest = users.digest(next(iter(client.cookies.values())))
            users.revoke(tx, digest, actor="system")
        assert [event[0] for event in stream if event[0] != "beat"] == []


def test_who_cannot_keep_up_is_dropped_and_misses_nothing(
    world: World, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "QUEUE", 4)
    client = enter(world.user())
    cases = [world.raise_alarm(subject=f"person:A{number}") for number in range(40)]
    while client.get("/api/v1/alarms").json()["position"] < 40:
        pass  # the follower has not come so far; pytest's own limit ends this
    with client.stream("GET", "/api/v1/events") as response:
        stream = parse(response)
        _, last, _ = until(stream, "beat")
        with world.database.write() as tx:  # one commit: all 40 reach the queue at once
            for case in cases:
                tx.journal("alarm", str(case.id))
        first = [event for event in stream if event[0] == "alarm"]  # until it is dropped
    assert len(first) < 40
    last = first[-1][1] if first else last
    with client.stream("GET", "/api/v1/events", headers={"last-event-id": last}) as response:
        rest = take(parse(response), 40 - len(first))
    assert [data["id"] for _, _, data in [*first, *rest]] == [str(case.id) for case in cases]
