"""A site in virtual time: the real agents, ingest and rules, the same outcome each time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from simulators.acts.subjects import UnknownSubject
from simulators.acts.vocabulary import Accept, CutGateway, Press, RestoreGateway
from simulators.inside.world import CALM, World
from simulators.payloads.wristband import SOS_PORT
from simulators.sites.demonstration import CALLER, make_site
from simulators.sites.made_up import make_up
from simulators.traffic import Pace

MADE = make_site(1)
START = datetime(2026, 3, 14, 1, 0, tzinfo=UTC)
SITE = MADE.site.model_copy(update={"devices": MADE.site.devices[10:13]})


def world(folder: Path, **more: Any) -> World:
    folder.mkdir(exist_ok=True)
    return World(
        SITE,
        MADE.keys,
        seed=1,
        start=START,
        folder=folder,
        pace=Pace(wristband=30, sensor=60),
        **more,
    )


def rows(of: World, sql: str) -> list[tuple[Any, ...]]:
    with of.database.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def test_a_press_is_an_alarm_within_a_second_and_is_answered(tmp_path: Path) -> None:
    with world(tmp_path) as inside:
        inside.advance(20)
        inside.perform(Press(resident=CALLER))
        inside.advance(21)
        (before,) = rows(inside, "SELECT rule, subject, state, raised_at FROM alarm")
        assert before[:3] == ("sos", f"person:{CALLER}", "unacknowledged")
        inside.perform(Accept(resident=CALLER))
        assert rows(inside, "SELECT state FROM alarm") == [("acknowledged",)]
        assert inside.now == 21
        raised_after = before[3] / 1e6 - START.timestamp() - 20
        assert 0 < raised_after < 1


def test_what_a_cut_gateway_kept_comes_late_under_its_own_time(tmp_path: Path) -> None:
    with world(tmp_path) as inside:
        inside.advance(10)
        for gateway in ("gw-1", "gw-2"):
            inside.perform(CutGateway(gateway=gateway))
        inside.advance(200)
        cut = START.timestamp() * 1e6 + 10e6
        assert rows(inside, f"SELECT * FROM uplink WHERE received_at > {cut}") == []
        for gateway in ("gw-1", "gw-2"):
            inside.perform(RestoreGateway(gateway=gateway))
        inside.advance(300)
        late = rows(
            inside,
            f"SELECT phy_payload, received_at FROM uplink WHERE received_at BETWEEN {cut} AND"
            f" {cut + 190e6}",
        )
        assert late
        for phy, received_at in late:
            sent_at = inside.sent_at(phy)
            assert sent_at is not None
            assert received_at / 1e6 - START.timestamp() == pytest.approx(sent_at, abs=0.05)


@pytest.mark.parametrize("network_server", [False, True])
def test_a_call_is_repeated_until_a_network_server_acknowledges_it(
    tmp_path: Path, network_server: bool
) -> None:
    with world(tmp_path, network_server=network_server) as inside:
        inside.advance(20)
        band = inside.traffic.node(inside.traffic.residents[CALLER])
        inside.perform(Press(resident=CALLER))
        inside.advance(60)
        assert bool(band.calls) is not network_server
        said = rows(inside, f"SELECT count(*) FROM uplink WHERE f_port = {SOS_PORT}")[0][0]
        assert said == 1 if network_server else said > 2


def test_devices_join_through_agents_on_calm_days_too(tmp_path: Path) -> None:
    made = make_up(1, elders=2, gateways=1, sensors=0, otaa=True)
    with World(
        made.site,
        made.keys,
        seed=1,
        start=START,
        folder=tmp_path,
        pace=Pace(wristband=300, sensor=300, first=3600),
        network_server=True,
        cadence=CALM,
        join_keys=made.join_keys,
    ) as inside:
        inside.advance(7200)
        assert inside.network is not None
        for dev_eui in made.join_keys:
            assert inside.network.told[dev_eui, "join"] == 1
            assert inside.network.told[dev_eui, "up"] > 5


def test_the_same_seed_gives_the_same_ledger(tmp_path: Path) -> None:
    def run(folder: Path) -> list[list[tuple[Any, ...]]]:
        with world(folder, network_server=True) as inside:
            inside.advance(20)
            inside.perform(Press(resident=CALLER, again=1))
            inside.advance(120)
            return [
                rows(inside, "SELECT * FROM uplink"),
                rows(inside, "SELECT uplink, gateway_eui, way, seq, received_at FROM reception"),
                rows(inside, "SELECT * FROM alarm"),
                rows(inside, "SELECT alarm, at, recorded_at, change FROM alarm_event"),
            ]

    first = run(tmp_path / "one")
    assert all(first)
    assert first == run(tmp_path / "two")


def test_whom_the_site_has_not_nothing_befalls(tmp_path: Path) -> None:
    with world(tmp_path) as inside, pytest.raises(UnknownSubject, match="R-0012"):
        inside.perform(Press(resident="R-0099"))
