"""Milesight WS302: how loud it is.

Source: https://github.com/Milesight-IoT/SensorDecoders, ws-series/ws302/README.md and its
decoder (the weightings). Of each frame come the level at that moment, the mean of the interval
(LAeq) and the loudest moment. Levels that are weighted otherwise than by A are no dB(A) and are
left out.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

_A_WEIGHTED = (0, 0x03, 1)


def _level(at: int, channel: str = "") -> Number:
    return Number(
        quantity="sound_level", form="u16", at=at, divide=10, channel=channel, when=_A_WEIGHTED
    )


TABLE: milesight.ChannelTable = {
    **milesight.answers({0x10: 1, 0x11: 4, 0x17: 2, 0x1D: 2, 0x2D: 1, 0x3B: 1}),
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x05, 0x5B): Channel(
        length=7,
        numbers=(_level(1, "moment"), _level(3), _level(5, "loudest")),
    ),
}


DECODER = Decoder(
    id="milesight_ws302",
    version=1,
    maker="Milesight",
    model="WS302",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
