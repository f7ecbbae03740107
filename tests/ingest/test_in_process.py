"""Ingest in one process answers gateways as the program does."""

from pathlib import Path

from ingest.in_process import InProcess, Sent
from khaen import receipt, topics
from khaen.clock import ManualClock
from tests.support.traffic import (
    EPOCH,
    GATEWAYS,
    KEY,
    START,
    WRISTBAND,
    Device,
    Gateway,
    make_ledger,
)


def test_what_is_committed_is_receipted_when_it_is_due(tmp_path: Path) -> None:
    clock = ManualClock(START)
    published: dict[str, bytes] = {}

    def publish(topic: str, payload: bytes) -> bool:
        published[topic] = payload
        return True

    database = make_ledger(tmp_path, clock)
    ingest = InProcess(database, KEY, clock, publish=publish)
    clock.advance(1)
    ingest.publish_due()
    assert list(published) == [topics.PRIORITY]
    gateway, device = Gateway(), Device(WRISTBAND)
    for _ in range(2):
        envelope = gateway.hear(device.say(bytes((0x10, 1, 90, 0)), 11), clock.now())
        counts = ingest.take(Sent(topic=gateway.up, payload=envelope))
        assert counts == {"admitted": 1}
    wait = ingest.publish_due()
    entry = receipt.parse(published[topics.receipt(GATEWAYS[0])]).epochs[0]
    assert (entry.epoch, entry.watermark) == (EPOCH, 2)
    assert wait > 1
    assert ingest.counts == {"admitted": 2}
    database.close()
