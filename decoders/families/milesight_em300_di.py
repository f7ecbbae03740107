"""Milesight EM300-DI: one input, as a level or as a count of pulses, and the air beside it.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em300-di/README.md and its
decoder. From firmware 1.3 on pulses come as an amount (E1) in whatever unit the device was set to:
it is read as a generic value, for the unit is not sent. That decoder rounds it to hundredths.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

_INPUT, _PULSES = 1, 2
"""What the input is used as, in history."""

_LEVEL = Number(quantity="digital_input", form="u8")
_AMOUNT = Number(quantity="generic", form="f32", at=4, channel="metered")

TABLE: milesight.ChannelTable = {
    **milesight.answers(
        {
            0x02: 2, 0x03: 2, 0x06: 9, 0x10: 1, 0x17: 2, 0x27: 1, 0x28: 1, 0x35: 8, 0x4E: 2,
            0x68: 1, 0x69: 1, 0x6A: 3, 0x79: 4, 0x92: 5, 0xA1: 7, 0xA2: 9, 0xA3: 2, 0xA4: 2,
            0xC3: 1,
        }
    ),
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    **milesight.CLIMATE,
    (0x05, 0x00): Channel(length=1, numbers=(_LEVEL,)),
    (0x05, 0xC8): Channel(length=4, numbers=(Number(quantity="pulses", form="u32"),)),
    (0x05, 0xE1): Channel(length=8, numbers=(_AMOUNT,)),
    # With the device's own alarm behind the value; Khaen's rules decide on the value.
    (0x85, 0x00): Channel(length=2, numbers=(_LEVEL,)),
    (0x85, 0xE1): Channel(length=9, numbers=(_AMOUNT,)),
    (0x20, 0xCE): Channel(
        length=13,
        dated=True,
        numbers=(
            *milesight.CLIMATE_HISTORY,
            Number(quantity="digital_input", form="u8", at=8, when=(7, 0xFF, _INPUT)),
            Number(quantity="pulses", form="u32", at=9, when=(7, 0xFF, _PULSES)),
        ),
    ),
    (0x21, 0xCE): Channel(
        length=18,
        dated=True,
        numbers=(
            *milesight.CLIMATE_HISTORY,
            Number(quantity="digital_input", form="u8", at=9, when=(8, 0xFF, _INPUT)),
            Number(
                quantity="generic", form="f32", at=14, channel="metered", when=(8, 0xFF, _PULSES)
            ),
        ),
    ),
}  # fmt: skip


DECODER = Decoder(
    id="milesight_em300_di",
    version=1,
    maker="Milesight",
    model="EM300-DI",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
