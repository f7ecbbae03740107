"""What a group writes beside its uplinks."""

from khaen import topics
from khaen.clock import to_micros
from tests.support.in_process import InProcess, Sent
from tests.support.traffic import (
    GATEWAYS,
    WRISTBAND,
    Device,
    event,
    event_topic,
    radio_frame,
    telemetry,
)

FOREIGN = bytes.fromhex("40010203fe80010001a1b2c3d4e5f6")
HEARD = "SELECT gateway_eui, frame_at, heartbeat_at FROM gateway_state"


def test_a_gateway_of_another_make_counts_as_heard(ingest: InProcess) -> None:
    eui, now = GATEWAYS[0], to_micros(ingest.now())
    frame = radio_frame(eui, Device(WRISTBAND).say(telemetry())).SerializeToString()
    ingest.take(Sent(topic=topics.up("as923", eui), payload=frame))
    assert ingest.rows("SELECT rule_error, decode_error FROM uplink") == [(None, None)]
    assert ingest.rows(HEARD) == [(eui, now, None)]


def test_it_counts_as_heard_by_somebody_elses_frame_too(ingest: InProcess) -> None:
    eui, now = GATEWAYS[0], to_micros(ingest.now())
    frame = radio_frame(eui, FOREIGN).SerializeToString()
    counts = ingest.take(Sent(topic=topics.up("as923", eui), payload=frame))
    assert counts["foreign"] == 1
    assert ingest.rows(HEARD) == [(eui, now, None)]


def test_what_a_network_server_tells_of_a_gateway_is_not_its_own_word(ingest: InProcess) -> None:
    envelope = radio_frame(GATEWAYS[0], b"").SerializeToString()
    up = event(WRISTBAND, telemetry(), ingest.now(), f_cnt=0, heard_by=(envelope,))
    ingest.take(Sent(topic=event_topic(WRISTBAND), payload=up.SerializeToString()))
    assert ingest.rows("SELECT count(*) FROM uplink") == [(1,)]
    assert ingest.rows(HEARD) == []
