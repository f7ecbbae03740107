"""Programs die as by a power cut, under load and at random moments: nothing acknowledged is lost.

The moments are counted in frames sent and drawn from a seed, which a failure shows; give it again
as KHAEN_SEED. The broker is mosquitto as it comes: without a store it forgets all that it holds.
"""

import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.programs import wait_for
from tests.support.site import GATEWAYS, HASTY, Band, RunningSite, make_bands, rounds

pytestmark = pytest.mark.end_to_end

RETURN_S = 10.0
"""A call for help is in the ledger this long after the broker's return, at the latest."""


def survive(folder: Path, *, count: int, per_second: float) -> None:
    seed = os.environ.get("KHAEN_SEED") or secrets.token_hex(4)
    rng = random.Random(seed)
    print(f"KHAEN_SEED={seed}")
    wearer, *bands = make_bands(13)
    with RunningSite(
        folder=folder,
        bands=[wearer, *bands],
        gateways=GATEWAYS[:3],
        behind={GATEWAYS[2]: GATEWAYS[0]},
        forward=HASTY,
    ).start(people=False) as site:
        with site.load(per_second=per_second, bands=bands) as sent:
            for number in range(count):
                kill_some(site, rng, sent, number)
                call(site, wearer, rng)
            await_frames(sent, 20)
        site.await_whole()
        check(site, wearer)


def kill_some(site: RunningSite, rng: random.Random, sent: Callable[[], int], number: int) -> None:
    one, other = site.agents.values()
    mortals = {"agent": one, "other agent": other, "ingest": site.ingest}
    chosen = rng.sample(["broker", *mortals], rng.choice((1, 1, 2, 3)))
    # Whatever the draw, each of the three kinds dies in every three rounds.
    always = ("agent", "broker", "ingest")[number % 3]
    names = sorted({*chosen, always})
    rng.shuffle(names)
    for name in names:
        await_frames(sent, rng.randint(1, 30))
        print(f"round {number}: {name} killed after {sent()} frames")
        (site.broker if name == "broker" else mortals[name]).kill()
    rng.shuffle(names)
    for name in names:
        await_frames(sent, rng.randint(1, 30))
        if name == "broker":
            site.broker.start()
        else:
            mortals[name].launch()
    for program in mortals.values():
        program.await_ready()


def await_frames(sent: Callable[[], int], count: int) -> None:
    goal = sent() + count
    wait_for(lambda: sent() >= goal, f"{goal} frames sent", every_s=0.002)


def call(site: RunningSite, wearer: Band, rng: random.Random) -> None:
    """A press; repeated as a band would until a gateway has it on its disk."""
    forwarder = site.forwarders[rng.choice(site.gateways)]
    token = forwarder.push(wearer.sos())
    while not forwarder.is_acked(token, timeout_s=2.0):
        token = forwarder.push(wearer.sos(new=False))


def check(site: RunningSite, wearer: Band) -> None:
    stored = Counter(row[0] for row in site.rows("SELECT phy_payload FROM uplink"))
    acked = [frame for forwarder in site.forwarders.values() for frame in forwarder.acked]
    assert len(acked) > 50, "the load was heard"
    assert len(set(acked)) == len(acked)
    assert [frame for frame in acked if stored[frame] != 1] == []
    twice = "SELECT dev_eui, f_cnt FROM uplink GROUP BY dev_eui, f_cnt HAVING count(*) > 1"
    assert site.rows(twice) == []
    # Every frame was on the air once and heard by one gateway, however often it was sent on.
    assert site.value("SELECT max(receptions) FROM uplink") == 1
    assert site.value("SELECT count(*) FROM reception") == len(stored)
    assert site.quarantined() == {}
    accounts = site.audit()
    assert len(accounts) == len(site.gateways), "no agent took a new epoch"
    for account in accounts:
        assert account.heard == account.committed > 0
        assert (account.gone, account.missing, account.conflict) == (0, 0, False)
    ((presses, state),) = site.rows("SELECT presses, state FROM alarm WHERE rule = 'sos'")
    assert presses == wearer.press, f"every press once ({state})"


