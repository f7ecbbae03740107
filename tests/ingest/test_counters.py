"""Counters: wrapped, restarted, late, and the high half of 32 bits."""

from datetime import timedelta

from khaen.clock import Rung
from tests.support.in_process import InProcess, Sent, late
from tests.support.traffic import GATEWAYS, RESTARTING, WRISTBAND, Device, Gateway, telemetry


def climate(i: int) -> bytes:
    """A thermometer's payload."""
    return bytes((0x03, 0x67, i, 0))


def say(ingest: InProcess, gateway: Gateway, device: Device, f_cnt: int, i: int) -> Sent:
    """A frame of the restarting thermometer, heard now."""
    return Sent(
        topic=gateway.up,
        payload=gateway.hear(device.say(climate(i), 85, f_cnt), ingest.now()),
    )


def test_a_device_that_restarts_gets_a_new_generation(ingest: InProcess) -> None:
    device, gateway = Device(RESTARTING), Gateway()
    spoken = [(70_000, 1), (70_001, 2), (0, 3), (1, 4), (2, 5), (0, 6)]
    for f_cnt, i in spoken:
        ingest.clock.advance(900)
        ingest.take(say(ingest, gateway, device, f_cnt, i))
    assert ingest.rows("SELECT f_cnt, generation FROM uplink ORDER BY seq") == [
        (70_000, 0),
        (70_001, 0),
        (0, 1),
        (1, 1),
        (2, 1),
        (0, 2),
    ]
    assert ingest.rows("SELECT reason FROM quarantine") == []


def test_a_late_frame_of_an_older_generation_finds_its_place(ingest: InProcess) -> None:
    device, gateway = Device(RESTARTING), Gateway()
    ingest.take(say(ingest, gateway, device, 100, 1))
    ingest.clock.advance(900)
    missed = say(ingest, gateway, device, 101, 2)
    for f_cnt, i in ((0, 3), (1, 4)):
        ingest.clock.advance(900)
        ingest.take(say(ingest, gateway, device, f_cnt, i))
    ingest.clock.advance(900)
    ingest.take(late(gateway.eui, missed.payload))
    rows = ingest.rows("SELECT f_cnt, generation FROM uplink ORDER BY received_at")
    assert rows == [(100, 0), (101, 0), (0, 1), (1, 1)]


def test_a_copy_after_the_restart_is_the_same_uplink(ingest: InProcess) -> None:
    device, one, two = Device(RESTARTING), Gateway(), Gateway(GATEWAYS[1])
    ingest.take(say(ingest, one, device, 5, 1))
    copy = two.hear(device.say(climate(1), 85, 5), ingest.now())
    ingest.clock.advance(900)
    ingest.take(say(ingest, one, device, 0, 2))
    ingest.take(late(two.eui, copy))
    assert ingest.rows("SELECT f_cnt, generation, receptions FROM uplink ORDER BY seq") == [
        (5, 0, 2),
        (0, 1, 1),
    ]


def test_the_counter_goes_past_16_bits(ingest: InProcess) -> None:
    device, gateway = Device(WRISTBAND), Gateway()
    for f_cnt in (65_534, 65_535, 65_536, 131_000, 196_000):
        ingest.clock.advance(60)
        phy = device.say(telemetry(), 10, f_cnt)
        ingest.take(Sent(topic=gateway.up, payload=gateway.hear(phy, ingest.now())))
    assert ingest.rows("SELECT f_cnt FROM uplink ORDER BY seq") == [
        (65_534,),
        (65_535,),
        (65_536,),
        (131_000,),
        (196_000,),
    ]


def test_what_a_call_without_a_date_overtook_is_late_and_no_replay(ingest: InProcess) -> None:
    """A gateway that did not know the time sends the call at once, and what it heard before when it
    knows when that was.
    """
    device, gateway = Device(WRISTBAND), Gateway()
    began = ingest.now()
    before = [device.say(telemetry()) for _ in range(3)]
    call = device.say(bytes((0x11, 1, 90)), 11)
    ingest.clock.advance(7200)
    span = gateway.hear(call, began, clock=Rung.BETWEEN, until=ingest.now(), seq=4)
    ingest.take(late(gateway.eui, span))
    for number, phy in enumerate(before, 1):
        at = began + timedelta(minutes=10 * number)
        ingest.take(late(gateway.eui, gateway.hear(phy, at, clock=Rung.BOOT, seq=number)))
    assert ingest.rows("SELECT reason FROM quarantine") == []
    assert ingest.rows("SELECT f_cnt FROM uplink ORDER BY f_cnt") == [(0,), (1,), (2,), (3,)]
