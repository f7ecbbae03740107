"""Devices in clear say the same as those of the radio, at the same moments, heard the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from simulators.air.radio import Hearing
from simulators.application.form import Uplink
from simulators.application.plain import PlainMac
from simulators.application.uplinks import Uplinks
from simulators.devices.device import Transmission
from simulators.mac import Mac
from simulators.sites.demonstration import CALLER, FALLER, make_site
from simulators.traffic import Traffic

START = datetime(2026, 3, 1, tzinfo=UTC)
FOR_S = 300.0


def listen(make_mac: type[Mac], *, plain: bool) -> list[tuple[object, ...]]:
    """What a network server would have of five minutes with calls and a fall."""
    made = make_site(1)
    traffic = Traffic(made.site, made.keys, seed=1, start=START, make_mac=make_mac)
    uplinks = Uplinks(made.site, made.keys, plain=plain)
    found: list[tuple[object, ...]] = []

    def hear(sent: Transmission, hearings: tuple[Hearing, ...]) -> None:
        uplink = uplinks.open(sent, hearings, START + timedelta(seconds=sent.ends))
        if uplink is not None:
            found.append(facts(uplink))

    traffic.listen(hear)
    traffic.press(CALLER, 30.0)
    traffic.fall(FALLER, 60.0, cancel_s=5.0)
    traffic.press(CALLER, 70.0)
    while traffic.next_at < FOR_S:
        traffic.step()
    return found


def facts(uplink: Uplink) -> tuple[object, ...]:
    return (
        uplink.subject,
        uplink.at,
        uplink.f_cnt,
        uplink.f_port,
        uplink.payload,
        uplink.confirmed,
        uplink.data_rate,
        uplink.frequency,
        [(heard.gateway_eui, heard.rssi, heard.snr) for heard in uplink.hearings],
    )


def test_nothing_differs_from_what_the_radio_carries() -> None:
    found = listen(PlainMac, plain=True)
    assert found == listen(Mac, plain=False)
    assert len(found) > 1000
