"""A ledger comes back from yesterday's backup: what agents still hold comes again, the rest is gone
by their own word, and the audit is whole.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.outbox.shelf import Shelf
from khaen.ids import GatewayEui
from store.database import new_ledger_id
from tests.support.site import GATEWAYS, HASTY, RunningSite, make_bands

pytestmark = pytest.mark.end_to_end

HOLDING, FORGETFUL = GATEWAYS[:2]


def copy(source: Path, target: Path) -> None:
    """As `sqlite3 source '.backup target'` does, while others use both."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def restore(site: RunningSite, backup: Path) -> None:
    """What a restore has to do: the file as it was, and a new id (docs/wire.md)."""
    ledger = site.folder / "ledger.sqlite"
    copy(backup, ledger)
    with closing(sqlite3.connect(ledger)) as opened, opened:
        opened.execute("UPDATE fact SET value = ? WHERE key = 'ledger'", (new_ledger_id(),))


def forget(site: RunningSite, gateway: GatewayEui) -> None:
    """What an agent holds is older than 72 hours: it has forgotten all that is receipted."""
    agent = site.agents[gateway]
    agent.stop()
    file = site.folder / f"gateway-{gateway}" / "outbox.sqlite"
    with closing(Shelf(file)) as shelf:
        settled = shelf.db.execute("SELECT id FROM record WHERE settled_at IS NOT NULL").fetchall()
        shelf.begin()
        shelf.forget([row for (row,) in settled], settled=True)
        shelf.commit()
    agent.start()
    site.await_gauge(gateway, "connected", 1)


def test_what_the_backup_lacks_comes_again_or_is_declared_gone(tmp_path: Path) -> None:
    band, other = bands = make_bands(2)
    gateways = (HOLDING, FORGETFUL)
    site = RunningSite(folder=tmp_path, bands=bands, gateways=gateways, forward=HASTY)
    with site.start(people=False):
        held, forgotten = (site.forwarders[gateway] for gateway in gateways)
        for _ in range(10):
            held.hear(band.telemetry())
            forgotten.hear(other.telemetry())
        site.await_whole()
        forget(site, FORGETFUL)
        site.await_whole()
        copy(tmp_path / "ledger.sqlite", tmp_path / "yesterday.sqlite")

        for _ in range(10):
            held.hear(band.telemetry())
            forgotten.hear(other.telemetry())
        held.hear(band.sos())
        site.await_whole()
        forget(site, FORGETFUL)
        site.await_whole()

        site.ingest.stop()
        restore(site, tmp_path / "yesterday.sqlite")
        assert site.counters(band) == site.counters(other) == list(range(10))
        held.hear(band.telemetry())
        site.ingest.start()
        forgotten.hear(other.telemetry())
        site.await_counter(band, 21)
        site.await_counter(other, 20)

        accounts = {row.gateway_eui: row for row in site.await_whole()}
        assert site.counters(band) == list(range(22))
        lost = set(range(21)) - set(site.counters(other))
        assert lost, "what neither the backup nor the agent has"
        assert lost <= set(range(10, 20))
        assert accounts[HOLDING].gone == 0
        assert accounts[HOLDING].heard == accounts[HOLDING].committed
        assert accounts[FORGETFUL].gone >= len(lost)
        for row in accounts.values():
            assert row.heard == row.committed + row.gone
            assert not row.conflict
        assert len(accounts) == len(gateways), "no new epoch"
        assert site.value("SELECT max(receptions) FROM uplink") == 1
        assert site.rows("SELECT rule, presses FROM alarm") == [("sos", 1)]
        assert site.quarantined() == {}
