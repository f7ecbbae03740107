"""Decentlab DL-PR36: pressure of a liquid above a probe, and so how deep the probe hangs in it.

Source: https://github.com/decentlab/decentlab-decoders, DL-PR36/DL-PR36 (kp=8192).js: the probe
whose label says kp 8192. The depth is that of water: one metre presses with 9.80665 kPa (NIST
SP 811, B.8, conventional metre of water).
"""

from __future__ import annotations

from decoders import decentlab
from decoders.decentlab import BATTERY, Sensor, Value, signed
from decoders.family import Decoder

KP = 8192
KPA_PER_BAR = 100
KPA_PER_METRE = 9.80665


def _pressure(word: int) -> float:
    return signed(word) / KP * KPA_PER_BAR


SENSORS = (
    Sensor(
        words=2,
        values=(
            Value(quantity="gauge_pressure", convert=lambda x: _pressure(x[0])),
            Value(
                quantity="water_level",
                convert=lambda x: _pressure(x[0]) / KPA_PER_METRE,
            ),
            Value(quantity="water_temperature", convert=lambda x: signed(x[1]) / 256),
        ),
    ),
    BATTERY,
)


DECODER = Decoder(
    id="decentlab_dl_pr36",
    version=1,
    maker="Decentlab",
    model="DL-PR36",
    quantities=decentlab.quantities(SENSORS),
    decode=decentlab.reader(SENSORS),
)
