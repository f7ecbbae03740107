"""Decentlab DL-MBX: distance to water or snow, by ultrasound.

Source: https://github.com/decentlab/decentlab-decoders, DL-MBX/DL-MBX.js. A distance of which no
sample was valid is none.
"""

from __future__ import annotations

from decoders import decentlab
from decoders.decentlab import BATTERY, Sensor, Value
from decoders.family import Decoder

SENSORS = (
    Sensor(
        words=2,
        values=(Value(quantity="distance", convert=lambda x: x[0] / 1000 if x[1] else None),),
    ),
    BATTERY,
)


DECODER = Decoder(
    id="decentlab_dl_mbx",
    version=1,
    maker="Decentlab",
    model="DL-MBX",
    quantities=decentlab.quantities(SENSORS),
    decode=decentlab.reader(SENSORS),
)
