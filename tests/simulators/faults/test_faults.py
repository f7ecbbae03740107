"""Faults do what they say, by chance that is the same each time, and invent nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khaen.capture import Record, Road
from khaen.errors import SettingsError
from khaen.ids import DevEui
from khaen.lorawan.crypto import SessionCipher
from simulators.faults.catalogue import FAULTS, parse, parse_all
from simulators.faults.fault import Fault
from simulators.faults.faults import Faults
from simulators.frames import frames, rewrite
from tests.simulators.faults.stream import (
    CIPHERS,
    FAR,
    FIRST,
    NEAR,
    SECOND,
    START,
    counters,
    datagram,
    pull,
    seconds,
    stream,
)

STREAM = stream(10_000)
LOST, LOST_IN_BURSTS = 1013, 997
"""Of these 10,000, by seed 1."""
CHANGING = {"corrupt", "truncate", "clock", "reset", "clone", "replay", "flood"}
"""What passes bytes that nobody sent."""


def run(records: Sequence[Record], *faults: str, seed: int = 1) -> tuple[list[Record], Faults]:
    made = Faults(parse_all(faults), seed, START, ciphers=CIPHERS)
    passed = [each for record in records for each in made.apply(record)]
    return passed + made.flush(), made


def test_no_fault_changes_nothing() -> None:
    assert run(STREAM)[0] == STREAM


def test_loss_is_binomial_and_the_same_each_time() -> None:
    passed, faults = run(STREAM, "loss=0.1")
    lost = faults.tallies[0][1].lost

    assert lost == len(STREAM) - len(passed) == LOST
    assert abs(lost - 1000) < 4 * math.sqrt(10_000 * 0.1 * 0.9)
    assert run(STREAM, "loss=0.1")[0] == passed
    assert run(STREAM, "loss=0.1", seed=2)[0] != passed


def test_bursts_lose_as_much_in_longer_spells() -> None:
    passed, faults = run(STREAM, "bursts=0.1,length=10")
    kept = {id(record) for record in passed}
    spells = [
        len(list(spell))
        for gone, spell in groupby(id(record) not in kept for record in STREAM)
        if gone
    ]

    assert faults.tallies[0][1].lost == sum(spells) == LOST_IN_BURSTS
    # A hundred spells of a geometric length: its deviation is its mean, 10.
    assert abs(sum(spells) / len(spells) - 10) < 4 * 10 / math.sqrt(len(spells))


def test_what_a_fault_did_is_told() -> None:
    _, faults = run(STREAM[:100], "loss=0.5", "loss,gateway=024b0bfffe010102")

    assert [str(tally) for _, tally in faults.tallies] == ["100 seen, 51 lost", "0 seen"]


def test_a_link_s_chance_is_its_own() -> None:
    mixed = [
        record
        for near, far in zip(STREAM[:500], stream(500, gateway=FAR), strict=True)
        for record in (near, far)
    ]
    alone, _ = run(STREAM[:500], "loss=0.3", "corrupt=0.2", "delay=1s,jitter=9s")
    among, _ = run(mixed, "loss=0.3", "corrupt=0.2", "delay=1s,jitter=9s")

    assert [r for r in among if r.payload[4:12].hex() != FAR] == alone


def test_a_duplicate_is_the_same_bytes() -> None:
    passed, faults = run(STREAM[:1000], "duplicate=0.2,copies=2,within=3s")
    seen = Counter(record.payload for record in passed)

    assert set(seen.values()) == {1, 3}
    assert len(passed) == 1000 + faults.tallies[0][1].added
    assert [seconds(r) for r in passed] == sorted(seconds(r) for r in passed)


def test_reordering_moves_no_message_further_than_its_window() -> None:
    passed, _ = run(STREAM[:1000], "reorder=0.5,within=4s")
    moved = [seconds(record) - counters(record)[0] for record in passed]

    assert [c for r in passed for c in counters(r)] != list(range(1000))
    assert sorted(c for r in passed for c in counters(r)) == list(range(1000))
    assert 0 <= min(moved) < max(moved) <= 4


def test_a_delay_keeps_the_order_of_a_link() -> None:
    passed, _ = run(STREAM[:300], "delay=2s,jitter=5s")
    late = [seconds(record) - i for i, record in enumerate(passed)]

    assert counters(*passed) == list(range(300))
    assert min(late) >= 2
    assert max(late) <= 7


def test_what_is_held_comes_out_by_the_clock() -> None:
    faults = Faults(parse_all(["delay=2s"]), 1, START)

    assert faults.next_at == math.inf
    assert faults.apply(STREAM[0]) == []
    assert faults.next_at == 2.0
    assert faults.due(1.9) == []
    assert faults.due(2.0) == [replace(STREAM[0], at=START + timedelta(seconds=2))]
    assert faults.flush() == []


@pytest.mark.parametrize("hold", ["hold=false", "hold=true"])
def test_a_flapping_link_is_up_then_down(hold: str) -> None:
    passed, faults = run(STREAM[:60], f"flap=6s/4s,{hold}")
    at_its_time = [counters(r)[0] for r in passed if seconds(r) == counters(r)[0]]

    assert at_its_time == [i for i in range(60) if i % 10 < 6]
    tally = faults.tallies[0][1]
    assert (tally.lost, tally.delayed) == ((24, 0) if hold == "hold=false" else (0, 24))
    assert {seconds(r) % 10 for r in passed if seconds(r) != counters(r)[0]} <= {0.0}


def test_bits_are_turned_in_the_frame_only() -> None:
    passed, _ = run(STREAM[:200], "corrupt=0.5,bits=3")
    pairs = [(frames(a)[0], frames(b)[0]) for a, b in zip(STREAM, passed, strict=False)]
    turned = [
        (int.from_bytes(a.phy or b"") ^ int.from_bytes(b.phy or b"")).bit_count() for a, b in pairs
    ]

    assert set(turned) == {0, 3}
    assert all(
        replace(
            b, phy=a.phy, dev_addr=a.dev_addr, dev_eui=a.dev_eui, f_cnt=a.f_cnt, f_port=a.f_port
        )
        == a
        for a, b in pairs
    )


def test_bits_are_turned_anywhere_in_a_message() -> None:
    passed, _ = run([pull(0.0)], "corrupt,where=message")
    before, after = pull(0.0).payload, passed[0].payload

    assert (int.from_bytes(before) ^ int.from_bytes(after)).bit_count() == 1


def test_a_truncated_message_is_a_beginning_of_it() -> None:
    passed, _ = run(STREAM[:100], "truncate")

    for before, after in zip(STREAM, passed, strict=False):
        assert before.payload.startswith(after.payload)
        assert len(after.payload) < len(before.payload)


def test_a_wrong_clock_jumps_and_drifts_and_touches_nothing_else() -> None:
    passed, _ = run(STREAM[:101], "clock=-365d,skew=200,from=50")

    assert passed[:50] == STREAM[:50]
    for i, record in enumerate(passed[50:]):
        frame, original = frames(record)[0], frames(STREAM[50 + i])[0]
        off = timedelta(days=-365, microseconds=200 * i)
        assert original.at is not None
        assert frame == replace(original, at=original.at + off)
        assert record.at == STREAM[50 + i].at


@pytest.mark.parametrize(("how", "left"), [("silent", 0), ("repeat", 10)])
def test_a_stuck_gateway_says_that_it_lives(how: str, left: int) -> None:
    records = [each for i in range(10) for each in (STREAM[i], pull(i + 0.5))]
    passed, _ = run(records, f"stuck={how},gateway={NEAR}")

    assert sum(record.payload == pull(0.5).payload for record in passed) == 10
    assert counters(*passed) == [0] * left


def test_a_fault_touches_its_gateways_devices_and_time_only() -> None:
    records = [
        datagram(i, float(i), device=device, gateway=gateway)
        for i in range(40)
        for device in (FIRST, SECOND)
        for gateway in (NEAR, FAR)
    ]
    passed, _ = run(records, f"loss,gateway={FAR},device={SECOND},from=10,until=20")

    def touched(record: Record) -> bool:
        (frame,) = frames(record)
        return (frame.gateway_eui, frame.dev_addr) == (
            FAR,
            CIPHERS[SECOND].dev_addr,
        ) and 10 <= seconds(record) < 20

    assert passed == [record for record in records if not touched(record)]
    assert run(records, "loss,device=26011f02")[0] == run(records, f"loss,device={SECOND}")[0]


def test_of_a_datagram_only_the_frames_within_reach_are_lost() -> None:
    both = replace(
        datagram(1, 0.0),
        payload=datagram(1, 0.0).payload[:-2]
        + b","
        + datagram(2, 0.0, device=SECOND).payload.partition(b"[")[2],
    )
    passed, faults = run([both], f"loss,device={FIRST}")

    assert [frame.dev_addr for frame in frames(passed[0])] == [CIPHERS[SECOND].dev_addr]
    assert faults.tallies[0][1].lost == 0


def test_a_reset_counter_begins_at_nothing_and_stays() -> None:
    passed, _ = run(STREAM[:30], f"reset,device={FIRST},from=10,until=20")

    assert counters(*passed) == [*range(10), *range(20)]


def test_a_reset_is_the_same_by_every_gateway() -> None:
    records = [
        datagram(7, 0.0),
        datagram(7, 0.1, gateway=FAR),
        datagram(8, 1.0, gateway=FAR),
        datagram(8, 1.1),
    ]
    passed, _ = run(records, "reset")

    assert counters(*passed) == [0, 0, 1, 1]


def test_a_flood_counts_on_and_so_does_the_device_afterwards() -> None:
    passed, faults = run(
        [datagram(i, 20.0 * i) for i in range(5, 10)], "flood=4,within=8s,from=120,until=160"
    )

    assert counters(*passed) == list(range(5, 16))
    assert faults.tallies[0][1].added == 6
    assert [seconds(r) for r in passed] == [100, 120, 122, 124, 126, 140, 142, 144, 146, 160, 180]


def test_a_clone_says_the_same_under_its_own_counter() -> None:
    passed, _ = run([datagram(i, 60.0 * i) for i in range(3)], "clone=500,after=7s")

    assert counters(*passed) == [0, 500, 1, 501, 2, 502]
    first, clone = frames(passed[0])[0], frames(passed[1])[0]
    assert first.at is not None
    assert clone.at == first.at + timedelta(seconds=7)
    assert clone.tmst == 7_000_000


def test_a_replayed_frame_is_the_same_bytes_heard_by_another_gateway() -> None:
    passed, _ = run([datagram(3, 0.0)], f"replay=60s,by={FAR}")
    first, again = frames(passed[0])[0], frames(passed[1])[0]

    assert seconds(passed[1]) == 60.0
    assert (again.phy, again.gateway_eui, again.tmst) == (first.phy, FAR, 60_000_000)


def test_frames_that_no_session_opens_are_counted_and_left() -> None:
    strange = SessionCipher(
        dev_addr=CIPHERS[FIRST].dev_addr, nwk_s_key=bytes(16), app_s_key=b"k" * 16
    )
    broken = [
        rewrite(record, lambda f: replace(f, phy=strange.seal_uplink(f_cnt=3, f_port=1))) or record
        for record in STREAM[:20]
    ]
    passed, faults = run(broken, "reset", "clone", "flood=3")

    assert passed == broken
    assert faults.tallies[0][1].unsealed == 20
    assert sum(tally.added for _, tally in faults.tallies) == 0


@pytest.mark.parametrize("name", [n for n, kind in FAULTS.items() if kind.needs_keys])
def test_without_keys_a_fault_that_seals_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(SettingsError, match="session keys"):
        Faults([parse(name)], 1, START)


def test_names_are_resolved_and_unknown_ones_refused() -> None:
    faults = Faults([parse("loss,gateway=gw-2")], 1, START, names={"gw-2": FAR})
    assert faults.apply(datagram(0, 0.0, gateway=FAR)) == []
    assert faults.apply(STREAM[0]) == [STREAM[0]]
    with pytest.raises(SettingsError, match=r"no gateway 'gw-3'.*gw-2"):
        Faults([parse("replay,by=gw-3")], 1, START, names={"gw-2": FAR})


SHORT_FORMS = [
    "loss=0.3", "bursts=0.2,length=4", "duplicate=0.5,copies=2,within=3", "reorder=0.5",
    "delay=2s,jitter=1s", "flap=3s/2s", "flap=3s/2s,hold=false", "corrupt=0.5",
    "corrupt=0.5,where=message", "truncate=0.5", "clock=10d,skew=50", "stuck,until=5",
    "stuck=repeat", "reset", "clone", "replay=5s", "flood=3",
]  # fmt: skip
ROADS = st.builds(
    Record,
    at=st.integers(0, 60_000).map(lambda ms: START + timedelta(milliseconds=ms)),
    road=st.sampled_from(Road),
    payload=st.one_of(
        st.binary(max_size=60),
        st.integers(0, 40).map(lambda n: datagram(n, float(n)).payload),
        st.just(pull(0.0).payload),
        st.just(datagram(3, 0.0).payload.replace(b"2026-03-01", b"9999-12-31")),
    ),
    topic=st.sampled_from(["", f"as923/gateway/{NEAR}/event/up", "khaen/priority"]),
)


def test_every_fault_is_among_the_short_forms() -> None:
    assert {parse(form).fault for form in SHORT_FORMS} == set(FAULTS)


@settings(max_examples=150)
@given(
    records=st.lists(ROADS, max_size=30).map(lambda each: sorted(each, key=lambda r: r.at)),
    forms=st.lists(st.sampled_from(SHORT_FORMS), max_size=4),
)
def test_what_goes_in_comes_out_but_for_what_was_lost_and_added(
    records: list[Record], forms: list[str]
) -> None:
    passed, faults = run(records, *forms)
    tallies = [tally for _, tally in faults.tallies]

    assert len(passed) == len(records) - sum(t.lost for t in tallies) + sum(
        t.added for t in tallies
    )
    assert [r.at for r in passed] == sorted(r.at for r in passed)
    assert run(records, *forms)[0] == passed
    if not {parse(form).fault for form in forms} & CHANGING:
        known = Counter(r.payload for r in records)
        assert all(r.payload in known for r in passed)


def test_bad_models_are_refused() -> None:
    kinds: list[tuple[type[Fault], dict[str, object]]] = [
        (FAULTS["bursts"], {"share": 0.9, "length": 1}),
        (FAULTS["bursts"], {"share": 0.1, "bad": 0.05}),
        (FAULTS["reset"], {"share": 0.5}),
        (FAULTS["loss"], {"share": 1.1}),
        (FAULTS["flap"], {"up": 0, "down": 3}),
    ]
    for kind, document in kinds:
        with pytest.raises(ValueError, match=r"share|burst|losses|greater|less"):
            kind.model_validate(document)


def test_a_device_of_no_session_is_touched_by_its_address() -> None:
    faults = Faults([parse("loss,device=26011F01")], 1, START)

    assert faults.apply(STREAM[0]) == []
    assert DevEui(FIRST) not in {frame.dev_eui for frame in frames(STREAM[0])}
