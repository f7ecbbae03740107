"""The device as its network sees it: what it sends and when, and what it makes of what it hears."""

from itertools import pairwise

import pytest

from khaen.lorawan.frame import MType
from khaen.lorawan.mac import Cid, Command, LinkAdrAns, LinkAdrReq
from khaen.lorawan.region import RX2_DATA_RATE, RX2_FREQUENCY, THAI_CHANNELS
from simulators.agenda import NEVER
from simulators.devices.device import Message
from simulators.mac.machine import CONFIRMED_TRIES
from tests.simulators.mac.band import (
    CALL,
    DEV_ADDR,
    TELEMETRY,
    Network,
    commands_of,
    make_mac,
    open_frame,
    run,
    send,
)


def test_frames_open_with_the_session_and_count_up() -> None:
    device = make_mac()
    device.memory.f_cnt = 65_535
    for count, at in ((65_535, 1.5), (65_536, 500.0)):
        sent = send(device, TELEMETRY, at)
        frame, payload = open_frame(sent)
        assert (frame.mtype, frame.f_port, payload) == (MType.UNCONFIRMED_DATA_UP, 10, bytes(11))
        assert (frame.dev_addr, frame.adr) == (DEV_ADDR, False)
        assert (sent.at, sent.f_cnt, frame.f_cnt16) == (at, count, count & 0xFFFF)


def test_channels_are_those_of_the_data_rate_and_hop() -> None:
    device = make_mac(5)
    nothing = Message(f_port=1, payload=b"")
    used = {send(device, nothing, at * 100.0).frequency for at in range(200)}
    assert used == {channel.frequency for channel in THAI_CHANNELS if channel.max_dr == 5}


def test_same_key_gives_the_same_bytes() -> None:
    def frames(key: bytes) -> list[tuple[bytes, int]]:
        device = make_mac(key=key)
        sent = [send(device, TELEMETRY, at * 100.0) for at in range(20)]
        return [(one.phy, one.frequency) for one in sent]

    assert frames(b"a") == frames(b"a")
    assert frames(b"a") != frames(b"b")


def test_telemetry_that_no_frame_carries_is_refused_and_counted() -> None:
    device = make_mac(2)
    assert device.send(Message(f_port=10, payload=bytes(12)), 0.0) is None
    assert (device.refused, device.memory.f_cnt, device.wake_at) == (1, 0, NEVER)
    sent = send(device, TELEMETRY, 0.0)
    assert sent.airtime <= 0.4


def test_unconfirmed_goes_once_and_nothing_is_due_then() -> None:
    device = make_mac()
    assert device.send(TELEMETRY, 0.0) is not None
    assert device.wake_at == NEVER


def test_what_comes_while_windows_are_open_waits_for_their_end() -> None:
    device = make_mac(5)
    first = send(device, TELEMETRY, 0.0)
    assert device.send(CALL, 0.5) is None
    assert device.wake_at == pytest.approx(first.ends + 2.1)
    (call,) = run(device, device.wake_at)
    assert call.f_port == 11


def test_call_goes_before_reports_and_the_newest_of_its_port_alone() -> None:
    device = make_mac(5, tries=1)
    device.send(TELEMETRY, 0.0)
    for message in (TELEMETRY, CALL, Message(f_port=11, payload=b"newr", confirmed=True)):
        assert device.send(message, 0.2) is None
    sent = run(device, 60.0)
    assert [open_frame(one)[1] for one in sent] == [b"newr", bytes(11)]


# -- confirmed frames ---------------------------------------------------------


def test_confirmed_frame_is_repeated_under_its_counter_until_its_tries_are_over() -> None:
    device = make_mac(5)
    first = send(device, CALL, 0.0)
    sent = [first, *run(device, 600.0)]
    assert len(sent) == CONFIRMED_TRIES
    assert {one.phy for one in sent} == {first.phy}
    assert [one.number for one in sent] == list(range(1, CONFIRMED_TRIES + 1))
    for earlier, later in pairwise(sent):
        # 1 to 3 s after RX2, which opens 2 s after the frame and stays open for 0.1 s.
        assert 3.1 <= later.at - earlier.ends <= 5.1 + 1e-9
    assert device.memory.f_cnt == 1


def test_acknowledgement_ends_the_repeats_and_settles_the_message() -> None:
    device = make_mac(5)
    sent = send(device, CALL, 0.0)
    received = Network().answer(device, sent, ack=True)
    assert received is not None
    assert received.settled is CALL
    assert device.wake_at == NEVER


def test_downlink_without_acknowledgement_does_not_end_the_repeats() -> None:
    device = make_mac(5)
    sent = send(device, CALL, 0.0)
    received = Network().answer(device, sent, f_port=13, payload=b"\x11\x01")
    assert received is not None
    assert (received.f_port, received.payload, received.settled) == (13, b"\x11\x01", None)
    assert len(run(device, 600.0)) == CONFIRMED_TRIES - 1


