"""A broker that stands still, takes one message at a time, or hangs up: calls arrive even so."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.support.programs import Threaded, wait_for
from tests.support.site import HASTY, RunningSite, make_bands

pytestmark = pytest.mark.end_to_end

RETURN_S = 10.0
"""A call for help is in the ledger this long after the broker's return, at the latest."""
PUSHED = 40


def test_a_broker_that_stood_still_is_given_the_call_again(tmp_path: Path) -> None:
    """Half-open for seconds: the kernel at the other end goes on to take bytes for nobody."""
    caller, *bands = make_bands(6)
    forward = (*HASTY, "stuck_s = 4.0")
    site = RunningSite(folder=tmp_path, bands=[caller, *bands], forward=forward)
    with site.start(people=False):
        (gateway,) = site.gateways
        radio, agent = site.forwarders[gateway], site.agents[gateway]
        radio.hear(caller.telemetry())
        site.await_whole()
        os.kill(site.broker.pid, signal.SIGSTOP)
        for _ in range(5):
            radio.hear(*(band.telemetry() for band in bands))
        radio.hear(caller.sos())
        agent.await_logged("mqtt_disconnected", timeout_s=30)
        os.kill(site.broker.pid, signal.SIGCONT)
        site.await_counter(caller, 1, timeout_s=RETURN_S)
        (account,) = site.await_whole()
        assert account.heard == account.committed
        assert all(site.counters(band) == list(range(5)) for band in bands)
        assert site.rows("SELECT rule, presses FROM alarm") == [("sos", 1)]


def test_a_broker_that_takes_one_at_a_time_gets_all(tmp_path: Path) -> None:
    """Of what it has no place for it keeps nothing, and says so to nobody."""
    caller, *bands = make_bands(11)
    lines = ("max_inflight_messages 1", "max_queued_messages 5")
    site = RunningSite(folder=tmp_path, bands=[caller, *bands], forward=HASTY, broker_lines=lines)
    with site.start(people=False):
        (gateway,) = site.gateways
        radio = site.forwarders[gateway]
        for _ in range(PUSHED):
            radio.hear(*(band.telemetry() for band in bands))
        radio.hear(caller.sos())
        site.await_counter(caller, 0, timeout_s=RETURN_S)
        (account,) = site.await_whole()
        assert account.heard == account.committed
        assert all(site.counters(band) == list(range(PUSHED)) for band in bands)


def test_a_broker_that_hangs_up_is_asked_rarely(tmp_path: Path) -> None:
    """A port that takes every connection and drops it, as a firewall's or a starting broker's."""
    (band,) = bands = make_bands(1)
    site = RunningSite(folder=tmp_path, bands=bands, forward=HASTY)
    (gateway,) = site.gateways
    agent = site.agents[gateway]
    with site.start(people=False):
        site.broker.stop()
        agent.await_logged("mqtt_disconnected")
        count = 0
        with socket.create_server(("127.0.0.1", site.broker.port)) as port:
            port.settimeout(0.1)

            def hang_up() -> None:
                nonlocal count
                try:
                    port.accept()[0].close()
                except TimeoutError:
                    return
                count += 1

            before, began = cpu_s(agent.pid), time.monotonic()
            hanging = Threaded("hanging up", hang_up)
            try:
                site.forwarders[gateway].hear(band.sos())
                wait_for(lambda: time.monotonic() - began > 4, "some seconds of it")
            finally:
                hanging.stop()
        used, lasted = cpu_s(agent.pid) - before, time.monotonic() - began
        print(f"{count} connections in {lasted:.1f} s, {used:.2f} s of CPU")
        assert count < 10 * lasted, "agent and ingest's two, together"
        site.broker.start()
        site.await_counter(band, 0, timeout_s=RETURN_S)
        site.await_whole()


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
