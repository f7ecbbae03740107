"""Milesight EM300-TH: air temperature and humidity, with a history of its own.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em300-th/README.md. History
(20 CE) is sent again after the device lost its network: each reading has the device's own time.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel

TABLE: milesight.ChannelTable = {
    **milesight.EM300_ANSWERS,
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    **milesight.CLIMATE,
    (0x20, 0xCE): Channel(length=8, dated=True, numbers=milesight.CLIMATE_HISTORY),
}


DECODER = Decoder(
    id="milesight_em300_th",
    version=1,
    maker="Milesight",
    model="EM300-TH",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
