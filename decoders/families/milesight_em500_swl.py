"""Milesight EM500-SWL: depth of water above a submersible probe.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em500-swl/README.md and its
decoder (the two codes that stand for no reading).
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

_CM_PER_M = 100


def _depth(at: int) -> Number:
    return Number(
        quantity="water_level",
        form="u16",
        at=at,
        divide=_CM_PER_M,
        missing=milesight.PROBE_FAILED,
    )


TABLE: milesight.ChannelTable = {
    **milesight.EM500_ANSWERS,
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x03, 0x77): Channel(length=2, numbers=(_depth(0),)),
    (0x20, 0xCE): Channel(length=6, dated=True, numbers=(_depth(4),)),
}


DECODER = Decoder(
    id="milesight_em500_swl",
    version=1,
    maker="Milesight",
    model="EM500-SWL",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
