"""Milesight EM500-SMTC: moisture, temperature and conductivity of soil.

Source: https://github.com/Milesight-IoT/SensorDecoders, em-series/em500-smtc/README.md and its
decoder (the two codes that stand for no value). That decoder compares the codes with a signed
temperature, which never equals them, and so takes a failed probe for -0.1 and -0.3 degrees.
"""

from __future__ import annotations

from decoders import milesight
from decoders.family import Decoder
from decoders.milesight import Channel, Number

_FAILED = milesight.PROBE_FAILED


def _temperature(at: int) -> Number:
    return Number(quantity="soil_temperature", form="i16", at=at, divide=10, missing=_FAILED)


def _moisture(at: int) -> Number:
    return Number(quantity="soil_moisture", form="u16", at=at, divide=100, missing=_FAILED)


def _conductivity(at: int) -> Number:
    return Number(quantity="soil_conductivity", form="u16", at=at, missing=_FAILED)


TABLE: milesight.ChannelTable = {
    **milesight.EM500_ANSWERS,
    **milesight.answers({0x18: 2}),
    **milesight.ATTRIBUTES,
    **milesight.BATTERY,
    (0x03, 0x67): Channel(length=2, numbers=(_temperature(0),)),
    # Older devices have halves of a per cent, newer ones hundredths.
    (0x04, 0x68): Channel(
        length=1,
        numbers=(Number(quantity="soil_moisture", form="u8", divide=2),),
    ),
    (0x04, 0xCA): Channel(length=2, numbers=(_moisture(0),)),
    (0x05, 0x7F): Channel(length=2, numbers=(_conductivity(0),)),
    # With how much it changed and the device's own alarm behind; Khaen's rules decide.
    (0x83, 0xD7): Channel(length=5, numbers=(_temperature(0),)),
    (0x20, 0xCE): Channel(
        length=10,
        dated=True,
        numbers=(_conductivity(4), _temperature(6), _moisture(8)),
    ),
}


DECODER = Decoder(
    id="milesight_em500_smtc",
    version=1,
    maker="Milesight",
    model="EM500-SMTC",
    quantities=milesight.quantities(TABLE),
    decode=milesight.reader(TABLE),
)
