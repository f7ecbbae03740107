"""Milesight EM500-CO2: carbon dioxide, with temperature, humidity and pressure of the air.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em500-co2/README.md.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

TABLE: milesight.ChannelTable = {
    **milesight.EM500_ANSWERS,
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    **milesight.answers({0x18: 2, 0x39: 5, 0x87: 3}),
    **milesight.CLIMATE,
    (0x05, 0x7D): Channel(length=2, numbers=(Number(quantity="co2", form="u16"),)),
    (0x06, 0x73): Channel(length=2, numbers=(Number(quantity="pressure", form="u16", divide=10),)),
    # With how much it changed and the device's own alarm behind; Khaen's rules decide.
    (0x83, 0xD7): Channel(
        length=5,
        numbers=(Number(quantity="air_temperature", form="i16", divide=10),),
    ),
    (0x20, 0xCE): Channel(
        length=11,
        dated=True,
        numbers=(
            Number(quantity="co2", form="u16", at=4),
            Number(quantity="pressure", form="u16", at=6, divide=10),
            Number(quantity="air_temperature", form="i16", at=8, divide=10),
            Number(quantity="relative_humidity", form="u8", at=10, divide=2),
        ),
    ),
}


DECODER = Decoder(
    id="milesight_em500_co2",
    version=1,
    maker="Milesight",
    model="EM500-CO2",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