def test_nb_trans_repeats_unconfirmed_frames_until_any_downlink() -> None:
    device = make_mac(5)
    device.settings.nb_trans = 3
    send(device, TELEMETRY, 0.0)
    assert len(run(device, 100.0)) == 2
    again = send(device, TELEMETRY, 200.0)
    Network().answer(device, again)
    assert run(device, 300.0) == []


# -- windows ------------------------------------------------------------------


def test_listens_in_rx1_and_rx2_and_nowhere_else() -> None:
    device = make_mac(5)
    sent = send(device, TELEMETRY, 10.0)
    rx1, rx2 = sent.ends + 1.0, sent.ends + 2.0
    assert device.listens(rx1, sent.frequency, 5)
    assert device.listens(rx1 + 0.009, sent.frequency, 5)
    assert device.listens(rx2, RX2_FREQUENCY, RX2_DATA_RATE)
    assert not device.listens(rx1 + 0.02, sent.frequency, 5)
    assert not device.listens(rx1, sent.frequency + 200_000, 5)
    assert not device.listens(rx1, sent.frequency, 4)
    assert not device.listens(rx2, sent.frequency + 200_000, 5)


def test_no_second_window_after_a_downlink_in_the_first() -> None:
    device = make_mac(5)
    sent = send(device, TELEMETRY, 0.0)
    Network().answer(device, sent)
    assert not device.listens(sent.ends + 2.0, RX2_FREQUENCY, RX2_DATA_RATE)


def test_foreign_bytes_in_the_first_window_leave_the_second_open() -> None:
    device = make_mac(5)
    sent = send(device, TELEMETRY, 0.0)
    assert device.hear(b"\x60" + bytes(11), sent.ends + 1.05, snr=0.0) is None
    assert device.listens(sent.ends + 2.0, RX2_FREQUENCY, RX2_DATA_RATE)


def test_nothing_is_sent_while_a_downlink_comes_in() -> None:
    device = make_mac(5)
    sent = send(device, CALL, 0.0)
    device.catch(sent.ends + 30.0)
    assert device.wake_at >= sent.ends + 30.0


# -- counters and acknowledgements ----------------------------------------------


def test_replayed_and_foreign_downlinks_are_not_heard() -> None:
    device, network = make_mac(5), Network(f_cnt=3)
    phy = network.seal(f_port=13, payload=b"x")
    device.send(TELEMETRY, 0.0)
    assert device.hear(phy, 1.1, snr=0.0) is not None
    assert device.hear(phy, 1.2, snr=0.0) is None
    assert device.hear(phy[:-1] + bytes((phy[-1] ^ 1,)), 1.3, snr=0.0) is None
    assert device.memory.f_cnt_down == 4


def test_downlink_counter_passes_16_bits() -> None:
    device, network = make_mac(5), Network(f_cnt=65_535)
    device.memory.f_cnt_down = 65_530
    for _ in range(2):
        assert device.hear(network.seal(f_port=1, payload=b"x"), 1.1, snr=0.0) is not None
    assert device.memory.f_cnt_down == 65_537


def test_confirmed_downlink_is_acknowledged_soon_and_once() -> None:
    device, network = make_mac(5), Network()
    first = send(device, TELEMETRY, 0.0)
    network.answer(device, first, f_port=13, payload=b"x", confirmed=True)
    (answer,) = run(device, 30.0)
    frame, payload = open_frame(answer)
    assert frame.ack
    assert (frame.f_port, payload) == (None, b"")
    later = send(device, TELEMETRY, 300.0)
    assert not open_frame(later)[0].ack


def test_next_frame_carries_the_acknowledgement_too() -> None:
    device, network = make_mac(5), Network()
    first = send(device, TELEMETRY, 0.0)
    network.answer(device, first, f_port=13, payload=b"x", confirmed=True)
    call = send(device, CALL, first.ends + 1.2)
    assert open_frame(call)[0].ack


# -- the network's commands -----------------------------------------------------


def adr(data_rate: int, tx_power: int = 0, nb_trans: int = 1) -> Command:
    request = LinkAdrReq(data_rate=data_rate, tx_power=tx_power, ch_mask=0xFF, nb_trans=nb_trans)
    return Command(Cid.LINK_ADR, request.render())


