"""Decentlab's payload, protocol 2: which sensors speak is a set of flags, each sends words.

Source: Decentlab's published decoders (https://github.com/decentlab/decentlab-decoders) and their
copies in https://github.com/chirpstack/chirpstack-device-profiles, vendors/decentlab/codecs. Byte
0 is the protocol, 1–2 the device's number, 3–4 the flags; then, for each flag from the lowest, the
words of its sensor, 16 bits, most significant byte first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from decoders.family import DecodePayload
from khaen.reading import Decoded, Reading, Warn

PROTOCOL = 2
_HEAD = struct.Struct(">BHH")
_DECIMALS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One quantity made of a sensor's words; None where they say that there is no value."""

    quantity: str
    convert: Callable[[Sequence[int]], float | None]
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """What one flag stands for: `words` of 16 bits, and the values made of them."""

    words: int
    values: tuple[Value, ...]


BATTERY = Sensor(
    words=1,
    values=(Value(quantity="battery_voltage", convert=lambda x: x[0] / 1000),),
)


def signed(word: int) -> int:
    """The number that a word stands for whose middle is 0."""
    return word - 0x8000


def reader(sensors: Sequence[Sensor]) -> DecodePayload:
    """A family's `decode`: reads on whatever port, for an engineer can change it."""

    def decode(_f_port: int, payload: bytes) -> Decoded:
        return read(sensors, payload)

    return decode


def read(sensors: Sequence[Sensor], payload: bytes) -> Decoded:
    """Read sensor after sensor; what cannot be read is a warning with its offset."""
    if len(payload) < _HEAD.size:
        return Decoded(warnings=(Warn(text="the head is cut short", offset=len(payload)),))
    protocol, _number, flags = _HEAD.unpack_from(payload)
    if protocol != PROTOCOL:
        return Decoded(warnings=(Warn(text=f"protocol {protocol}", offset=0),))
    readings: list[Reading] = []
    warnings: list[Warn] = []
    at = _HEAD.size
    for bit, sensor in enumerate(sensors):
        if not flags >> bit & 1:
            continue
        end = at + 2 * sensor.words
        if end > len(payload):
            warnings.append(Warn(text=f"sensor {bit} is cut short", offset=at))
            break
        words = struct.unpack_from(f">{sensor.words}H", payload, at)
        for value in sensor.values:
            number = value.convert(words)
            if number is None:
                warnings.append(Warn(text=f"no {value.quantity}", offset=at))
                continue
            readings.append(
                Reading(
                    quantity=value.quantity,
                    value=round(number, _DECIMALS),
                    channel=value.channel,
                )
            )
        at = end
    if flags >> len(sensors):
        warnings.append(Warn(text="flags of unknown sensors", offset=3))
    elif at < len(payload) and not warnings:
        warnings.append(Warn(text="more bytes than are due", offset=at))
    return Decoded(readings=tuple(readings), warnings=tuple(warnings))


def quantities(sensors: Sequence[Sensor]) -> frozenset[str]:
    """The ids of all quantities of a device's sensors."""
    return frozenset(value.quantity for sensor in sensors for value in sensor.values)
