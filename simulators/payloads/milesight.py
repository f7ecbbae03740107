"""Milesight's payloads: rows of channels, little-endian.

Source: the README of each device at https://github.com/Milesight-IoT/SensorDecoders.
"""

from __future__ import annotations

import enum
import struct
from typing import Final

F_PORT: Final = 85
"""The port of a Milesight device as it leaves the factory."""


class Press(enum.IntEnum):
    """How a WS101 was pressed (ws-series/ws101)."""

    SHORT = 1
    LONG = 2
    DOUBLE = 3


def encode_ws101(press: Press | None, *, battery: int | None = None) -> bytes:
    """Return a WS101 button's frame: a press, its battery in %, or both. Raises ValueError."""
    channels = (
        _channel(0x01, 0x75, "B", battery),
        _channel(0xFF, 0x2E, "B", press),
    )
    return _joined(channels)


def encode_em300_th(
    *, temperature: float | None, humidity: float | None, battery: int | None = None
) -> bytes:
    """Return an EM300-TH's frame: °C in tenths, % in halves, battery in %. Raises ValueError."""
    return _joined(
        (
            _channel(0x01, 0x75, "B", battery),
            _channel(0x03, 0x67, "h", None if temperature is None else temperature * 10),
            _channel(0x04, 0x68, "B", None if humidity is None else humidity * 2),
        )
    )


def encode_em400_mud(
    *, distance: float, temperature: float, tilted: bool, battery: int | None = None
) -> bytes:
    """Return an EM400-MUD's frame: m to what is in the bin, °C. Raises ValueError."""
    return _joined(
        (
            _channel(0x01, 0x75, "B", battery),
            _channel(0x03, 0x67, "h", temperature * 10),
            _channel(0x04, 0x82, "H", distance * 1000),
            _channel(0x05, 0x00, "B", tilted),
        )
    )


def encode_em500_swl(*, depth: float, battery: int | None = None) -> bytes:
    """Return an EM500-SWL's frame: m of water above the probe. Raises ValueError."""
    return _joined((_channel(0x01, 0x75, "B", battery), _channel(0x03, 0x77, "H", depth * 100)))


def encode_ws201(*, distance: float, fill: int, battery: int | None = None) -> bytes:
    """Return a WS201's frame: m to what is in the container, % of it full. Raises ValueError."""
    return _joined(
        (
            _channel(0x01, 0x75, "B", battery),
            _channel(0x03, 0x82, "H", distance * 1000),
            _channel(0x04, 0xD6, "B", fill),
        )
    )


def encode_meter(
    *, voltage: float, current: float, power: float, factor: float, energy: float
) -> bytes:
    """Return the meter's part of a WS523 or WS558: V, A, W, 0 to 1, Wh. Raises ValueError."""
    return _joined(
        (
            _channel(0x05, 0x81, "B", factor * 100),
            _channel(0x07, 0xC9, "H", current * 1000),
            _channel(0x03, 0x74, "H", voltage * 10),
            _channel(0x06, 0x83, "I", energy),
            _channel(0x04, 0x80, "I", power),
        )
    )


def encode_ws523_switch(*, on: bool) -> bytes:
    """Return the state of a WS523 socket, which stands before its meter."""
    return _channel(0x08, 0x70, "B", on)


def encode_ws558_switches(lines: int) -> bytes:
    """Return the state of a WS558's eight lines, one bit each, none just changed by a person."""
    return _channel(0x08, 0x31, ">H", lines)


def encode_wts506(
    *,
    temperature: float,
    humidity: float,
    pressure: float,
    wind_direction: float,
    wind_speed: float,
    rain: float,
) -> bytes:
    """Return a WTS506's frame: °C, %, hPa, degrees, m/s, mm since the start. Raises ValueError."""
    return _joined(
        (
            _channel(0x03, 0x67, "h", temperature * 10),
            _channel(0x04, 0x68, "B", humidity * 2),
            _channel(0x05, 0x84, "H", wind_direction * 10),
            _channel(0x06, 0x73, "H", pressure * 10),
            _channel(0x07, 0x92, "H", wind_speed * 10),
            # The last byte is the overflow of a counter that starts anew; it never did.
            _channel(0x08, 0x77, "H", round(rain * 100) & 0xFFFF) + b"\x00",
        )
    )


def _channel(head: int, kind: int, form: str, value: float | None) -> bytes:
    if value is None:
        return b""
    try:
        return bytes((head, kind)) + struct.pack(form.rjust(2, "<"), round(value))
    except struct.error as error:
        raise ValueError(str(error)) from error


def _joined(channels: tuple[bytes, ...]) -> bytes:
    payload = b"".join(channels)
    if not payload:
        raise ValueError("a frame has something to say")
    return payload
