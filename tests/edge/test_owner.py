"""Whose outbox it is: what one gateway heard never goes by another's topics."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
from chirpstack_api import gw

from edge.generation import Generation
from edge.host import Host
from edge.outbox import aside
from edge.outbox.outbox import Outbox
from edge.outbox.owner import Left, find_left
from edge.program import Program
from edge.settings import EdgeSettings, GatewaySettings, OutboxSettings
from khaen.clock import SystemClock
from khaen.ids import Epoch, GatewayEui
from khaen.mqtt import MqttSettings
from tests.edge.fixtures import GATEWAY, START, make_arrival, make_outbox, run
from tests.edge.test_salvage import fill as fill_numbered
from tests.edge.test_salvage import frames, keep_house, payload, ruin, small_steps

OTHER = GatewayEui("ac1f09fffe0a0b01")


def fill(path: Path, gateway: GatewayEui, count: int) -> Epoch:
    """The gateway's agent hears something, and ends."""
    outbox = make_outbox(path, gateway=gateway)
    run(outbox, lambda: outbox.append([make_arrival(gateway=gateway)] * count))
    outbox.close()
    return outbox.present


def make_settings(folder: Path, gateways: tuple[GatewaySettings, ...]) -> EdgeSettings:
    return EdgeSettings(
        gateway_eui=OTHER,
        site="kk",
        gateways=gateways,
        outbox=OutboxSettings(path=folder / "outbox.sqlite"),
        mqtt=MqttSettings(port=9),
    )


async def collect_warnings(settings: EdgeSettings) -> list[str]:
    """What an agent's first gateway warns of when it starts."""
    stop, warnings = asyncio.Event(), list[str]()

    @asynccontextmanager
    async def hear(generation: Generation) -> AsyncIterator[None]:
        warnings.extend(generation.stations[OTHER].warnings)
        stop.set()
        yield

    await Program(settings, SystemClock(), Host()).live(stop, hear)
    return warnings


def read(outbox: Outbox) -> list[str]:
    """Who heard what waits."""
    (page,) = outbox.run([lambda: outbox.page(priority=False, after=0, limit=99)])
    return [gw.UplinkFrame.FromString(record.frame).rx_info.gateway_id for record in page]


def test_another_gateways_outbox_is_put_where_it_belongs(tmp_path: Path) -> None:
    path, aside = tmp_path / "outbox.sqlite", tmp_path / f"outbox-{GATEWAY}.sqlite"
    epoch = fill(path, GATEWAY, 3)
    outbox = make_outbox(path, gateway=OTHER)
    assert (read(outbox), outbox.volatile) == ([], False)
    assert outbox.present != epoch
    assert find_left(path, [path]) == [Left(aside, GATEWAY, 3)]
    outbox.close()
    again = make_outbox(aside)
    assert (read(again), again.present) == ([GATEWAY] * 3, epoch)
    again.close()


def test_gateways_that_change_places_keep_what_they_heard(tmp_path: Path) -> None:
    first, second = tmp_path / "outbox.sqlite", tmp_path / f"outbox-{OTHER}.sqlite"
    epochs = fill(first, GATEWAY, 2), fill(second, OTHER, 1)
    third = tmp_path / f"outbox-{GATEWAY}.sqlite"
    outboxes = make_outbox(first, gateway=OTHER), make_outbox(third)
    assert [read(outbox) for outbox in outboxes] == [[OTHER], [GATEWAY] * 2]
    assert tuple(outbox.present for outbox in outboxes) == epochs[::-1]
    assert find_left(first, [first, third]) == []
    for outbox in outboxes:
        outbox.close()


