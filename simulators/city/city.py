"""One city that all sensors of a site share: its weather, air and water, by time and place."""

from __future__ import annotations

from datetime import date, datetime

from simulators.city.air import Air
from simulators.city.hours import Spot, date_of, day_of, hours_of, number_of
from simulators.city.wastewater import Station
from simulators.city.weather import Weather


class City:
    """A pure function of seed, time and place: it does not matter where a simulation starts.

    Only counters, of rain and of energy, begin somewhere: at the New Year before `start`.
    """

    def __init__(self, seed: str, start: datetime) -> None:
        self.seed = seed
        self.since = number_of(date(date_of(day_of(hours_of(start))).year, 1, 1))
        """The day on which counters begin."""
        self.weather = Weather(seed)
        self.air = Air(seed, self.weather)

    def station(self, spot: Spot) -> Station:
        """The waste-water station to which a place belongs."""
        return Station(self.seed, self.weather.rain, spot, self.since)
