"""Milesight WTS506: a weather station; air, wind, rain.

Source: https://github.com/Milesight-IoT/SensorDecoders, wts-series/wts506/README.md. Older
stations count rain in 16 bits, newer ones in 32; both are hundredths of a millimetre since the
start, and come round. Its maker's decoder takes the wind's direction for signed.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number


def _air(at: int) -> tuple[Number, ...]:
    return (
        Number(quantity="air_temperature", form="i16", at=at, divide=10),
        Number(quantity="relative_humidity", form="u8", at=at + 2, divide=2),
        Number(quantity="pressure", form="u16", at=at + 3, divide=10),
        Number(quantity="wind_direction", form="u16", at=at + 5, divide=10),
        Number(quantity="wind_speed", form="u16", at=at + 7, divide=10),
    )


_TEMPERATURE = (Number(quantity="air_temperature", form="i16", divide=10),)
_PRESSURE = (Number(quantity="pressure", form="u16", divide=10),)
_WIND_SPEED = (Number(quantity="wind_speed", form="u16", divide=10),)
_RAIN = (Number(quantity="rain_cumulative", form="u32", divide=100),)

TABLE: milesight.ChannelTable = {
    **milesight.answers({0x03: 2, 0x10: 1, 0x11: 4, 0x17: 2, 0x27: 1, 0x67: 1}),
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x03, 0x67): Channel(length=2, numbers=_TEMPERATURE),
    (0x04, 0x68): Channel(
        length=1,
        numbers=(Number(quantity="relative_humidity", form="u8", divide=2),),
    ),
    (0x05, 0x84): Channel(
        length=2,
        numbers=(Number(quantity="wind_direction", form="u16", divide=10),),
    ),
    (0x06, 0x73): Channel(length=2, numbers=_PRESSURE),
    (0x07, 0x92): Channel(length=2, numbers=_WIND_SPEED),
    (0x08, 0x77): Channel(
        length=3,
        numbers=(Number(quantity="rain_cumulative", form="u16", divide=100),),
    ),
    (0x08, 0xEC): Channel(length=5, numbers=_RAIN),
    # With the device's own alarm behind the value; Khaen's rules decide on the value.
    (0x83, 0x67): Channel(length=3, numbers=_TEMPERATURE),
    (0x86, 0x73): Channel(length=3, numbers=_PRESSURE),
    (0x87, 0x92): Channel(length=3, numbers=_WIND_SPEED),
    (0x88, 0xEC): Channel(length=6, numbers=_RAIN),
    (0x20, 0xCE): Channel(
        length=15,
        dated=True,
        numbers=(
            *_air(4),
            Number(quantity="rain_cumulative", form="u16", at=13, divide=100),
        ),
    ),
    (0x21, 0xCE): Channel(
        length=17,
        dated=True,
        numbers=(
            *_air(4),
            Number(quantity="rain_cumulative", form="u32", at=13, divide=100),
        ),
    ),
}


DECODER = Decoder(
    id="milesight_wts506",
    version=1,
    maker="Milesight",
    model="WTS506",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
