"""Records without a time are bounded by the nearest that have one, however they came."""

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge.outbox.outbox import Outbox
from khaen.clock import ManualClock, Rung
from tests.edge.fixtures import START, FakeHost, make_arrival, make_outbox

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hear"), st.booleans()),
        st.tuples(st.just("undo"), st.booleans()),
        st.tuples(st.just("read"), st.integers(0, 12)),
    ),
    max_size=30,
)


class UndoneError(Exception):
    """A transaction that fails after its work."""


def hear(outbox: Outbox, at: datetime | None) -> None:
    outbox.append([make_arrival(at=at)])


def hear_and_fail(outbox: Outbox, at: datetime | None) -> None:
    hear(outbox, at)
    outbox.page(priority=False, after=0, limit=100)
    raise UndoneError


@given(steps=STEPS)
def test_the_nearest_true_times(steps: list[tuple[str, bool | int]]) -> None:
    outbox = make_outbox(Path(":memory:"))
    times: list[datetime | None] = []
    try:
        for number, (what, fact) in enumerate(steps):
            at = START + timedelta(seconds=number) if fact else None
            if what == "hear":
                outbox.run([partial(hear, outbox, at)])
                times.append(at)
            elif what == "undo":
                try:
                    outbox.run([partial(hear_and_fail, outbox, at)])
                except UndoneError:
                    continue
            else:
                page = partial(outbox.page, priority=False, after=int(fact), limit=100)
                for record in outbox.run([page])[0]:
                    if record.instant.at is None:
                        i = record.number.seq - 1
                        known = [t for t in times[:i] if t], [t for t in times[i:] if t]
                        assert record.after == (known[0][-1] if known[0] else None)
                        assert record.before == (known[1][0] if known[1] else None)
    finally:
        outbox.close()


def test_a_boot_that_ends_soon_after_its_clock_was_set_has_its_time(tmp_path: Path) -> None:
    """The first frame with a date dates those before it, also when the machine starts anew."""
    path, clock = tmp_path / "outbox.sqlite", ManualClock(START)
    host = FakeHost(clock=clock, true=False)
    outbox = make_outbox(path, clock, host)
    undated = make_arrival(at=None, boot_us=host.boot_us())
    outbox.run([partial(outbox.append, [undated])])
    clock.advance(100)
    object.__setattr__(host, "true", True)
    outbox._dating.hear()
    outbox.run([partial(outbox.append, [make_arrival()])])
    for shelf in outbox._shelves():  # the power goes
        shelf.close()
    host = FakeHost(clock=clock, boot_id="another boot", true=False)
    outbox = make_outbox(path, clock, host)
    page = partial(outbox.page, priority=False, after=0, limit=1)
    date = outbox._dating.date(outbox.run([page])[0][0], live=False)
    assert (date.clock, date.at) == (Rung.BOOT, START)
    outbox.close()
