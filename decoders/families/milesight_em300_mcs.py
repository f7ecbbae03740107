"""Milesight EM300-MCS: whether a door or a hatch stands open, and the air beside it.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em300-mcs/README.md.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

TABLE: milesight.ChannelTable = {
    **milesight.EM300_ANSWERS,
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    **milesight.CLIMATE,
    (0x06, 0x00): Channel(length=1, numbers=(Number(quantity="contact_open", form="u8"),)),
    (0x20, 0xCE): Channel(
        length=8,
        dated=True,
        numbers=(*milesight.CLIMATE_HISTORY, Number(quantity="contact_open", form="u8", at=7)),
    ),
}


DECODER = Decoder(
    id="milesight_em300_mcs",
    version=1,
    maker="Milesight",
    model="EM300-MCS",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
