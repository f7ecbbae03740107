"""Whatever is repeated, reordered or late, and by whatever way it comes: the same ledger."""

import itertools
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from khaen.clock import ManualClock
from khaen.uplink import Way
from tests.support.in_process import InProcess, Sent, in_groups, late
from tests.support.traffic import (
    GATEWAYS,
    START,
    THERMOMETER,
    WRISTBAND,
    Device,
    Gateway,
    event,
    event_topic,
    telemetry,
)

NOW = START + timedelta(seconds=45)
SOS = 11


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one device says, and who hears it."""

    thermometer: bool
    call: bool
    heard_by: frozenset[int]
    by_network_server: bool
    late: frozenset[int]
    copies: int


spoken = st.builds(
    Spoken,
    thermometer=st.booleans(),
    call=st.booleans(),
    heard_by=st.frozensets(st.integers(0, 2), min_size=1),
    by_network_server=st.booleans(),
    late=st.frozensets(st.integers(0, 2)),
    copies=st.integers(1, 2),
)


def send(script: list[Spoken]) -> list[Sent]:
    """All messages of a script, in the order in which they were heard."""
    devices = {False: Device(WRISTBAND), True: Device(THERMOMETER)}
    gateways = [Gateway(eui) for eui in GATEWAYS[:3]]
    sent: list[Sent] = []
    for i, said in enumerate(script):
        at = START + timedelta(seconds=2 * i)
        device = devices[said.thermometer]
        payload, f_port = speak(said, i)
        f_cnt = device.f_cnt
        phy = device.say(payload, f_port)
        heard = {g: gateways[g].hear(phy, at, context=bytes((i, g, 0, 1))) for g in said.heard_by}
        for g, envelope in heard.items():
            message = (
                late(gateways[g].eui, envelope)
                if g in said.late
                else Sent(topic=gateways[g].up, payload=envelope)
            )
            sent += [message] * said.copies
        if said.by_network_server:
            up = event(
                device.dev_eui,
                payload,
                at,
                f_cnt=f_cnt,
                f_port=f_port,
                heard_by=tuple(heard.values()),
            )
            topic = event_topic(device.dev_eui)
            sent += [Sent(topic=topic, payload=up.SerializeToString(), way=Way.LIVE)] * said.copies
    return sent


def speak(said: Spoken, i: int) -> tuple[bytes, int]:
    """Payload and port."""
    if said.thermometer:
        return bytes((0x03, 0x67, i, 0, 0x04, 0x68, 0x71)), 85
    if said.call:
        return bytes((0x10, i + 1, 90, 0)), SOS
    return telemetry(60 + i), 10


def ledger_after(sent: list[Sent], group: int) -> dict[str, Any]:
    """What the ledger holds after these messages."""
    with tempfile.TemporaryDirectory() as folder:
        clock = ManualClock(datetime.fromisoformat(NOW.isoformat()))
        ingest = InProcess(Path(folder), clock=clock)
        try:
            for each in in_groups(sent, group):
                ingest.take(*each)
            return {
                "uplinks": ingest.rows(
                    "SELECT id, f_cnt, payload, phy_payload, decoded, receptions, received_at"
                    " FROM uplink ORDER BY id"
                ),
                "receptions": ingest.rows(
                    "SELECT u.id, gateway_eui, context, epoch, r.seq, rssi, snr, r.received_at"
                    " FROM reception r JOIN uplink u ON u.seq = r.uplink ORDER BY 1, 2, 3"
                ),
                "latest": ingest.rows("SELECT * FROM latest ORDER BY 1, 2, 3"),
                "account": ingest.rows(
                    "SELECT gateway_eui, watermark, highest, committed, gone, conflict"
                    " FROM gateway_epoch ORDER BY 1"
                ),
                "heard_by": ingest.rows("SELECT * FROM heard_by ORDER BY 1, 2"),
                "set aside": ingest.rows("SELECT reason FROM quarantine"),
                "called": ingest.rows(
                    "SELECT subject, rule, sum(presses) FROM alarm GROUP BY 1, 2 ORDER BY 1, 2"
                ),
            }
        finally:
            ingest.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), script=st.lists(spoken, min_size=1, max_size=7))
def test_any_order_gives_the_same_ledger(data: st.DataObject, script: list[Spoken]) -> None:
    sent = send(script)
    shuffled = data.draw(st.permutations(sent))
    group = data.draw(st.sampled_from([1, 3, 64]))
    assert ledger_after(shuffled, group) == ledger_after(sent, 1)


def test_every_order_of_three_ways() -> None:
    script = [
        Spoken(
            thermometer=False,
            call=True,
            heard_by=frozenset({0, 1}),
            by_network_server=True,
            late=frozenset({1}),
            copies=1,
        )
    ]
    sent = send(script)
    ledgers = [ledger_after(list(order), 1) for order in itertools.permutations(sent)]
    assert len(ledgers) == 6
    assert all(ledger == ledgers[0] for ledger in ledgers)
    assert ledgers[0]["set aside"] == []
    assert ledgers[0]["called"] == [("device:a1b2c3d4e5f60001", "sos", 1)]
