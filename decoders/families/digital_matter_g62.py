"""Digital Matter G62: where a vehicle is, how it moves, whether its engine is on.

Source: https://github.com/chirpstack/chirpstack-device-profiles,
vendors/digital-matter/codecs/digital-matter-g62.js. Port 1 has all of it; where that does not fit,
port 2 has its first eleven bytes and port 3 the rest. Numbers are little-endian; the low four bits
of the two coordinates are flags. Left out are the time (its day is not sent), the inputs, the
device's own warmth, and ports 4 (odometer) and 5 (answer to a downlink).
"""

from __future__ import annotations

from collections.abc import Iterator

from decoders.family import Decoder
from khaen.reading import Decoded, Reading, Warn

FULL, FIRST, SECOND, ODOMETER, ANSWER = 1, 2, 3, 4, 5
FIRST_LENGTH = 11
SECOND_LENGTHS = (6, 8)
"""Without and with the time."""
IGNITION, FIX = 0x1, 0x8
KMH_PER_MS = 3.6


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; a port that is none of the five gives a warning."""
    if f_port in (ODOMETER, ANSWER):
        return Decoded()
    if f_port not in (FULL, FIRST, SECOND):
        return Decoded(warnings=(Warn(text=f"nothing is sent on port {f_port}", offset=0),))
    first = payload[:FIRST_LENGTH] if f_port != SECOND else b""
    second = payload[len(first) :]
    return Decoded(
        readings=(*_first(first), *(() if f_port == FIRST else _second(second))),
        warnings=_warn(f_port, first, second),
    )


def _warn(f_port: int, first: bytes, second: bytes) -> tuple[Warn, ...]:
    whole = f_port == SECOND or len(first) == FIRST_LENGTH
    due = (0,) if f_port == FIRST else SECOND_LENGTHS
    at = len(first) + len(second)
    if not whole or len(second) < due[0] or due[0] < len(second) < due[-1]:
        return (Warn(text="the frame is cut short", offset=at),)
    if len(second) > due[-1]:
        return (Warn(text="more bytes than are due", offset=len(first) + due[-1]),)
    return ()


def _first(data: bytes) -> Iterator[Reading]:
    if len(data) >= 4:
        yield Reading(quantity="position_fix", value=float(bool(data[0] & FIX)))
        yield Reading(quantity="latitude", value=_degrees(data[0:4]))
    if len(data) >= 8:
        yield Reading(quantity="longitude", value=_degrees(data[4:8]))
        yield Reading(quantity="ignition", value=float(bool(data[4] & IGNITION)))
    if len(data) >= 9:
        yield Reading(quantity="heading", value=data[8] * 2.0)
    if len(data) >= 10:
        yield Reading(quantity="speed", value=round(data[9] / KMH_PER_MS, 3))
    if len(data) >= 11:
        yield Reading(quantity="battery_voltage", value=data[10] * 20 / 1000)


def _second(data: bytes) -> Iterator[Reading]:
    if len(data) >= 2:
        supply = int.from_bytes(data[0:2], "little") / 1000
        yield Reading(quantity="voltage", value=supply, channel="supply")
    if len(data) >= 6:
        yield Reading(quantity="position_accuracy", value=float(data[5]))


def _degrees(raw: bytes) -> float:
    return round((int.from_bytes(raw, "little", signed=True) & ~0xF) / 1e7, 7)


DECODER = Decoder(
    id="digital_matter_g62",
    version=1,
    maker="Digital Matter",
    model="G62",
    quantities=frozenset(
        {
            "position_fix", "latitude", "longitude", "ignition", "heading", "speed",
            "battery_voltage", "voltage", "position_accuracy",
        }
    ),
    decode=decode,
)  # fmt: skip
