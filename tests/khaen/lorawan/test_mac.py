import pytest
from hypothesis import given
from hypothesis import strategies as st

from khaen.lorawan import mac
from khaen.lorawan.mac import Cid, Command


def test_commands_of_a_network_are_taken_apart() -> None:
    # LinkADRReq DR5, power 1, channels 0 to 7, once; then DevStatusReq.
    assert mac.parse(bytes.fromhex("0351ff000106"), uplink=False) == (
        Command(Cid.LINK_ADR, bytes.fromhex("51ff0001")),
        Command(Cid.DEV_STATUS),
    )


def test_what_is_unknown_or_cut_short_ends_the_list() -> None:
    assert mac.parse(bytes.fromhex("06ff20807f"), uplink=True) == (
        Command(Cid.DEV_STATUS, bytes.fromhex("ff20")),
    )
    assert mac.parse(bytes.fromhex("0607"), uplink=True) == ()


@given(st.binary(max_size=64), st.booleans())
def test_any_bytes_are_read_and_what_is_read_is_their_beginning(data: bytes, uplink: bool) -> None:
    assert data.startswith(mac.render(mac.parse(data, uplink=uplink)))


@given(
    st.integers(0, 15),
    st.integers(0, 15),
    st.integers(0, 0xFFFF),
    st.integers(0, 7),
    st.integers(0, 15),
)
def test_link_adr_round_trip(dr: int, power: int, mask: int, cntl: int, trans: int) -> None:
    request = mac.LinkAdrReq(
        data_rate=dr, tx_power=power, ch_mask=mask, ch_mask_cntl=cntl, nb_trans=trans
    )
    assert mac.LinkAdrReq.parse(request.render()) == request


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # 923.2 MHz is 9232000 hundreds of Hz.
        (
            mac.RxParamSetupReq(rx1_dr_offset=2, rx2_data_rate=3, frequency=923_200_000),
            "2380de8c",
        ),
        (
            mac.NewChannelReq(index=2, frequency=923_600_000, min_dr=0, max_dr=5),
            "0220ee8c50",
        ),
        (mac.DevStatusAns(battery=254, margin=-5), "fe3b"),
        (mac.TxParamSetupReq(downlink_dwell=True, uplink_dwell=True, max_eirp=5), "35"),
        (mac.LinkAdrAns(), "07"),
    ],
)
def test_bodies(body: mac.RxParamSetupReq, expected: str) -> None:
    assert body.render().hex() == expected
    assert type(body).parse(bytes.fromhex(expected)) == body