def test_a_file_that_names_nobody_is_that_of_whom_it_heard_last(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    fill(path, GATEWAY, 1)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM fact WHERE key = 'gateway'")
    outbox = make_outbox(path, gateway=OTHER)
    assert read(outbox) == []
    outbox.close()


def test_a_name_that_is_taken_is_not_written_over(tmp_path: Path) -> None:
    path, taken = tmp_path / "outbox.sqlite", tmp_path / f"outbox-{GATEWAY}.sqlite"
    fill(path, GATEWAY, 1)
    path.rename(taken)
    fill(tmp_path / "another.sqlite", GATEWAY, 2)
    (tmp_path / "another.sqlite").rename(path)
    make_outbox(path, gateway=OTHER).close()
    left = {file.path.name: file.backlog for file in find_left(path, [path])}
    assert left == {f"outbox-{GATEWAY}.sqlite": 1, f"outbox-{GATEWAY}-2.sqlite": 2}


async def test_what_is_left_is_warned_of_until_its_gateway_is_set_up(tmp_path: Path) -> None:
    fill(tmp_path / "outbox.sqlite", GATEWAY, 1)
    alone = make_settings(tmp_path, gateways=())
    both = make_settings(tmp_path, gateways=(GatewaySettings(eui=GATEWAY),))
    assert await collect_warnings(alone) == ["other_gateways_outbox"]
    assert await collect_warnings(both) == []


def test_what_is_in_the_log_moves_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    fill(path, GATEWAY, 1)
    reader = sqlite3.connect(path)  # keeps SQLite from clearing up after the last writer
    reader.execute("SELECT * FROM fact").fetchall()
    killed = make_outbox(path)
    run(killed, lambda: killed.append([make_arrival()] * 4))
    outbox = make_outbox(path, gateway=OTHER)
    assert (read(outbox), outbox.volatile) == ([], False)
    assert find_left(path, [path])[0].backlog == 5
    for part in (outbox, killed, reader):
        part.close()


def test_damaged_files_go_with_their_gateway_and_are_read_once(tmp_path: Path) -> None:
    path, own = tmp_path / "outbox.sqlite", tmp_path / f"outbox-{GATEWAY}.sqlite"
    fill(path, GATEWAY, 3)
    aside.move(path, START)
    said = [GATEWAY] * 4  # three frames, and the word of the numbers that they had
    for place, gateway, heard in (path, GATEWAY, said), (path, OTHER, []), (own, GATEWAY, said):
        outbox = make_outbox(place, gateway=gateway)
        keep_house(outbox)
        assert read(outbox) == heard
        outbox.close()
    assert len(aside.find(own)) == 1


@pytest.mark.parametrize(
    ("mark", "readable"),
    [(b"SQLite format 3", False), (b"gateway" + GATEWAY.encode(), True), (payload(300), True)],
)
def test_a_damaged_file_is_taken_up_again_as_far_as_it_can_be_read(
    tmp_path: Path, mark: bytes, readable: bool
) -> None:
    path, own = tmp_path / "outbox.sqlite", tmp_path / f"outbox-{GATEWAY}.sqlite"
    fill_numbered(path, 300)
    make_outbox(path, gateway=OTHER).close()
    lost = ruin(own, mark)
    outbox = make_outbox(path)
    keep_house(outbox)
    assert not outbox.volatile
    assert len(frames(outbox)) == (300 - lost if readable else 0)
    assert len(aside.find(path)) == 1
    outbox.close()


def test_a_file_whose_last_page_is_damaged_is_still_whose_it_says(tmp_path: Path) -> None:
    path, own = tmp_path / "outbox.sqlite", tmp_path / f"outbox-{GATEWAY}.sqlite"
    fill_numbered(path, 300)
    lost = ruin(path, payload(300))
    outbox = make_outbox(path, gateway=OTHER)
    keep_house(outbox)
    assert read(outbox) == []
    outbox.close()
    again = make_outbox(own)
    keep_house(again)
    assert len(frames(again)) == 300 - lost
    again.close()


def test_a_damaged_file_of_another_gateway_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    fill(path, GATEWAY, 3)
    aside.move(path, START)  # killed before there was a new file; then came other settings
    outbox = make_outbox(path, gateway=OTHER)
    keep_house(outbox)
    assert read(outbox) == []
    assert find_left(path, [path]) == [Left(tmp_path / f"outbox-{GATEWAY}.sqlite", GATEWAY, 0, 1)]
    outbox.close()
    again = make_outbox(path)
    keep_house(again)
    assert read(again) == [GATEWAY] * 4  # and the word of the numbers that they had
    again.close()


@pytest.mark.usefixtures(small_steps.__name__)
@pytest.mark.parametrize("step", range(1, 6))
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_move_that_is_killed_strands_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, goes_on: bool
) -> None:
    path, done = tmp_path / "outbox.sqlite", 0
    fill_numbered(path, 600)
    lost = ruin(path, payload(300))
    outbox = make_outbox(path)
    frames(outbox)
    outbox.run([outbox.prune])
    outbox.close()
    rename = Path.rename

    def die(part: Path, to: Path) -> Path:
        nonlocal done
        done += 1
        if done == step:
            raise KeyboardInterrupt
        return rename(part, to)

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Path, "rename", die)
        make_outbox(path, gateway=OTHER).close()
    if goes_on:
        make_outbox(path, gateway=OTHER).close()
    outbox = make_outbox(path)
    keep_house(outbox)
    heard = frames(outbox)
    assert not outbox.volatile
    assert len(heard) == len(set(heard)) == 600 - lost
    outbox.close()


@pytest.mark.usefixtures(small_steps.__name__)
def test_damaged_files_that_wait_are_told_of_until_they_are_read(tmp_path: Path) -> None:
    path, own = tmp_path / "outbox.sqlite", tmp_path / f"outbox-{GATEWAY}.sqlite"
    fill_numbered(path, 300)
    ruin(path, payload(150))
    outbox = make_outbox(path)
    frames(outbox)
    outbox.close()
    make_outbox(path, gateway=OTHER).close()
    assert find_left(path, [path]) == [Left(own, GATEWAY, 0, 1)]
    outbox = make_outbox(own)
    keep_house(outbox)
    backlog = outbox.run([outbox.count])[0].backlog
    outbox.close()
    assert find_left(path, [path]) == [Left(own, GATEWAY, backlog)]


def test_a_parked_file_that_is_damaged_is_told_of(tmp_path: Path) -> None:
    path, own = tmp_path / "outbox.sqlite", tmp_path / f"outbox-{GATEWAY}.sqlite"
    fill_numbered(path, 300)
    make_outbox(path, gateway=OTHER).close()
    ruin(own, b"gateway" + GATEWAY.encode())
    assert find_left(path, [path]) == [Left(own, GATEWAY, 0, 1)]
