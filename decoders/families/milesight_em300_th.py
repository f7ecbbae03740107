"""Milesight EM300-TH: air temperature and humidity, with a history of its own.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em300-th/README.md. History
(20 CE) is sent again after the device lost its network: each reading has the device's own time.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

TABLE: milesight.ChannelTable = {
    **milesight.answers(
        {
            0x02: 2, 0x03: 2, 0x06: 9, 0x10: 1, 0x27: 1, 0x28: 1,
            0x68: 1, 0x69: 1, 0x6A: 3, 0x6D: 1, 0x79: 6, 0xEA: 3,
        }
    ),
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x03, 0x67): Channel(
        length=2,
        numbers=(Number(quantity="air_temperature", form="i16", divide=10),),
    ),
    (0x04, 0x68): Channel(
        length=1,
        numbers=(Number(quantity="relative_humidity", form="u8", divide=2),),
    ),
    (0x20, 0xCE): Channel(
        length=8,
        dated=True,
        numbers=(
            Number(quantity="air_temperature", form="i16", at=4, divide=10),
            Number(quantity="relative_humidity", form="u8", at=6, divide=2),
        ),
    ),
}  # fmt: skip


DECODER = Decoder(
    id="milesight_em300_th",
    version=1,
    maker="Milesight",
    model="EM300-TH",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
