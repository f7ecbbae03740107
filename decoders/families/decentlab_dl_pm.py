"""Decentlab DL-PM: particulate matter, with the air it was measured in.

Source: https://github.com/chirpstack/chirpstack-device-profiles,
vendors/decentlab/codecs/dl-pm.js and test_decode_dl-pm.json. The counts of particles and their
typical size, which the device sends besides, are left out.
"""

from __future__ import annotations

from decoders import decentlab
from decoders.decentlab import BATTERY, Sensor, Value
from decoders.family import Decoder

SENSORS = (
    BATTERY,
    Sensor(
        words=10,
        values=(
            Value(quantity="pm1_0", convert=lambda x: x[0] / 10),
            Value(quantity="pm2_5", convert=lambda x: x[1] / 10),
            Value(quantity="pm4_0", convert=lambda x: x[2] / 10),
            Value(quantity="pm10", convert=lambda x: x[3] / 10),
        ),
    ),
    Sensor(
        words=2,
        values=(
            Value(quantity="air_temperature", convert=lambda x: 175.72 * x[0] / 65536 - 46.85),
            Value(quantity="relative_humidity", convert=lambda x: 125 * x[1] / 65536 - 6),
        ),
    ),
    Sensor(
        words=1,
        # The word is half the pressure in pascal.
        values=(Value(quantity="pressure", convert=lambda x: x[0] * 2 / 100),),
    ),
)


DECODER = Decoder(
    id="decentlab_dl_pm",
    version=2,
    maker="Decentlab",
    model="DL-PM",
    quantities=decentlab.quantities(SENSORS),
    decode=decentlab.reader(SENSORS),
)
