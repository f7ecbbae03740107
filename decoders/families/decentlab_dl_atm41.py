"""Decentlab DL-ATM41: a weather station in one piece; sun, rain, lightning, wind and air.

Source: https://github.com/decentlab/decentlab-decoders, DL-ATM41/DL-ATM41.js. Rain and lightning
are those of the interval. Left out are how the station leans and the wind's two components, which
its speed and direction say.
"""

from __future__ import annotations

from decoders import decentlab
from decoders.decentlab import BATTERY, Sensor, Value, signed
from decoders.family import Decoder

SENSORS = (
    Sensor(
        words=17,
        values=(
            Value(quantity="solar_irradiance", convert=lambda x: signed(x[0])),
            Value(quantity="precipitation", convert=lambda x: signed(x[1]) / 1000),
            Value(quantity="lightning_strikes", convert=lambda x: signed(x[2])),
            Value(quantity="lightning_distance", convert=lambda x: signed(x[3]) * 1000),
            Value(quantity="wind_speed", convert=lambda x: signed(x[4]) / 100),
            Value(quantity="wind_direction", convert=lambda x: signed(x[5]) / 10),
            Value(quantity="wind_gust", convert=lambda x: signed(x[6]) / 100),
            Value(quantity="air_temperature", convert=lambda x: signed(x[7]) / 10),
            Value(quantity="vapour_pressure", convert=lambda x: signed(x[8]) / 100),
            Value(quantity="pressure", convert=lambda x: signed(x[9]) / 10),
            Value(quantity="relative_humidity", convert=lambda x: signed(x[10]) / 10),
            Value(quantity="device_temperature", convert=lambda x: signed(x[11]) / 10),
        ),
    ),
    BATTERY,
)


DECODER = Decoder(
    id="decentlab_dl_atm41",
    version=1,
    maker="Decentlab",
    model="DL-ATM41",
    quantities=decentlab.quantities(SENSORS),
    decode=decentlab.reader(SENSORS),
)
