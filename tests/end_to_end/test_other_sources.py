"""What a gateway hears by other sources than its packet forwarder reaches the ledger once, too."""

from pathlib import Path

import pytest

from khaen.ids import DevEui
from khaen.site.model import Device
from simulators.payloads import wristband
from tests.support import chirpstack
from tests.support.broker import Mosquitto
from tests.support.chirpstack import HeardBy
from tests.support.lora_module import Rui3, plugged
from tests.support.programs import wait_for
from tests.support.site import GATEWAYS, ORGANISATION, Band, RunningSite, make_bands

pytestmark = pytest.mark.end_to_end

GATEWAY = GATEWAYS[0]
DUST = DevEui("70b3d57ba0000a2b")
"""A Decentlab DL-PM, which is heard point to point: it has no DevAddr."""
DUST_PAYLOAD = bytes.fromhex("021b50000f0c25002500270027002701f50107012c012d012d012d67bd618dbd10")
PM2_5 = 3.9
"""Of the codec's own test case: decoders/families/decentlab_dl_pm.json, "all sensors"."""


def test_events_of_the_gateway_s_network_server_outlive_agent_and_network(tmp_path: Path) -> None:
    beside = Mosquitto(tmp_path / "beside", persistence=True)
    bands = make_bands(3)
    edge = ("status_s = 0.5", f"[network_server]\nport = {beside.port}")
    with RunningSite(folder=tmp_path / "site", bands=bands, edge=edge) as site:
        beside.start()
        try:
            site.start(people=False)
            one, two, three = bands
            say(beside, one)
            site.await_counter(one, 0)

            site.broker.stop()
            say(beside, two)
            site.agents[GATEWAY].kill()
            say(beside, three)
            site.agents[GATEWAY].start()
            site.broker.start()
            for band in (two, three):
                site.await_counter(band, 0)

            # The gateway's own hearing of the same call merges with what the server made of it.
            one.f_cnt = 0
            site.forwarders[GATEWAY].hear(one.sos(new=False), tmst=1)
            ways = (
                "SELECT way, count(*) FROM reception JOIN uplink ON uplink.seq = reception.uplink"
                " WHERE dev_eui = ? GROUP BY 1"
            )
            wait_for(
                lambda: site.rows(ways, one.dev_eui) == [("live", 1)],
                lambda: f"one reception: {site.rows(ways, one.dev_eui)}",
            )
            (account, *_) = site.await_whole()
        finally:
            beside.stop()
        assert site.rows("SELECT dev_eui, f_cnt FROM uplink ORDER BY 1") == [
            (band.dev_eui, 0) for band in bands
        ]
        assert site.quarantined() == {}
        calls = "SELECT subject, count(*) FROM alarm WHERE rule = 'sos' GROUP BY 1 ORDER BY 1"
        assert site.rows(calls) == [(band.subject, 1) for band in bands]
        assert account.missing == 0
        kinds = "SELECT count(*) FROM gateway_number WHERE kind = 'application'"
        assert site.value(kinds) >= len(bands)


def say(broker: Mosquitto, band: Band) -> None:
    """The network server beside the agent tells of a band's call."""
    band.press += 1
    event = chirpstack.up(
        dev_eui=band.dev_eui,
        dev_addr=band.dev_addr,
        f_cnt=band.f_cnt,
        f_port=wristband.SOS_PORT,
        data=wristband.encode_sos(press=band.press, battery=80, age=0),
        confirmed=True,
        heard_by=[HeardBy(gateway=GATEWAY, context=(1).to_bytes(4, "big"))],
    )
    band.f_cnt += 1
    chirpstack.publish(broker.port, chirpstack.topic(band.dev_eui), chirpstack.as_json(event))


def test_a_point_to_point_payload_becomes_readings(tmp_path: Path) -> None:
    module = Rui3(tmp_path / "ttyLoRa")
    device = Device(dev_eui=DUST, family="decentlab_dl_pm", organisation=ORGANISATION)
    # The payload itself names its sender, from the second byte on.
    sender = f'sender = "{DUST[:12]}"\nsender_offset = 1'
    edge = ("status_s = 0.5", f'[serial]\ndevice = "{module.path}"\n{sender}')
    with (
        plugged(module),
        RunningSite(folder=tmp_path / "site", bands=[], devices=[device], edge=edge) as site,
    ):
        site.start(people=False)
        await_listening(module)
        module.hear(with_sender(DUST_PAYLOAD))
        dust = "SELECT value FROM latest WHERE dev_eui = ? AND quantity = 'pm2_5'"
        wait_for(lambda: site.value(dust, DUST) == PM2_5, "a reading of dust")

        module.unplug()
        module.plug()
        await_listening(module)
        module.hear(with_sender(DUST_PAYLOAD))  # the same bytes later are another message
        count = "SELECT count(*) FROM uplink WHERE dev_eui = ?"
        wait_for(lambda: site.value(count, DUST) == 2, "the second message")
        (account,) = site.await_whole()
        assert account.missing == 0
        assert site.quarantined() == {}
        heard = "SELECT DISTINCT gateway_eui, rssi, snr, dr FROM reception"
        assert site.rows(heard) == [(GATEWAY, -57, 9.0, "SF7BW125")]


def with_sender(payload: bytes) -> bytes:
    """A payload with the end of the sender's address where Decentlab has a device's number."""
    return payload[:1] + bytes.fromhex(DUST[12:]) + payload[3:]


def await_listening(module: Rui3) -> None:
    wait_for(lambda: module.listens, lambda: f"the module listens: {module.asked[-5:]}")
