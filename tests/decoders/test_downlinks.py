"""What care says to devices goes out as documented; what they cannot hear is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders import catalogue, wristband
from decoders.downlink import VALUED, CannotSay, Downlink, Encoded, Order

FOLDER = Path(catalogue.__file__).parent / "families"
FAMILIES = tuple(name for name, family in catalogue.families().items() if family.encode is not None)


def _vectors() -> list[Any]:
    return [
        pytest.param(name, vector, id=f"{name}-{vector['name']}")
        for name in FAMILIES
        for vector in json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["downlinks"]
    ]


def encode(family: str, downlink: Downlink) -> Encoded:
    said = catalogue.family(family).encode
    assert said is not None
    return said(downlink)


@pytest.mark.parametrize(("family", "vector"), _vectors())
def test_goes_out_as_documented(family: str, vector: dict[str, Any]) -> None:
    downlink = Downlink(
        order=Order(vector["order"]), value=vector["value"], number=vector.get("number", 1)
    )
    wanted = Encoded(f_port=vector["f_port"], payload=bytes.fromhex(vector["hex"]))
    assert encode(family, downlink) == wanted


@given(
    family=st.sampled_from(FAMILIES),
    order=st.sampled_from(Order),
    value=st.integers(-10, 100_000),
    number=st.integers(-1, 17),
)
def test_any_order_is_bytes_or_refused(family: str, order: Order, value: int, number: int) -> None:
    try:
        encoded = encode(family, Downlink(order=order, value=value, number=number))
    except CannotSay:
        return
    assert 0 < encoded.f_port < 224
    # RP002-1.0.4, AS923: a downlink at DR2 carries 11 bytes at most under 400 ms dwell time.
    assert 0 < len(encoded.payload) <= 11


@given(
    order=st.sampled_from(Order), value=st.integers(0, 1500), number=st.sampled_from(range(1, 16))
)
def test_the_band_hears_what_was_said(order: Order, value: int, number: int) -> None:
    downlink = Downlink(order=order, value=value if order in VALUED else 0, number=number)
    try:
        encoded = wristband.encode_downlink(downlink)
    except CannotSay:
        return
    assert wristband.parse_downlink(encoded.payload) == downlink


@given(payload=st.binary(max_size=20))
def test_the_band_takes_any_bytes(payload: bytes) -> None:
    heard = wristband.parse_downlink(payload)
    if heard is not None:
        assert payload.startswith(wristband.encode_downlink(heard).payload)


def test_what_a_device_cannot_hear_is_named() -> None:
    with pytest.raises(CannotSay, match="interval goes from 1 to 1440, not 1441"):
        wristband.encode_downlink(Downlink(order=Order.INTERVAL, value=1441))
    with pytest.raises(CannotSay, match="no word for accepted, only for interval"):
        encode("netvox_r312a", Downlink(order=Order.ACCEPTED))
