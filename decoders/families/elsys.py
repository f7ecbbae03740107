"""ELSYS: all its sensors (ERS, ELT, EMS and others) speak one row of fields.

Source: https://github.com/chirpstack/chirpstack-device-profiles,
vendors/elsys/codecs/elsys.js, adapted there from the maker's own. Inputs of a device are channels
`1` and `2`; pulses of the interval alone stand beside the running count.

Left out are the image of the thermal array (13); the position (09), whose order of bytes and unit
the published codecs do not agree on; volatile compounds (1C), whose parts per billion are no mass;
and the maker's debugging (3D). The published codec reads the
counters and the pressure as signed, so that a counter beyond 2^31 is negative there.
"""

from __future__ import annotations

from decoders import tagged
from decoders.family import Decoder
from decoders.tagged import Field, Value, one
from khaen.reading import Decoded

_UNSURE = frozenset({1})
_PER_G = 63
_MV_PER_V = 1000
_UV_PER_V = 1_000_000


def _counter(form: str, channel: str) -> Field:
    return one(form, "pulses", channel=channel)


TABLE: tagged.FieldTable = {
    0x01: one("h", "air_temperature", divide=10),
    0x02: one("B", "relative_humidity"),
    0x03: Field(
        form="bbb",
        values=(
            Value(quantity="acceleration_x", divide=_PER_G),
            Value(quantity="acceleration_y", item=1, divide=_PER_G),
            Value(quantity="acceleration_z", item=2, divide=_PER_G),
        ),
    ),
    0x04: one("H", "illuminance"),
    0x05: one("B", "motion_count"),
    0x06: one("H", "co2"),
    0x07: one("H", "battery_voltage", divide=_MV_PER_V),
    0x08: one("H", "voltage", divide=_MV_PER_V, channel="1"),
    0x09: Field(form="6B"),
    0x0A: _counter("H", "1 interval"),
    0x0B: _counter("I", "1"),
    0x0C: one("h", "probe_temperature", divide=10, channel="1"),
    0x0D: one("B", "digital_input", channel="1"),
    0x0E: one("H", "distance", divide=1000),
    0x0F: one("B", "motion_count", channel="shaken"),
    0x10: Field(
        form="hh",
        values=(
            Value(quantity="device_temperature", divide=10),
            Value(quantity="probe_temperature", item=1, divide=10, channel="infrared"),
        ),
    ),
    # 0 is nobody, 2 somebody; 1 is the time in which the device makes up its mind.
    0x11: Field(form="B", values=(Value(quantity="occupancy", divide=2, missing=_UNSURE),)),
    0x12: Field(form="B", values=(Value(quantity="leak", state=True),)),
    0x13: Field(form="65B"),
    0x14: one("i", "pressure", divide=1000),
    0x15: Field(
        form="BB",
        values=(
            Value(quantity="sound_level", channel="loudest"),
            Value(quantity="sound_level", item=1),
        ),
    ),
    0x16: _counter("H", "2 interval"),
    0x17: _counter("I", "2"),
    0x18: one("H", "voltage", divide=_MV_PER_V, channel="2"),
    0x19: one("h", "probe_temperature", divide=10, channel="2"),
    0x1A: one("B", "digital_input", channel="2"),
    0x1B: one("i", "voltage", divide=_UV_PER_V, channel="fine"),
    0x1C: Field(form="H"),
    0x3D: Field(form="4B"),
}


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read on whatever port; an engineer can change it."""
    del f_port
    return tagged.read(TABLE, payload)


DECODER = Decoder(
    id="elsys",
    version=1,
    maker="ELSYS",
    model="ERS, ELT, EMS and others",
    quantities=tagged.quantities(TABLE),
    decode=decode,
)
