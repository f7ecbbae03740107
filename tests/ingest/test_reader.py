"""What a message says that this version cannot read."""

from chirpstack_api import gw

from khaen.uplink import Kind
from tests.support.in_process import InProcess, Sent
from tests.support.traffic import Gateway


def test_newer_envelopes_are_kept_one_by_one_though_they_carry_the_same(ingest: InProcess) -> None:
    gateway = Gateway()
    for battery in ("77", "76", "76"):
        envelope = gateway.hear(b"", ingest.now(), kind=Kind.HEARTBEAT, seq=int(battery))
        frame = gw.UplinkFrame.FromString(envelope)
        frame.rx_info.metadata["khaen_v"] = "2"
        frame.rx_info.metadata["khaen_battery"] = battery
        ingest.take(Sent(topic=gateway.up, payload=frame.SerializeToString()))
    kept = ingest.rows("SELECT content, copies FROM quarantine WHERE reason = 'newer_version'")
    batteries = [
        (gw.UplinkFrame.FromString(content).rx_info.metadata["khaen_battery"], copies)
        for content, copies in kept
    ]
    assert batteries == [("77", 1), ("76", 1)]