def test_nothing_acknowledged_is_lost_when_programs_are_killed(tmp_path: Path) -> None:
    survive(tmp_path, count=rounds(), per_second=40)


@pytest.mark.soak
def test_nothing_acknowledged_is_lost_however_often_programs_are_killed(tmp_path: Path) -> None:
    survive(tmp_path, count=rounds(), per_second=100)


@pytest.mark.parametrize("ingest", ["away", "paused"])
def test_a_call_then_silence_and_the_broker_dies_holding_it(tmp_path: Path, ingest: str) -> None:
    """The broker has acknowledged the call to the agent and nobody has it yet; then it dies.

    Away: ingest does not run, so that only the broker had it. Paused: ingest stands still, and what
    lies in its socket may or may not be whole. No later frame hastens anything.
    """
    with RunningSite(folder=tmp_path, bands=make_bands(1)).start(people=False) as site:
        (band,) = site.bands
        (gateway,) = site.gateways
        site.forwarders[gateway].hear(band.telemetry())
        site.await_counter(band, 0)
        before = settled(site)

        if ingest == "away":
            site.ingest.kill()
        else:
            site.ingest.pause()
        site.forwarders[gateway].hear(band.sos())
        site.await_gauge(gateway, "frames_taken", before + 1)
        assert site.counters(band) == [0]
        site.broker.kill()
        if ingest == "away":
            site.ingest.launch()
        else:
            site.ingest.go_on()
        site.broker.start()
        began = time.monotonic()
        site.await_counter(band, 1, timeout_s=RETURN_S)
        print(f"{time.monotonic() - began:.2f} s after the broker's return")

        site.await_whole()
        assert site.counters(band) == [0, 1]
        assert site.rows("SELECT rule, presses, late FROM alarm") == [("sos", 1, 0)]
        assert site.value("SELECT receptions FROM uplink WHERE f_cnt = 1") == 1


def settled(site: RunningSite) -> float:
    """How many messages the broker has taken once none is under way."""
    (gateway,) = site.gateways
    wait_for(lambda: site.gauge(gateway, "backlog_records") == 0, "a receipt for every frame")
    return site.gauge(gateway, "frames_taken")


def test_a_broker_away_for_long_is_found_again_at_once(tmp_path: Path) -> None:
    """However often programs looked in vain: their patience must not grow beyond the promise."""
    with RunningSite(folder=tmp_path, bands=make_bands(1)).start(people=False) as site:
        (band,) = site.bands
        (gateway,) = site.gateways
        site.broker.kill()
        site.forwarders[gateway].hear(band.sos())
        tries = 8
        for program in (site.agents[gateway], site.ingest):
            program.await_logged("mqtt_disconnected", tries, timeout_s=120)
        site.broker.start()
        site.await_counter(band, 0, timeout_s=RETURN_S)
        site.await_whole()


def test_what_a_full_broker_drops_comes_again(tmp_path: Path) -> None:
    """mosquitto holds 1,000 messages for an absent client, and drops the newest in silence."""
    bands = make_bands(30)
    with RunningSite(folder=tmp_path, bands=bands, forward=HASTY).start(people=False) as site:
        (gateway,) = site.gateways
        forwarder = site.forwarders[gateway]
        site.await_whole()
        site.ingest.kill()
        for _ in range(50):
            forwarder.hear(*(band.telemetry() for band in bands))
        site.await_gauge(gateway, "frames_taken", 1 + 50 * len(bands))
        site.ingest.start()
        (account,) = site.await_whole()
        assert account.heard == account.committed == 1 + 50 * len(bands)
        assert all(site.counters(band) == list(range(50)) for band in bands)
        # Who proves that it was so: the agent sent more than once what the broker had dropped.
        assert site.gauge(gateway, "frames_sent") >= 1 + 50 * len(bands) + 500
