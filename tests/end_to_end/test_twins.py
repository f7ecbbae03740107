"""Two agents speak for one gateway: both say so aloud, and what each of them heard still arrives.

A card was copied, or the old gateway was left running beside its successor.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from khaen.ids import GatewayEui
from khaen.status import GatewayStatus
from tests.edge.agent import listening
from tests.support.forwarder import Forwarder
from tests.support.ports import find_free_port, find_free_udp_port
from tests.support.programs import Program, wait_for
from tests.support.site import GATEWAYS, HASTY, RunningSite, make_bands

pytestmark = pytest.mark.end_to_end

GATEWAY = GATEWAYS[0]
FRAMES = 25
MOST_PER_SECOND = 2.0
"""Connections that one agent makes: however they drive each other out, it is no storm."""
LOUD = "another_agent_speaks_for_this_gateway"


@contextmanager
def twin(site: RunningSite, *, clone: bool, changed: dict[str, str]) -> Iterator[Program]:
    """A second agent with the first one's settings; its outbox is new, or a copy of the first's."""
    folder = site.folder / "twin"
    folder.mkdir()
    card = site.folder / f"gateway-{GATEWAY}"
    udp = site.forwarders[GATEWAY].port
    metrics = site.agents[GATEWAY].announced()["metrics"].split(":")[2].partition("/")[0]
    replaced = {
        f"[udp]\nport = {udp}": f"[udp]\nport = {find_free_udp_port()}",
        f"metrics_port = {metrics}": f"metrics_port = {find_free_port()}",
        f'"{card}/outbox.sqlite"': f'"{folder}/outbox.sqlite"',
        **changed,
    }
    text = (card / "edge.toml").read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    config = folder / "edge.toml"
    config.write_text(text)
    if clone:
        for file in card.glob("outbox.sqlite*"):
            shutil.copy(file, folder)
    agent = Program("edge-twin", ("-m", "edge.main", "run", "--config", config), folder=folder)
    try:
        agent.start()
        yield agent
    finally:
        agent.kill()
        print(agent.tail())


@contextmanager
def heard_by(agent: Program, gateway: GatewayEui) -> Iterator[Forwarder]:
    forwarder = Forwarder(gateway, int(agent.announced()["udp"].rpartition(":")[2]))
    try:
        yield forwarder
    finally:
        forwarder.close()


def feed(site: RunningSite, forwarders: list[Forwarder]) -> None:
    """Let each hear a band of its own, in turn; a call in the end."""
    for _ in range(FRAMES):
        for forwarder, band in zip(forwarders, site.bands, strict=True):
            forwarder.hear(band.telemetry())
        time.sleep(0.1)
    forwarders[1].hear(site.bands[1].sos())


def check(site: RunningSite, forwarders: list[Forwarder]) -> None:
    """All that was acknowledged is in the ledger once."""
    acked = Counter(frame for forwarder in forwarders for frame in forwarder.acked)
    assert acked.total() == 2 * FRAMES + 1

    def stored() -> Counter[bytes]:
        return Counter(row[0] for row in site.rows("SELECT phy_payload FROM uplink"))

    wait_for(lambda: stored() == acked, lambda: f"lacks {len(acked - stored())}", timeout_s=60)
    assert site.quarantined() == {}
    assert site.rows("SELECT rule, presses FROM alarm WHERE rule = 'sos'") == [("sos", 1)]


def check_calm(agents: list[Program], began: float) -> None:
    lasted = time.monotonic() - began
    for agent in agents:
        count = agent.since_start().count("event=mqtt_connected")
        assert count <= 1 + MOST_PER_SECOND * lasted, agent.name


@pytest.mark.parametrize("clone", [False, True], ids=["own outboxes", "copied outbox"])
def test_with_one_account_they_drive_each_other_out(tmp_path: Path, clone: bool) -> None:
    site = RunningSite(folder=tmp_path, bands=make_bands(2), forward=HASTY)
    with site.start(people=False):
        began = time.monotonic()
        agent = site.agents[GATEWAY]
        with twin(site, clone=clone, changed={}) as other, heard_by(other, GATEWAY) as second:
            forwarders = [site.forwarders[GATEWAY], second]
            feed(site, forwarders)
            for program in (agent, other):
                program.await_logged(LOUD)
            check(site, forwarders)
            check_calm([agent, other], began)


def test_with_accounts_of_their_own_each_sees_the_other(tmp_path: Path) -> None:
    """Both are connected all the time: only the status of the gateway tells."""
    port = find_free_port()
    lines = (f"listener {port} 127.0.0.1", "allow_anonymous true", "use_username_as_clientid true")
    site = RunningSite(folder=tmp_path, bands=make_bands(2), forward=HASTY, broker_lines=lines)
    config = site.reroute(GATEWAY, port)
    config.write_text(config.read_text().replace("[mqtt]", '[mqtt]\nusername = "one"'))
    with (
        site.start(people=False),
        listening(site.broker.port, f"khaen/gateway/{GATEWAY}/status") as ear,
    ):
        agent = site.agents[GATEWAY]
        names = {'username = "one"': 'username = "two"'}
        with twin(site, clone=False, changed=names) as other, heard_by(other, GATEWAY) as second:
            forwarders = [site.forwarders[GATEWAY], second]
            feed(site, forwarders)
            for program in (agent, other):
                program.await_logged(LOUD)
            check(site, forwarders)
            said = [GatewayStatus.model_validate_json(m.payload) for m in list(ear.messages)]
            loud = {status.epoch for status in said if "twin_agent" in status.warnings}
            assert loud == {status.epoch for status in said}, "in the status of both"
            assert len(loud) == 2
            for program in (agent, other):
                assert program.since_start().count("event=mqtt_connected") == 1
