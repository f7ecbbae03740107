"""One outbox, two machines: a card's image is put back, or runs in another gateway.

The agent takes a new epoch and numbers anew what is unreceipted: nothing is lost, nothing is in the
ledger twice, and the log says what happened.
"""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from khaen.ids import GatewayEui
from simulators.link import Fault
from tests.support.backhaul import backhaul
from tests.support.programs import wait_for
from tests.support.site import HASTY, Band, RunningSite, make_bands

pytestmark = pytest.mark.end_to_end


def image(site: RunningSite, gateway: GatewayEui, folder: Path) -> Path:
    """A copy of a card whose gateway has no power."""
    assert not site.agents[gateway].is_running
    return shutil.copytree(site.folder / f"gateway-{gateway}", folder)


def put_back(site: RunningSite, gateway: GatewayEui, image: Path) -> None:
    card = site.folder / f"gateway-{gateway}"
    shutil.rmtree(card)
    shutil.copytree(image, card)


def carry_to_another_machine(card: Path) -> None:
    """As if this card had been written by another machine than the one that it is in."""
    with closing(sqlite3.connect(card / "outbox.sqlite")) as outbox, outbox:
        changed = outbox.execute("UPDATE fact SET value = 'other' WHERE key = 'machine_id'")
        assert changed.rowcount == 1


def hear(site: RunningSite, band: Band, count: int) -> None:
    (forwarder,) = site.forwarders.values()
    for _ in range(count):
        forwarder.hear(band.telemetry())


def check_once(site: RunningSite) -> None:
    """Each frame that was acknowledged is one uplink, whichever machine sent it."""
    (forwarder,) = site.forwarders.values()
    stored = Counter(row[0] for row in site.rows("SELECT phy_payload FROM uplink"))
    assert stored == Counter(forwarder.acked)
    assert site.quarantined() == {}


@pytest.mark.parametrize("offline", [False, True])
def test_an_image_that_is_put_back_is_found_by_its_numbers(tmp_path: Path, offline: bool) -> None:
    """The same machine: only the ledger knows that the card was further once. Offline: the agent
    gives more numbers than that before it hears of it.
    """
    band, *_ = bands = make_bands(1)
    with RunningSite(folder=tmp_path, bands=bands, forward=HASTY).start(people=False) as site:
        (gateway,) = site.gateways
        agent = site.agents[gateway]
        hear(site, band, 10)
        site.await_whole()
        agent.stop()
        kept = image(site, gateway, tmp_path / "image")
        agent.start()
        hear(site, band, 15)
        site.await_whole()

        agent.kill()
        put_back(site, gateway, kept)
        with backhaul(("127.0.0.1", site.broker.port)) as link:
            site.reroute(gateway, link.port)
            if offline:
                link.cut(Fault.REFUSE)
            agent.start()
            hear(site, band, 20 if offline else 5)
            link.restore()
            agent.await_logged("epoch_renewed")
            hear(site, band, 5)
            old, new = site.await_whole()
        assert old.heard == old.committed + old.gone
        assert new.heard == new.committed >= 5
        check_once(site)


def test_a_card_in_another_machine_begins_anew(tmp_path: Path) -> None:
    """What nobody has receipted is on both cards, and both send it."""
    band, *_ = bands = make_bands(1)
    with RunningSite(folder=tmp_path, bands=bands, forward=HASTY).start(people=False) as site:
        (gateway,) = site.gateways
        agent = site.agents[gateway]
        hear(site, band, 10)
        site.await_whole()
        site.broker.kill()
        hear(site, band, 10)
        agent.kill()
        kept = image(site, gateway, tmp_path / "image")
        site.broker.start()
        agent.start()
        hear(site, band, 10)
        site.await_whole()

        agent.stop()
        put_back(site, gateway, kept)
        carry_to_another_machine(site.folder / f"gateway-{gateway}")
        agent.start()
        wait_for(lambda: "reason=machine_id" in agent.since_start(), "a new epoch")
        hear(site, band, 10)
        site.await_counter(band, 39)
        old, new = site.await_whole()
        assert (old.conflict, new.conflict) == (False, False)
        assert old.heard == old.committed + old.gone
        assert new.heard == new.committed >= 20, "ten of them once more"
        check_once(site)
