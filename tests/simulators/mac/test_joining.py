"""Joining, held against an implementation of LoRaWAN by others, both ways."""

from itertools import pairwise

import pamoja.lorawan as other
import pytest

from khaen.ids import DevEui
from khaen.lorawan.frame import JoinRequest, parse
from khaen.lorawan.region import DEFAULT_CHANNELS, RX2_DATA_RATE, RX2_FREQUENCY
from simulators.agenda import NEVER
from simulators.devices.device import Message, Transmission
from simulators.mac import JoinKeys, Mac, Memory, Settings
from tests.simulators.mac.band import CALL, TELEMETRY, run

DEV_EUI, JOIN_EUI, APP_KEY = DevEui("024b4b0000000001"), "02" * 8, bytes(range(16))
DEV_ADDR, NET_ID = 0x01020304, 0x000013
DEFAULT = {channel.frequency for channel in DEFAULT_CHANNELS}


def make_mac(memory: Memory | None = None, data_rate: int = 5) -> Mac:
    return Mac(
        dev_eui=DEV_EUI,
        settings=Settings(data_rate=data_rate),
        key=b"k",
        join_keys=JoinKeys(join_eui=JOIN_EUI, app_key=APP_KEY),
        memory=memory,
    )


def request_of(sent: Transmission) -> JoinRequest:
    frame = parse(sent.phy)
    assert isinstance(frame, JoinRequest)
    return frame


def wake(device: Mac) -> Transmission:
    sent = device.wake(device.wake_at)
    assert sent is not None
    return sent


def accept(device: Mac, sent: Transmission, *, cf_list: bytes | None = None) -> other.Session:
    """The others' network admits the device; its side of the session."""
    read = other.parse_join_request(sent.phy, APP_KEY)
    grant = other.grant(7, NET_ID, DEV_ADDR, 0x12, 3, cf_list)
    at = sent.ends + 5.0
    assert device.listens(at, sent.frequency, sent.data_rate.index)
    received = device.hear(grant.accept(APP_KEY, read.dev_nonce), at + 0.1, snr=5.0)
    assert received is not None
    assert received.joined
    return grant.session(APP_KEY, read.dev_nonce)


def test_request_is_read_by_others_and_goes_on_a_default_channel() -> None:
    device = make_mac()
    assert device.send(TELEMETRY, 0.0) is not None
    device = make_mac()
    sent = wake(device)
    read = other.parse_join_request(sent.phy, APP_KEY)
    assert (read.dev_eui.hex(), read.app_eui.hex(), read.dev_nonce) == (DEV_EUI, JOIN_EUI, 0)
    assert sent.frequency in DEFAULT
    assert (sent.f_port, sent.f_cnt) == (None, 0)
    assert device.listens(sent.ends + 6.0, RX2_FREQUENCY, RX2_DATA_RATE)
    assert not device.listens(sent.ends + 1.0, sent.frequency, 5)


def test_session_speaks_with_the_others_both_ways() -> None:
    device = make_mac()
    session = accept(device, wake(device))
    sent = device.send(CALL, 10.0)
    assert sent is not None
    read = session.decode(sent.phy, 0)
    assert (read.payload, read.fport, read.fcnt) == (b"help", 11, 0)
    down = session.encode_downlink(0, 13, b"\x11\x01", confirmed=False, adr=False, ack=True)
    received = device.hear(down, sent.ends + 3.1, snr=5.0)
    assert received is not None
    assert (received.f_port, received.payload) == (13, b"\x11\x01")
    assert received.settled is CALL


def test_accept_sets_windows_and_channels() -> None:
    device = make_mac()
    frequencies = (923_600_000, 923_800_000, 924_000_000)
    cf_list = b"".join((f // 100).to_bytes(3, "little") for f in frequencies) + bytes(7)
    accept(device, wake(device), cf_list=cf_list)
    settings = device.settings
    assert set(settings.frequencies(5)) == DEFAULT | set(frequencies)
    assert (settings.rx_delay, settings.rx1_dr_offset, settings.rx2_data_rate) == (3, 1, 2)


def test_what_waited_for_the_join_goes_then() -> None:
    device = make_mac()
    first = wake(device)
    assert device.send(CALL, 1.0) is None
    session = accept(device, first)
    (sent, *_) = run(device, first.ends + 6.0)
    assert session.decode(sent.phy, 0).payload == b"help"


def test_requests_go_slower_and_rarer_each_under_a_new_nonce() -> None:
    device = make_mac()
    sent = run(device, 3600.0)
    assert [request_of(one).dev_nonce for one in sent] == list(range(len(sent)))
    assert [one.data_rate.index for one in sent[:8]] == [5, 5, 4, 4, 3, 3, 2, 2]
    gaps = [later.at - earlier.at for earlier, later in pairwise(sent)]
    assert gaps[0] < 25
    assert 300 < gaps[-1] < 930
    assert all(one.airtime <= 0.4 for one in sent)


def test_joining_keeps_its_budget_over_days() -> None:
    device = make_mac(data_rate=2)
    sent = run(device, 5 * 86_400.0)
    for begin, end, budget in (
        (0, 3600, 36.0),
        (3600, 11 * 3600, 36.0),
        (11 * 3600, 35 * 3600, 8.7),
        (35 * 3600, 59 * 3600, 8.7),
    ):
        # A request counts when its windows are over, 6.5 s later.
        spent = sum(one.airtime for one in sent if begin <= one.at + 7 < end)
        assert 0 < spent <= budget + 0.4


def test_foreign_accept_and_one_for_an_old_request_are_not_taken() -> None:
    device = make_mac()
    first = wake(device)
    foreign = other.grant(1, NET_ID, DEV_ADDR, 0, 1, None).accept(bytes(16), 0)
    assert device.hear(foreign, first.ends + 5.1, snr=0.0) is None
    assert not device.joined


def test_restarted_simulation_uses_no_nonce_again() -> None:
    memory = Memory()
    first = make_mac(memory)
    used = [request_of(one).dev_nonce for one in run(first, 300.0)]
    later = [request_of(one).dev_nonce for one in run(make_mac(memory), 300.0)]
    assert set(used).isdisjoint(later)


def test_used_up_nonces_end_all_joining() -> None:
    device = make_mac(Memory(dev_nonce=0xFFFF))
    assert request_of(wake(device)).dev_nonce == 0xFFFF
    assert run(device, 1e6) == []
    assert device.wake_at == NEVER


def test_rejoining_begins_a_new_session() -> None:
    device = make_mac()
    accept(device, wake(device))
    device.send(Message(f_port=1, payload=b"x"), 20.0)
    assert device.memory.f_cnt == 1
    device.rejoin(100.0)
    assert not device.joined
    sent = wake(device)
    assert request_of(sent).dev_nonce == 1
    assert sent.frequency in DEFAULT
    session = accept(device, sent)
    again = device.send(Message(f_port=1, payload=b"y"), 200.0)
    assert again is not None
    assert session.decode(again.phy, 0).payload == b"y"


def test_keys_are_not_shown() -> None:
    keys = JoinKeys(join_eui=JOIN_EUI, app_key=APP_KEY)
    assert APP_KEY.hex() not in repr(keys)
    with pytest.raises(AttributeError):
        keys.app_key = b""  # type: ignore[misc]