def test_adr_is_obeyed_and_answered_in_the_next_frame() -> None:
    device, network = make_mac(2, adaptive=True), Network()
    first = send(device, TELEMETRY, 0.0)
    assert open_frame(first)[0].adr
    network.answer(device, first, [adr(5, tx_power=3)])
    second = send(device, TELEMETRY, 100.0)
    assert (second.data_rate.index, second.eirp) == (5, first.eirp - 6)
    assert commands_of(second) == [Command(Cid.LINK_ADR, LinkAdrAns().render())]
    third = send(device, TELEMETRY, 200.0)
    assert commands_of(third) == []


def test_sticky_answers_are_repeated_until_a_downlink_comes() -> None:
    device, network = make_mac(5), Network()
    sent = send(device, TELEMETRY, 0.0)
    network.answer(device, sent, [Command(Cid.RX_TIMING_SETUP, b"\x03")])
    for at in (100.0, 200.0):
        sent = send(device, TELEMETRY, at)
        assert commands_of(sent) == [Command(Cid.RX_TIMING_SETUP)]
        assert device.listens(sent.ends + 3.0, sent.frequency, 5)
    network.answer(device, sent)
    sent = send(device, TELEMETRY, 300.0)
    assert commands_of(sent) == []


def test_at_dr2_telemetry_waits_until_the_answers_are_out() -> None:
    device, network = make_mac(2), Network()
    first = send(device, TELEMETRY, 0.0)
    network.answer(device, first, [Command(Cid.DEV_STATUS)])
    second = send(device, TELEMETRY, 100.0)
    assert open_frame(second)[1] == b""
    assert [command.cid for command in commands_of(second)] == [Cid.DEV_STATUS, Cid.LINK_CHECK]
    (third,) = run(device, 300.0)
    assert open_frame(third)[1] == bytes(11)


def test_telemetry_does_not_wait_for_ever_for_a_network_that_does_not_answer() -> None:
    device, network = make_mac(2), Network()
    sent = send(device, TELEMETRY, 0.0)
    network.answer(device, sent, [Command(Cid.RX_TIMING_SETUP, b"\x01")])
    sent = send(device, TELEMETRY, 100.0)
    payloads = [open_frame(one)[1] for one in (sent, *run(device, 900.0))]
    assert payloads == [b"", b"", b"", bytes(11)]


def test_call_never_waits_for_answers() -> None:
    device, network = make_mac(2), Network()
    first = send(device, TELEMETRY, 0.0)
    network.answer(device, first, [Command(Cid.DEV_STATUS)] * 3)
    call = send(device, CALL, 10.0)
    assert open_frame(call)[1] == b"help"
    # 7 bytes remain beside a call at DR2: two answers of three bytes.
    assert len(commands_of(call)) == 2
    assert call.airtime <= 0.4


def test_answers_that_fopts_cannot_hold_go_on_port_0() -> None:
    device, network = make_mac(5), Network()
    first = send(device, TELEMETRY, 0.0)
    network.answer(device, first, [Command(Cid.DEV_STATUS)] * 8)
    second = send(device, TELEMETRY, 100.0)
    frame, _ = open_frame(second)
    assert frame.f_port == 0
    assert len(commands_of(second)) == 9
    (third,) = run(device, 200.0)
    assert open_frame(third)[1] == bytes(11)


def test_device_asks_of_itself() -> None:
    device = make_mac(5)
    device.ask(Cid.DEVICE_TIME)
    sent = send(device, TELEMETRY, 0.0)
    assert commands_of(sent) == [Command(Cid.DEVICE_TIME)]


# -- silence of the network -----------------------------------------------------


def test_silence_makes_the_device_ask_and_then_go_slower_and_louder() -> None:
    device = make_mac(5, adaptive=True)
    device.settings.tx_power = 4
    frames = [send(device, TELEMETRY, at * 100.0) for at in range(64 + 5 * 32)]
    asking = [open_frame(one)[0].adr_ack_req for one in frames]
    assert asking.index(True) == 64
    assert all(asking[64:])
    rates = [one.data_rate.index for one in frames]
    powers = [one.eirp for one in frames]
    assert powers[95] == powers[0]
    assert powers[96] == powers[0] + 8
    assert [rates[n] for n in (96, 127, 128, 160, 192)] == [5, 5, 4, 3, 2]


def test_a_downlink_ends_the_silence() -> None:
    device, network = make_mac(5, adaptive=True), Network()
    for at in range(69):
        send(device, TELEMETRY, at * 100.0)
    network.answer(device, send(device, TELEMETRY, 6900.0))
    sent = send(device, TELEMETRY, 7100.0)
    assert not open_frame(sent)[0].adr_ack_req


def test_without_a_network_nothing_is_adapted() -> None:
    device = make_mac(5)
    for at in range(300):
        send(device, TELEMETRY, at * 100.0)
    sent = send(device, TELEMETRY, 30_000.0)
    assert sent.data_rate.index == 5
    assert not open_frame(sent)[0].adr
