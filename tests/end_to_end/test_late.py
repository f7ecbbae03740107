"""Frames that come long after they were heard: under their own time, and nothing live moves."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from khaen import topics
from khaen.clock import to_micros
from khaen.ids import Epoch
from simulators.link import Fault
from tests.support import chirpstack
from tests.support.backhaul import backhaul
from tests.support.programs import wait_for
from tests.support.site import GATEWAYS, HASTY, RunningSite, make_bands
from tests.support.wire import envelope

pytestmark = pytest.mark.end_to_end

GATEWAY, AWAY = GATEWAYS[:2]
EPOCH = Epoch("a1a1a1a1a1a1a1a1")
LIVE_S = 2.0
"""docs/wire.md: an older frame goes by the backlog."""


def test_frames_an_hour_late_are_stored_under_their_own_time(tmp_path: Path) -> None:
    """The gateway AWAY was cut off an hour ago and now sends what it heard then, as its agent would
    put it: its outbox's records, with their numbers and times.
    """
    with RunningSite(folder=tmp_path, bands=make_bands(3), gateways=(GATEWAY, AWAY)) as site:
        site.start(agents=(GATEWAY,))
        calling, calm, caller = site.bands
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        heard = [
            (band, band.telemetry(heart_rate=50), hour_ago + timedelta(seconds=number))
            for number, band in enumerate((calling, calm) * 20)
        ]
        missed = caller.sos()

        # Meanwhile, today: telemetry, a call, and a carer who takes it.
        screen = site.screen()
        radio = site.forwarders[GATEWAY]
        radio.hear(calm.telemetry(heart_rate=75), calling.telemetry(heart_rate=90))
        radio.hear(calling.sos())
        told = screen.wait_told("alarm", rule="sos", subject=calling.subject).data
        assert screen.accept(told["id"]).status_code == 200
        screen.wait_told("alarm", id=told["id"], change="accepted")
        site.await_whole()
        before = picture(site)

        for number, (_, frame, at) in enumerate(heard, 1):
            late = envelope(AWAY, frame, epoch=EPOCH, seq=number, at=at)
            chirpstack.publish(site.broker.port, topics.backlog(AWAY), late)
        site.await_counter(calm, 19)
        site.await_counter(calling, 19)
        assert picture(site) == before, "the wall, the alarm, and what is measured now"

        # A call that nobody heard in time is raised now, and says that it is late.
        call = envelope(AWAY, missed, epoch=EPOCH, seq=len(heard) + 1, at=hour_ago)
        chirpstack.publish(site.broker.port, topics.backlog(AWAY), call)
        found = screen.wait_told("alarm", rule="sos", subject=caller.subject).data
        assert (found["late"], found["open"], found["priority"]) == (True, True, 1)
        assert datetime.fromisoformat(found["event_at"]) == hour_ago

        stored = "SELECT phy_payload, received_at, late, clock FROM uplink WHERE phy_payload = ?"
        for _, frame, at in heard:
            assert site.rows(stored, frame) == [(frame, to_micros(at), 1, "synced")]
        accounts = {row.gateway_eui: row for row in site.await_whole()}
        count = len(heard) + 1
        assert accounts[AWAY].heard == accounts[AWAY].committed == accounts[AWAY].late == count
        assert accounts[GATEWAY].late == 0
        technical = "SELECT rule, reason FROM alarm WHERE alarm_class <> 'care'"
        assert set(site.rows(technical)) <= {("unreachable", "no_plan")}, "no clock is wrong"
        assert site.quarantined() == {}


def picture(site: RunningSite) -> dict[str, object]:
    """What a late frame must not move: calls, live state, newest values, gateways on the wall."""
    calls = "SELECT subject, state, presses, event_at, accepted_by FROM alarm WHERE rule = 'sos'"
    state = "SELECT subject, event_at FROM subject_state WHERE subject LIKE 'person:%'"
    newest = "SELECT dev_eui, quantity, value, at FROM latest ORDER BY 1, 2"
    silent = "SELECT heartbeat_seen_at FROM gateway_state WHERE gateway_eui = ?"
    return {
        "calls": site.rows(calls),
        "state": site.rows(state),
        "newest": site.rows(newest),
        "heartbeat of the gateway that is away": site.rows(silent, AWAY) or [(None,)],
    }


@pytest.mark.parametrize("fault", list(Fault))
def test_a_backhaul_that_was_cut(tmp_path: Path, fault: Fault) -> None:
    with (
        RunningSite(folder=tmp_path, bands=make_bands(2), forward=HASTY) as site,
        backhaul(("127.0.0.1", site.broker.port)) as link,
    ):
        site.reroute(GATEWAY, link.port)
        site.start(people=False)
        (band, caller) = site.bands
        radio = site.forwarders[GATEWAY]
        radio.hear(band.telemetry())
        site.await_counter(band, 0)

        link.cut(fault)
        wait_for(
            lambda: fault is Fault.BLACK_HOLE or site.gauge(GATEWAY, "connected") == 0,
            "the agent noticed",
        )
        began = time.time()
        for _ in range(10):
            radio.hear(band.telemetry())
        radio.hear(caller.sos())
        ended = time.time()
        # Its receipts wait for nobody: what is heard meanwhile is on disk, and known nowhere else.
        wait_for(lambda: time.time() - ended > LIVE_S + 0.5, "what was heard is no longer live")
        assert site.counters(band) == [0]
        link.restore()
        site.await_counter(band, 10, timeout_s=30)
        site.await_counter(caller, 0, timeout_s=10)

        (account,) = site.await_whole()
        assert account.heard == account.committed
        assert site.counters(band) == list(range(11))
        times = (
            "SELECT min(received_at), max(received_at) FROM uplink WHERE f_cnt > 0 AND dev_eui = ?"
        )
        ((first, last),) = site.rows(times, band.dev_eui)
        assert began <= first / 1e6 <= last / 1e6 <= ended, "when it was heard, not when it came"
        assert site.rows("SELECT rule, presses FROM alarm") == [("sos", 1)]
        event_at = site.value("SELECT event_at FROM alarm")
        assert began <= event_at / 1e6 <= ended
        assert site.value("SELECT max(receptions) FROM uplink") == 1
        if fault is Fault.REFUSE:
            assert account.late >= 11, "all of it came by the backlog"
            way = (
                "SELECT DISTINCT way FROM reception JOIN uplink ON uplink.seq = reception.uplink"
                " WHERE f_cnt > 0"
            )
            assert site.rows(way) == [("backlog",)]


def test_a_call_goes_before_a_long_backlog(tmp_path: Path) -> None:
    """Two calls, one heard in the midst of an outage, one after it: nothing holds them back."""
    caller, other, *bands = make_bands(42)
    forward = (*HASTY, "backlog_rate = 200.0")  # 3,000 frames take 15 s
    site = RunningSite(folder=tmp_path, bands=[caller, other, *bands], forward=forward)
    with site.start(people=False):
        (gateway,) = site.gateways
        radio = site.forwarders[gateway]
        site.await_whole()
        site.broker.kill()
        for number in range(75):
            radio.hear(*(band.telemetry() for band in bands))
            if number == 40:
                radio.hear(caller.sos())
        ended = time.monotonic()
        wait_for(lambda: time.monotonic() - ended > LIVE_S + 0.5, "nothing of it is live any more")
        site.broker.start()
        site.await_counter(caller, 0, timeout_s=10)
        site.await_listening()  # what a broker without a store takes before that, it forgets
        radio.hear(other.sos())
        site.await_counter(other, 0, timeout_s=2)
        stored = site.value("SELECT count(*) FROM uplink WHERE f_port = 10")
        assert stored < 75 * len(bands), "the rest is still on its way"
        (account,) = site.await_whole()
        assert account.heard == account.committed == 1 + 75 * len(bands) + 2
        assert all(site.counters(band) == list(range(75)) for band in bands)
        order = "SELECT dev_eui, way FROM uplink JOIN reception ON uplink.seq = reception.uplink"
        calls = dict(site.rows(f"{order} WHERE f_port = 11"))
        assert calls == {caller.dev_eui: "backlog", other.dev_eui: "live"}
