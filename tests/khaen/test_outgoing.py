"""paho's queue, in which messages grow old: any order of writing and waiting."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen.mqtt import outgoing
from khaen.mqtt.outgoing import Outgoing

LIMITS = st.one_of(st.none(), st.floats(0, 10))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), LIMITS),
        st.tuples(st.just("wait"), st.floats(0, 5)),
        st.tuples(st.just("write"), st.sampled_from(["all", "part", "nothing"])),
    ),
    max_size=60,
)


@given(steps=STEPS, sealed=st.booleans())
def test_what_is_begun_was_young_and_nothing_is_lost_or_twice(
    steps: list[tuple[str, float | str | None]], sealed: bool
) -> None:
    now = 100.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outgoing, "monotonic", lambda: now)
        queue, limits, written = Outgoing(), list[float | None](), list[int]()
        queue.sealed = sealed
        for what, fact in steps:
            if what == "wait":
                assert isinstance(fact, float)
                now += fact
            elif what == "append":
                assert not isinstance(fact, str)
                limits.append(None if fact is None else now + fact)
                with queue.limit(limits[-1]):
                    queue.append({"mid": len(limits) - 1, "pos": 0})
            else:
                try:
                    packet = queue.popleft()
                except IndexError:
                    continue
                if queue.torn:
                    assert packet["begun"], "only what is begun must end the connection"
                    return
                limit = limits[packet["mid"]]
                assert limit is None or now <= limit
                if fact == "all":
                    written.append(packet["mid"])
                else:
                    packet["pos"] += fact == "part"
                    queue.appendleft(packet)
        left = [packet["mid"] for packet in queue]
        assert sorted([*written, *left, *queue.withdrawn]) == list(range(len(limits)))
        assert written == sorted(written), "in order"
        for mid in queue.withdrawn:
            limit = limits[mid]
            assert limit is not None
            assert limit < now


def test_another_threads_packet_has_no_limit_of_ours() -> None:
    queue = Outgoing()
    with queue.limit(time.monotonic() - 1):
        queue.append({"mid": 1, "pos": 0})
    queue.append({"mid": 2, "pos": 0})
    assert queue.popleft()["mid"] == 2
    assert list(queue.withdrawn) == [1]
