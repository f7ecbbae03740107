"""Milesight CT101: a clamp that measures the current of one cable, and lives on it.

Source: https://github.com/Milesight-IoT/SensorDecoders, ct-series/ct101/README.md,
ct-series/ct101-v2/README.md and their decoders (the codes that stand for no value, and the energy
of version 2, in hundredths of a kilowatt-hour).
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

_UNREAD = frozenset({0xFFFF})
_WH_PER_UNIT = 10

TABLE: milesight.ChannelTable = {
    **milesight.answers(
        {
            0x02: 2, 0x06: 9, 0x10: 1, 0x27: 1, 0x28: 1, 0x8E: 3, 0xCE: 2, 0xCF: 1, 0xD0: 1,
            0xF2: 2,
        }
    ),
    **milesight.ATTRIBUTES,
    (0x03, 0x97): Channel(
        length=4,
        numbers=(Number(quantity="electric_charge", form="u32", divide=100),),
    ),
    (0x04, 0x98): Channel(
        length=2,
        numbers=(Number(quantity="current", form="u16", divide=100, missing=_UNREAD),),
    ),
    (0x09, 0x67): Channel(
        length=2,
        numbers=(
            Number(
                quantity="probe_temperature",
                form="i16",
                divide=10,
                missing=milesight.PROBE_FAILED,
            ),
        ),
    ),
    (0x10, 0x63): Channel(
        length=4,
        numbers=(Number(quantity="energy_import", form="u32", times=_WH_PER_UNIT),),
    ),
    (0x13, 0x75): Channel(length=1),  # its own supply is low
    # Highest, lowest and present current, with the device's own alarm; Khaen's rules decide.
    (0x84, 0x98): Channel(
        length=7,
        numbers=(
            Number(quantity="current", form="u16", divide=100, channel="highest"),
            Number(quantity="current", form="u16", at=2, divide=100, channel="lowest"),
            Number(quantity="current", form="u16", at=4, divide=100),
        ),
    ),
    (0x89, 0x67): Channel(
        length=3,
        numbers=(Number(quantity="probe_temperature", form="i16", divide=10),),
    ),
}  # fmt: skip


DECODER = Decoder(
    id="milesight_ct101",
    version=1,
    maker="Milesight",
    model="CT101",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
