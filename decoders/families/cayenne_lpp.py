"""Cayenne Low Power Payload: any device that speaks it, with the types that RAK added.

Source: https://github.com/myDevicesIoT/cayenne-docs/blob/master/docs/LORA.md; a type is the IPSO
object's number less 3200, in that object's resolution. RAK's additions:
https://github.com/chirpstack/chirpstack-device-profiles,
vendors/rakwireless/codecs/rak_standard.js. The number before each type is the reading's channel.
Positions come in 24 bits (136) or 32 (137), heights in 24.

Where the published codecs refuse the whole frame for a type that they do not know, what stands
before it is kept here. RAK's also reads numbers of four bytes as signed, and then a position north
or east as one step less. Left out are time (133), which does not say of what, and colour (135).
Light in RAK's own steps (203) is a generic value.
"""

from __future__ import annotations

from decoders import tagged
from decoders.family import Decoder
from decoders.tagged import Field, Value, one
from khaen.reading import Decoded

_WH_PER_KWH = 1000


def _position(form: str, at: tuple[int, int, int], degrees: int, *, wide: bool) -> Field:
    """Latitude, longitude and height, the items of `form` at `at`."""
    latitude, longitude, altitude = at
    return Field(
        form=form,
        values=(
            Value(quantity="latitude", item=latitude, divide=degrees, wide=wide),
            Value(quantity="longitude", item=longitude, divide=degrees, wide=wide),
            Value(quantity="altitude", item=altitude, divide=100, wide=True),
        ),
    )


_STANDARD: tagged.FieldTable = {
    0: one("B", "digital_input"),
    1: one("B", "digital_output"),
    2: one("h", "analog_input", divide=100),
    3: one("h", "analog_output", divide=100),
    100: one("I", "generic"),
    101: one("H", "illuminance"),
    102: one("B", "occupancy"),
    103: one("h", "air_temperature", divide=10),
    104: one("B", "relative_humidity", divide=2),
    113: Field(
        form="hhh",
        values=(
            Value(quantity="acceleration_x", divide=1000),
            Value(quantity="acceleration_y", item=1, divide=1000),
            Value(quantity="acceleration_z", item=2, divide=1000),
        ),
    ),
    115: one("H", "pressure", divide=10),
    116: one("H", "voltage", divide=100),
    117: one("H", "current", divide=1000),
    118: one("I", "frequency"),
    120: one("B", "percentage"),
    121: one("h", "altitude"),
    125: one("H", "concentration"),
    128: one("H", "power_active"),
    130: one("I", "distance", divide=1000),
    131: Field(
        form="I",  # thousandths of a kilowatt-hour
        values=(Value(quantity="energy_import", times=_WH_PER_KWH, divide=1000),),
    ),
    132: one("H", "heading"),
    133: Field(form="I"),
    134: Field(
        form="hhh",
        values=(
            Value(quantity="rotation_x", divide=100),
            Value(quantity="rotation_y", item=1, divide=100),
            Value(quantity="rotation_z", item=2, divide=100),
        ),
    ),
    135: Field(form="3B"),
    136: _position("bHbHbH", (0, 2, 4), 10_000, wide=True),
    142: one("B", "digital_input"),
}
_OF_RAK: tagged.FieldTable = {
    112: one("h", "relative_humidity", divide=10),
    137: _position("iibH", (0, 1, 2), 1_000_000, wide=False),
    138: one("H", "tvoc_index"),
    188: one("H", "soil_moisture", divide=10),
    190: one("H", "wind_speed", divide=100),
    191: one("H", "wind_direction"),
    192: one("H", "soil_conductivity"),  # thousandths of a mS/cm
    193: one("H", "ph", divide=100),
    194: one("H", "ph", divide=10),
    195: one("H", "solar_irradiance"),
    203: one("B", "generic"),
}
TABLE = {**_STANDARD, **_OF_RAK}


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read on whatever port; the protocol leaves it open."""
    del f_port
    return tagged.read(TABLE, payload, head=2, numbered=True)


DECODER = Decoder(
    id="cayenne_lpp",
    version=1,
    maker="any",
    model="Cayenne LPP",
    quantities=tagged.quantities(TABLE),
    decode=decode,
)
