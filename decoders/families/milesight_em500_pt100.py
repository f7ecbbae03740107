"""Milesight EM500-PT100: temperature of a probe, from deep cold to an oven.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em500-pt100/README.md.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

TABLE: milesight.ChannelTable = {
    **milesight.EM500_ANSWERS,
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x03, 0x67): Channel(
        length=2,
        numbers=(Number(quantity="probe_temperature", form="i16", divide=10),),
    ),
    # With how much it changed and the device's own alarm behind; Khaen's rules decide.
    (0x83, 0xD7): Channel(
        length=5,
        numbers=(Number(quantity="probe_temperature", form="i16", divide=10),),
    ),
    (0x20, 0xCE): Channel(
        length=6,
        dated=True,
        numbers=(Number(quantity="probe_temperature", form="i16", at=4, divide=10),),
    ),
}


DECODER = Decoder(
    id="milesight_em500_pt100",
    version=1,
    maker="Milesight",
    model="EM500-PT100",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
