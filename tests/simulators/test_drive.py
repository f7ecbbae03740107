"""The drive under a clock that the test tells: no wall time is measured."""

import asyncio

import pytest

from simulators.agenda import Agenda
from simulators.drive import FASTEST, Drive


class Told:
    """A clock whose time passes while the loop waits, in steps of a quarter of a second."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> None:
        raise AssertionError("a drive asks for durations only")

    def monotonic(self) -> float:
        self.seconds += 0.25
        return self.seconds


def make(speed: float) -> tuple[Agenda, list[float], Drive]:
    agenda, happened = Agenda(), list[float]()
    for at in (3.0, 1.0, 2.0, 900.0):
        agenda.at(at, happened.append)
    return agenda, happened, Drive(agenda, Told(), speed=speed, longest_wait_s=0.001)  # type: ignore[arg-type]


async def test_as_fast_as_it_can_it_asks_no_clock() -> None:
    agenda, happened, drive = make(FASTEST)
    await drive.run(until=10.0)
    assert happened == [1.0, 2.0, 3.0]
    assert drive.now == agenda.now == 3.0
    await drive.run()
    assert happened[-1] == 900.0


@pytest.mark.parametrize("speed", [1.0, 60.0])
async def test_everything_happens_when_the_clock_has_come_so_far(speed: float) -> None:
    agenda, happened, drive = make(speed)
    agenda.at(2.5, lambda at: happened.append(drive.now - at))
    await drive.run(until=5.0)
    lag = happened.pop(2)
    assert happened == [1.0, 2.0, 3.0]
    assert lag >= 0


async def test_many_acts_leave_the_loop_its_time() -> None:
    agenda, drive_for = Agenda(), 5000
    for number in range(drive_for):
        agenda.at(number / 1000, lambda _at: None)
    drive, turns = Drive(agenda, Told(), speed=FASTEST), 0  # type: ignore[arg-type]
    task = asyncio.create_task(drive.run())
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10


async def test_what_is_put_down_meanwhile_is_not_slept_through() -> None:
    agenda = Agenda()
    drive = Drive(agenda, Told(), longest_wait_s=3600.0)  # type: ignore[arg-type]
    task = asyncio.create_task(drive.run())
    await asyncio.sleep(0)
    done = asyncio.Event()
    agenda.at(0.0, lambda _at: done.set())
    async with asyncio.timeout(5):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_time_does_not_stand_still() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Drive(Agenda(), Told(), speed=0.0)  # type: ignore[arg-type]
