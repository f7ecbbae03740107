"""Decentlab DL-CTD10: depth, temperature and conductivity of water.

Source: https://github.com/decentlab/decentlab-decoders, DL-CTD10/DL-CTD10.js. The flag of a frozen
sensor is left out.
"""

from __future__ import annotations

from decoders import decentlab
from decoders.decentlab import BATTERY, Sensor, Value, signed
from decoders.family import Decoder

SENSORS = (
    Sensor(
        words=4,
        values=(
            Value(quantity="water_level", convert=lambda x: signed(x[0]) / 1000),
            Value(quantity="water_temperature", convert=lambda x: signed(x[1]) / 10),
            Value(quantity="conductivity", convert=lambda x: x[2]),
        ),
    ),
    BATTERY,
)


DECODER = Decoder(
    id="decentlab_dl_ctd10",
    version=1,
    maker="Decentlab",
    model="DL-CTD10",
    quantities=decentlab.quantities(SENSORS),
    decode=decentlab.reader(SENSORS),
)
