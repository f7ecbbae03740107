"""Milesight AM319: the air of a room, with its dust and gases.

Source: https://github.com/Milesight-IoT/SensorDecoders, am-series/am319-hcho/README.md and
am-series/am319-o3/README.md: one payload but for the last gas, formaldehyde or ozone. In history
it is not said which of the two, so that it is left out there, and so is light, which comes in steps
of the device's own.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

_PPB_PER_HUNDREDTH_OF_A_PPM = 10


def _history(volatile: Number) -> tuple[Number, ...]:
    return (
        Number(quantity="air_temperature", form="i16", at=4, divide=10),
        Number(quantity="relative_humidity", form="u16", at=6, divide=2),
        Number(quantity="occupancy", form="u8", at=8),
        Number(quantity="co2", form="u16", at=10),
        volatile,
        Number(quantity="pressure", form="u16", at=14, divide=10),
        Number(quantity="pm2_5", form="u16", at=16),
        Number(quantity="pm10", form="u16", at=18),
    )


TABLE: milesight.ChannelTable = {
    **milesight.answers(
        {
            0x03: 2, 0x10: 1, 0x17: 2, 0x25: 1, 0x27: 1, 0x2C: 1, 0x2D: 1, 0x2E: 1, 0x39: 1,
            0x3A: 2, 0x3B: 1, 0x3C: 1, 0x3D: 1, 0x3E: 1, 0x65: 2, 0x66: 1, 0x68: 1, 0x69: 1,
            0x6A: 3, 0x6D: 1, 0xEB: 1, 0xF0: 4, 0xF4: 1,
        }
    ),
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    **milesight.CLIMATE,
    (0x05, 0x00): Channel(length=1, numbers=(Number(quantity="occupancy", form="u8"),)),
    (0x06, 0xCB): Channel(length=1),  # light, in steps
    (0x07, 0x7D): Channel(length=2, numbers=(Number(quantity="co2", form="u16"),)),
    # Volatile compounds as the device was set: an index, or their mass.
    (0x08, 0x7D): Channel(
        length=2,
        numbers=(Number(quantity="tvoc_index", form="u16", divide=100),),
    ),
    (0x08, 0xE6): Channel(length=2, numbers=(Number(quantity="tvoc", form="u16"),)),
    (0x09, 0x73): Channel(length=2, numbers=(Number(quantity="pressure", form="u16", divide=10),)),
    (0x0A, 0x7D): Channel(
        length=2,
        numbers=(Number(quantity="formaldehyde", form="u16", divide=100),),
    ),
    (0x0B, 0x7D): Channel(length=2, numbers=(Number(quantity="pm2_5", form="u16"),)),
    (0x0C, 0x7D): Channel(length=2, numbers=(Number(quantity="pm10", form="u16"),)),
    (0x0D, 0x7D): Channel(
        length=2,
        numbers=(Number(quantity="o3", form="u16", times=_PPB_PER_HUNDREDTH_OF_A_PPM),),
    ),
    (0x0E, 0x01): Channel(length=1),  # the buzzer sounds
    (0x20, 0xCE): Channel(
        length=22,
        dated=True,
        numbers=_history(Number(quantity="tvoc_index", form="u16", at=12, divide=100)),
    ),
    (0x21, 0xCE): Channel(
        length=22,
        dated=True,
        numbers=_history(Number(quantity="tvoc", form="u16", at=12)),
    ),
}  # fmt: skip


DECODER = Decoder(
    id="milesight_am319",
    version=1,
    maker="Milesight",
    model="AM319",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
