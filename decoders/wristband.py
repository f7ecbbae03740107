"""The reference wristband's payload v1, once for who reads it and who writes it.

docs/wristband-payload.md has every byte. All numbers are big-endian.
"""

from __future__ import annotations

import enum

from decoders import layout
from decoders.downlink import CannotSay, Downlink, Encoded, Order, within
from decoders.layout import Field

VERSION = 1
TELEMETRY_PORT, SOS_PORT, FALL_PORT, DOWNLINK_PORT = 10, 11, 12, 13
TELEMETRY_LENGTH, EVENT_LENGTH = 11, 4

WORN, CHARGING, MOVING = 0x8, 0x4, 0x2
SOS_CANCELLED, SOS_END = 0x2, 0x1
STAGE = 0x7

COUNT_AT, AGE_AT, ANSWER_AT = 1, 3, 10
DOWNLINK_LENGTHS = range(2, 5)
LONGEST = 255
"""Seconds of an age, or minutes of stillness: an older one says this."""
STEPS = 0xFFFF
NUMBERS = range(1, 16)
"""Of downlinks; the next after the last is the first."""

_UNKNOWN_BYTE = frozenset({0xFF})
_UNKNOWN_VITAL = frozenset({0})
_UNKNOWN_SHARE = frozenset({0xF})

TELEMETRY = (
    Field(quantity="worn", at=0, mask=WORN, shift=3),
    Field(quantity="charging", at=0, mask=CHARGING, shift=2),
    Field(quantity="motion", at=0, mask=MOVING, shift=1),
    Field(quantity="battery_level", at=1, missing=_UNKNOWN_BYTE),
    Field(quantity="heart_rate", at=2, missing=_UNKNOWN_VITAL),
    Field(quantity="spo2", at=3, missing=_UNKNOWN_VITAL),
    Field(quantity="signal_quality", at=4, mask=0xF0, shift=4, divide=0.1, missing=_UNKNOWN_SHARE),
    Field(quantity="activity", at=4, mask=0x0F, divide=0.1, missing=_UNKNOWN_SHARE),
    Field(quantity="skin_temperature", at=5, form="i16", divide=100, missing=frozenset({-0x8000})),
    Field(quantity="steps", at=7, form="u16"),
    Field(quantity="still_time", at=9),
)
BESIDE = (
    Field(quantity="worn", at=0, mask=WORN, shift=3),
    Field(quantity="battery_level", at=2, missing=_UNKNOWN_BYTE),
)
"""What a call and a fall carry beside the event."""


class Stage(enum.IntEnum):
    """How far a fall has come."""

    IMPACT = 0
    STILL = 1
    MOVING = 2
    CANCELLED = 3


CODES = {
    Order.ACCEPTED: 1,
    Order.ON_THE_WAY: 2,
    Order.INTERVAL: 3,
    Order.CANCEL_WINDOW: 4,
    Order.RECEIVED: 5,
}
VALUES = {Order.INTERVAL: ("u16", 1, 1440), Order.CANCEL_WINDOW: ("u8", 10, 120)}
"""Their form, least and most: minutes, seconds."""
_ORDERS = {code: order for order, code in CODES.items()}


def head(flags: int) -> int:
    """Byte 0 of every frame, either way."""
    return VERSION << 4 | flags


def is_known(payload: bytes) -> bool:
    """Whether the frame is of this version."""
    return bool(payload) and payload[0] >> 4 == VERSION


def encode_downlink(downlink: Downlink) -> Encoded:
    """The two to four bytes of port 13. Raises CannotSay."""
    if downlink.number not in NUMBERS:
        raise CannotSay(f"a downlink's number goes from 1 to 15, not {downlink.number}")
    payload = bytes((head(downlink.number), CODES[downlink.order]))
    if (form := VALUES.get(downlink.order)) is not None:
        width, least, most = form
        payload += within(downlink, least, most).to_bytes(int(width[1:]) // 8, "big")
    return Encoded(f_port=DOWNLINK_PORT, payload=payload)


def parse_downlink(payload: bytes) -> Downlink | None:
    """What port 13 says; None for what a band of this version does not understand."""
    if not is_known(payload) or len(payload) not in DOWNLINK_LENGTHS:
        return None
    if payload[0] & 0xF not in NUMBERS:
        return None
    order = _ORDERS.get(payload[1])
    if order is None:
        return None
    value = 0
    if (form := VALUES.get(order)) is not None:
        width, least, most = form
        value = layout.number(payload, 2, width) or 0
        if not least <= value <= most:
            return None
    return Downlink(order=order, value=value, number=payload[0] & 0xF)
