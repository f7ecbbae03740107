"""A city that all sensors of a site share, and the sensors; docs/simulators-city.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from simulators.city.button import Button
from simulators.city.city import City
from simulators.city.containers import Bin, Container
from simulators.city.gauges import WaterGauge
from simulators.city.meters import Socket, StreetLights
from simulators.city.sensor import Reporter, Sensor
from simulators.city.stations import AirStation, Room, WeatherStation
from simulators.city.tracker import Tracker

__all__ = ["SENSORS", "Button", "City", "Reporter", "Sensor", "Tracker"]

SENSORS: Final[Mapping[str, type[Sensor]]] = {
    "decentlab_dl_pm": AirStation,
    "digital_matter_g62": Tracker,
    "milesight_em300_th": Room,
    "milesight_em400_mud": Bin,
    "milesight_em500_swl": WaterGauge,
    "milesight_ws101": Button,
    "milesight_ws201": Container,
    "milesight_ws523": Socket,
    "milesight_ws558": StreetLights,
    "milesight_wts506": WeatherStation,
}
"""Families of the city that can be simulated, and what makes one of each at a place."""
