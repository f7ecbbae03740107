"""Milesight EM500-SWL: depth of water above a submersible probe.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em500-swl/README.md and its
decoder (the two codes that stand for no reading).
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

_FAILED = frozenset({0xFFFF, 0xFFFD})  # could not be read; out of the probe's range
_CM_PER_M = 100

TABLE: milesight.ChannelTable = {
    **milesight.answers(
        {
            0x02: 2, 0x03: 2, 0x06: 9, 0x10: 1, 0x11: 4, 0x17: 2, 0x1C: 2, 0x27: 1, 0x28: 1,
            0x35: 8, 0x3B: 1, 0x4A: 1, 0x68: 1, 0x69: 1, 0x6A: 3, 0x84: 1, 0x96: 8, 0xF1: 4,
            0xF2: 2, 0xF5: 1,
        }
    ),
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0xFF, 0x1B): Channel(length=5),  # what the probe measures: rate and range
    (0x03, 0x77): Channel(
        length=2,
        numbers=(Number(quantity="water_level", form="u16", divide=_CM_PER_M, missing=_FAILED),),
    ),
    (0x20, 0xCE): Channel(
        length=6,
        dated=True,
        numbers=(
            Number(quantity="water_level", form="u16", at=4, divide=_CM_PER_M, missing=_FAILED),
        ),
    ),
}  # fmt: skip


DECODER = Decoder(
    id="milesight_em500_swl",
    version=1,
    maker="Milesight",
    model="EM500-SWL",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
