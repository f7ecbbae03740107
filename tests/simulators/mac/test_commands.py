"""What a device does with each command, and what it answers bit by bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen.lorawan.mac import (
    Cid,
    Command,
    DevStatusAns,
    LinkAdrAns,
    LinkAdrReq,
    NewChannelReq,
    RxParamSetupReq,
    TxParamSetupReq,
    parse,
    render,
)
from khaen.lorawan.region import THAI_CHANNELS
from simulators.mac.commands import obey
from simulators.mac.settings import Settings


def make_settings(data_rate: int = 3) -> Settings:
    return Settings.with_channels(data_rate, THAI_CHANNELS[:8])


def ask(settings: Settings, *commands: Command) -> tuple[Command, ...]:
    return obey(settings, commands, battery=100, margin=-5)


def adr(**fields: int) -> Command:
    standard = {"data_rate": 5, "tx_power": 1, "ch_mask": 0xFF}
    return Command(Cid.LINK_ADR, LinkAdrReq(**(standard | fields)).render())


def test_link_adr_sets_all() -> None:
    settings = make_settings()
    (answer,) = ask(settings, adr(ch_mask=0x0F, nb_trans=3))
    assert LinkAdrAns.parse(answer.body) == LinkAdrAns()
    assert (settings.data_rate, settings.tx_power, settings.nb_trans) == (5, 1, 3)
    assert len(settings.frequencies(5)) == 4


def test_link_adr_of_15_and_0_keeps() -> None:
    settings = make_settings()
    settings.nb_trans, settings.tx_power = 2, 4
    ask(settings, adr(data_rate=15, tx_power=15, nb_trans=0))
    assert (settings.data_rate, settings.tx_power, settings.nb_trans) == (3, 4, 2)


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"data_rate": 7}, LinkAdrAns(data_rate=False)),
        ({"data_rate": 1}, LinkAdrAns(data_rate=False)),  # nothing fits there under dwell time
        ({"data_rate": 6}, LinkAdrAns(data_rate=False)),  # no channel takes it
        ({"tx_power": 8}, LinkAdrAns(power=False)),
        ({"ch_mask": 0x1FF}, LinkAdrAns(ch_mask=False)),  # the ninth is not defined
        ({"ch_mask": 0}, LinkAdrAns(ch_mask=False, data_rate=False)),
        ({"ch_mask_cntl": 5}, LinkAdrAns(ch_mask=False)),
    ],
)
def test_link_adr_is_all_or_nothing(fields: dict[str, int], answer: LinkAdrAns) -> None:
    settings = make_settings()
    (said,) = ask(settings, adr(**fields))
    assert LinkAdrAns.parse(said.body) == answer
    assert settings == make_settings()


def test_a_block_of_link_adr_is_one_and_each_is_answered() -> None:
    settings = make_settings()
    answers = ask(settings, adr(ch_mask=0x01, data_rate=2), adr(ch_mask_cntl=6, ch_mask=0))
    assert [LinkAdrAns.parse(answer.body) for answer in answers] == [LinkAdrAns()] * 2
    assert (settings.ch_mask, settings.data_rate) == (0xFF, 5)


def test_rx_parameters() -> None:
    settings = make_settings()
    request = RxParamSetupReq(rx1_dr_offset=2, rx2_data_rate=4, frequency=923_800_000)
    assert ask(settings, Command(Cid.RX_PARAM_SETUP, request.render()))[0].body == b"\x07"
    assert (settings.rx1_dr_offset, settings.rx2_data_rate) == (2, 4)
    assert settings.rx2_frequency == 923_800_000
    abroad = RxParamSetupReq(rx1_dr_offset=0, rx2_data_rate=0, frequency=868_100_000)
    assert ask(settings, Command(Cid.RX_PARAM_SETUP, abroad.render()))[0].body == b"\x06"
    assert settings.rx2_frequency == 923_800_000


def test_channels_come_and_go() -> None:
    settings = make_settings()
    new = NewChannelReq(index=9, frequency=924_500_000, min_dr=6, max_dr=6)
    assert ask(settings, Command(Cid.NEW_CHANNEL, new.render()))[0].body == b"\x03"
    assert settings.frequencies(6) == (924_500_000,)
    gone = NewChannelReq(index=9, frequency=0, min_dr=0, max_dr=5)
    assert ask(settings, Command(Cid.NEW_CHANNEL, gone.render()))[0].body == b"\x03"
    assert settings.frequencies(6) == ()
    default = NewChannelReq(index=0, frequency=924_000_000, min_dr=0, max_dr=5)
    assert ask(settings, Command(Cid.NEW_CHANNEL, default.render()))[0].body == b"\x00"
    abroad = NewChannelReq(index=9, frequency=868_100_000, min_dr=0, max_dr=5)
    assert ask(settings, Command(Cid.NEW_CHANNEL, abroad.render()))[0].body == b"\x02"


def test_taking_the_last_channel_of_a_data_rate_away_leaves_one_to_speak_on() -> None:
    settings = Settings.with_channels(6, THAI_CHANNELS[:9])
    gone = NewChannelReq(index=8, frequency=0, min_dr=0, max_dr=5)
    ask(settings, Command(Cid.NEW_CHANNEL, gone.render()))
    assert settings.frequencies(settings.data_rate)


def test_status_timing_duty_cycle_and_power() -> None:
    settings = make_settings()
    status, timing, duty, power = ask(
        settings,
        Command(Cid.DEV_STATUS),
        Command(Cid.RX_TIMING_SETUP, b"\x00"),
        Command(Cid.DUTY_CYCLE, b"\x07"),
        Command(
            Cid.TX_PARAM_SETUP,
            TxParamSetupReq(downlink_dwell=False, uplink_dwell=False, max_eirp=2).render(),
        ),
    )
    assert DevStatusAns.parse(status.body) == DevStatusAns(battery=100, margin=-5)
    assert timing.body == duty.body == power.body == b""
    assert (settings.rx_delay, settings.duty_cycle, settings.max_eirp) == (1, 7, 12)
    assert not settings.uplink_dwell
    assert settings.slowest == 0


def test_dwell_time_that_binds_again_lifts_the_data_rate() -> None:
    settings = make_settings()
    settings.uplink_dwell, settings.data_rate = False, 0
    on = TxParamSetupReq(downlink_dwell=True, uplink_dwell=True, max_eirp=5)
    ask(settings, Command(Cid.TX_PARAM_SETUP, on.render()))
    assert settings.data_rate == 2


def test_downlink_channel() -> None:
    settings = make_settings()
    body = bytes((1,)) + (924_000_000 // 100).to_bytes(3, "little")
    assert ask(settings, Command(Cid.DL_CHANNEL, body))[0].body == b"\x03"
    assert settings.downlinks == {923_400_000: 924_000_000}
    nowhere = bytes((12,)) + (868_000_000 // 100).to_bytes(3, "little")
    assert ask(settings, Command(Cid.DL_CHANNEL, nowhere))[0].body == b"\x00"


def test_answers_of_the_network_are_not_answered() -> None:
    settings = make_settings()
    heard = (Command(Cid.LINK_CHECK, b"\x05\x02"), Command(Cid.DEVICE_TIME, bytes(5)))
    assert ask(settings, *heard) == ()


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_whatever_it_is_told_it_can_still_speak_and_answers_are_well_formed(
    told: list[bytes],
) -> None:
    settings = make_settings()
    for data in told:
        asked = parse(data, uplink=False)
        answers = obey(settings, asked, battery=255, margin=31)
        assert parse(render(answers), uplink=True) == answers
        assert len(answers) <= len(asked)
        assert settings.frequencies(settings.data_rate)
        assert settings.slowest <= settings.data_rate <= 6
