"""One uplink by two gateways and by the network server's event: one row, one call, in any order."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
from chirpstack_api import integration

from khaen.ids import GatewayEui
from khaen.uplink import Number
from simulators.payloads import wristband
from tests.support import chirpstack
from tests.support.chirpstack import HeardBy
from tests.support.programs import wait_for
from tests.support.screen import Screen
from tests.support.site import GATEWAYS, Band, RunningSite, make_bands

pytestmark = pytest.mark.end_to_end

ONE, OTHER, LATER = GATEWAYS[:3]
ELSEWHERE = GatewayEui("ac1f09fffe0a0bee")
"""A gateway of another make, which only the network server hears of."""
ORDERS = tuple(permutations(("one", "other", "event")))
HEARD = {"one": {ONE}, "other": {OTHER}, "event": {ONE, ELSEWHERE}}
ENCODINGS: dict[str, Callable[[integration.UplinkEvent], bytes]] = {
    "json": chirpstack.as_json,
    "protobuf": chirpstack.as_protobuf,
}


def test_an_uplink_that_came_by_every_way_is_one(tmp_path: Path) -> None:
    bands = make_bands(len(ORDERS) * len(ENCODINGS))
    # One heartbeat at the start only, so that a gateway's next number can be foretold.
    edge = ("status_s = 0.5", "heartbeat_s = 3600")
    with RunningSite(folder=tmp_path, bands=bands, gateways=(ONE, OTHER, LATER), edge=edge) as site:
        site.start()
        site.await_whole()
        screen = site.screen()
        wearers = iter(bands)
        for order in ORDERS:
            for encoding in ENCODINGS:
                one_press(site, screen, next(wearers), order, encoding)
        accounts = site.await_whole()
        assert sum(row.heard for row in accounts) == 3 + 3 * len(bands)
        assert site.value("SELECT count(*) FROM uplink") == len(bands)
        assert site.quarantined() == {}
        calls = "SELECT rule, count(*) FROM alarm WHERE alarm_class = 'care' GROUP BY 1"
        assert site.rows(calls) == [("sos", len(bands))]
        assert screen.alarms("sos")[-1]["presses"] == 1


def one_press(
    site: RunningSite, screen: Screen, band: Band, order: tuple[str, ...], encoding: str
) -> None:
    frame = band.sos()
    tmst = 1_000_000 * (1 + site.bands.index(band))
    render = ENCODINGS[encoding]

    def publish() -> None:
        event = make_event(band, tmst, number=next_number(site) if "one" in todo else None)
        chirpstack.publish(site.broker.port, chirpstack.topic(band.dev_eui), render(event))

    ways = {
        "one": lambda: site.forwarders[ONE].hear(frame, tmst=tmst),
        "other": lambda: site.forwarders[OTHER].hear(frame, tmst=tmst + 1),
        "event": publish,
    }
    todo, expected = list(order), set[GatewayEui]()
    for way in order:
        ways[way]()
        todo.remove(way)
        expected |= HEARD[way]
        await_heard(site, band, expected, f"{order} {encoding}: after {way}")

    told = screen.wait_told("alarm", rule="sos", subject=band.subject)
    assert states(site, band) == [(1, 1)], "one press, one open alarm"
    assert screen.accept(told.data["id"]).status_code == 200
    assert screen.end(told.data["id"]).status_code == 200
    assert states(site, band) == [(1, 0)]

    # A copy that comes when all is over is kept, and rings nothing.
    site.forwarders[LATER].hear(frame, tmst=tmst + 2)
    await_heard(site, band, expected | {LATER}, f"{order} {encoding}: the last copy")
    assert states(site, band) == [(1, 0)]
    assert site.value("SELECT count(*) FROM uplink WHERE dev_eui = ?", band.dev_eui) == 1
    # The gateway's own word stands before what the network server repeats of it.
    way = (
        "SELECT way FROM reception JOIN uplink ON uplink.seq = reception.uplink"
        " WHERE dev_eui = ? AND gateway_eui = ?"
    )
    assert site.value(way, band.dev_eui, ONE) == "live"
    assert site.value(way, band.dev_eui, ELSEWHERE) == "network_server"


def make_event(band: Band, tmst: int, *, number: Number | None) -> integration.UplinkEvent:
    """The network server heard of it by the first gateway, whose agent's facts it passes on, and
    by one of another make.
    """
    return chirpstack.up(
        dev_eui=band.dev_eui,
        dev_addr=band.dev_addr,
        f_cnt=band.f_cnt - 1,
        f_port=wristband.SOS_PORT,
        data=wristband.encode_sos(press=band.press, battery=80, age=0),
        confirmed=True,
        heard_by=[
            HeardBy(gateway=ONE, context=tmst.to_bytes(4, "big"), number=number),
            HeardBy(gateway=ELSEWHERE, context=b"\x01\x02\x03\x04"),
        ],
    )


def next_number(site: RunningSite) -> Number:
    """The number that the first gateway will give next."""
    row = next(row for row in site.audit() if row.gateway_eui == ONE)
    return Number(epoch=row.epoch, seq=row.committed + 1)


def await_heard(site: RunningSite, band: Band, gateways: set[GatewayEui], what: str) -> None:
    sql = (
        "SELECT gateway_eui FROM reception JOIN uplink ON uplink.seq = reception.uplink"
        " WHERE dev_eui = ? ORDER BY 1"
    )
    wait_for(
        lambda: [row[0] for row in site.rows(sql, band.dev_eui)] == sorted(gateways),
        lambda: f"{what}: heard by {sorted(gateways)}, is {site.rows(sql, band.dev_eui)}",
        timeout_s=10,
    )
    count = "SELECT receptions FROM uplink WHERE dev_eui = ?"
    assert site.rows(count, band.dev_eui) == [(len(gateways),)], what


def states(site: RunningSite, band: Band) -> list[tuple[int, int]]:
    """Presses of each alarm of a wearer, and whether it is open."""
    sql = "SELECT presses, open_key IS NOT NULL FROM alarm WHERE subject = ?"
    return [(row[0], row[1]) for row in site.rows(sql, band.subject)]
