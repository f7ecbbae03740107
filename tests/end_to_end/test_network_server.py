"""A site with a network server beside ingest: both hear the same gateways, and agree."""

import time
from pathlib import Path

import pytest
from chirpstack_api import integration

from simulators.network.plan import Network
from simulators.network_server import NetworkServer
from tests.support.network_server import serving
from tests.support.programs import wait_for
from tests.support.site import GATEWAYS, Band, RunningSite, make_bands

pytestmark = pytest.mark.end_to_end

APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97"
FORGOTTEN_S = 0.5
"""So long after a frame the network server takes it for another one."""


@pytest.mark.parametrize("json", [True, False])
def test_a_call_heard_by_gateways_and_network_server_is_one(tmp_path: Path, json: bool) -> None:
    (band,) = make_bands(1)
    gateways = GATEWAYS[:2]
    with RunningSite(folder=tmp_path, bands=[band], gateways=gateways) as site:
        site.start()
        network = Network(mac_commands=False)
        with serving(site.broker.port, network=network, json=json) as ask:
            ask(lambda server: register(server, band))
            call = band.sos()
            for gateway in gateways:
                site.forwarders[gateway].hear(call)
            site.await_counter(band, 0)
            # Once more over the air: the network server only tells that it knows the frame, and
            # when that has come, all that it told before has come.
            time.sleep(FORGOTTEN_S)
            site.forwarders[gateways[0]].hear(call)
            wait_for(lambda: kinds(site) == ["log"], lambda: f"the log event: {kinds(site)}")
            site.await_whole()
            known = ask(lambda server: server.core.registry.device(band.dev_eui).seen_at)
        assert known is not None
        assert site.quarantined() == {}
        assert site.value("SELECT count(*) FROM uplink WHERE dev_eui = ?", band.dev_eui) == 1
        ways = site.rows("SELECT DISTINCT gateway_eui, way FROM reception ORDER BY 1")
        assert ways == [(gateway, "live") for gateway in sorted(gateways)]
        assert site.rows("SELECT presses FROM alarm WHERE subject = ?", band.subject) == [(1,)]


def register(server: NetworkServer, band: Band) -> None:
    for gateway in GATEWAYS[:2]:
        server.core.add_gateway(gateway)
    info = integration.DeviceInfo(application_id=APPLICATION, dev_eui=band.dev_eui)
    server.core.add_abp(info, band.dev_addr, band.keys)


def kinds(site: RunningSite) -> list[str]:
    return [row[0] for row in site.rows("SELECT kind FROM device_event ORDER BY seq")]
