"""City buses: lines with stops, a timetable, and where each bus is at a time.

Stops are real places of Khon Kaen, their positions rounded; lines, headways and speeds are made
up. Between two stops a bus gathers speed and loses it again; straight lines stand for streets.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Final

from khaen.site.model import Position
from simulators.city.hours import Spot, position_of, spot_of

FIRST, LAST = 5.5, 22.0
"""Hours of the day between which buses run; each ends its last round at the first stop."""
SPEED: Final = 21.0
"""km/h, the mean between two stops."""
DWELL: Final = 25.0 / 3600
"""Hours at a stop."""
LAYOVER: Final = 8.0 / 60
"""Hours at either end, with the engine off."""
_WARM_UP: Final = 5.0 / 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A bus at a time: km/h, degrees from north."""

    spot: Spot
    speed: float
    heading: float
    ignition: bool

    @property
    def position(self) -> Position:
        """Where it is, for whoever receives its frames."""
        return position_of(self.spot)


@dataclass(frozen=True, kw_only=True)  # without slots: what is reckoned once is kept
class Line:
    """A line that `buses` run up and down, the same time apart."""

    name: str
    buses: int
    stops: tuple[Spot, ...]

    @cached_property
    def _departs(self) -> tuple[float, ...]:
        return _departures(self.stops)

    @cached_property
    def _departs_back(self) -> tuple[float, ...]:
        return _departures(self.stops[::-1])

    @property
    def one_way(self) -> float:
        """Hours from one end to the other."""
        return self._departs[-1] + math.dist(*self.stops[-2:]) / SPEED

    @property
    def headway(self) -> float:
        """Hours between two buses."""
        return 2.0 * (self.one_way + LAYOVER) / self.buses

    def bus(self, number: int, hours: float) -> Sight:
        """Where one of its buses is; at night all stand at the first stop."""
        hour = hours % 24.0
        there_and_back = 2.0 * (self.one_way + LAYOVER)
        begins = FIRST + number % self.buses * self.headway
        ends = begins + (LAST - begins) // there_and_back * there_and_back
        if not begins <= hour < ends:
            warm = begins - _WARM_UP <= hour < begins
            return Sight(spot=self.stops[0], speed=0.0, heading=0.0, ignition=warm)
        leg, passed = divmod(hour - begins, there_and_back / 2)
        return self._under_way(passed, back=int(leg) % 2 == 1)

    def _under_way(self, passed: float, *, back: bool) -> Sight:
        stops = self.stops[::-1] if back else self.stops
        departs = self._departs_back if back else self._departs
        stop = bisect_right(departs, passed) - 1
        here, there = stops[stop], stops[stop + 1]
        lasts = math.dist(here, there) / SPEED
        share = (passed - departs[stop]) / lasts
        heading = math.degrees(math.atan2(there[0] - here[0], there[1] - here[1])) % 360.0
        if share >= 1.0:  # at the stop, or at the end of the line
            end = stop == len(departs) - 1
            return Sight(spot=there, speed=0.0, heading=heading, ignition=not end)
        done = share - math.sin(2 * math.pi * share) / (2 * math.pi)
        return Sight(
            spot=Spot(
                here.east + (there.east - here.east) * done,
                here.north + (there.north - here.north) * done,
            ),
            speed=SPEED * (1.0 - math.cos(2 * math.pi * share)),
            heading=heading,
            ignition=True,
        )


def _departures(stops: tuple[Spot, ...]) -> tuple[float, ...]:
    """Hours after the start of a trip at which a bus leaves each stop but the last."""
    legs = (math.dist(a, b) / SPEED + DWELL for a, b in pairwise(stops))
    return tuple(accumulate(legs, initial=0.0))[:-1]


def _line(name: str, buses: int, *stops: tuple[float, float]) -> Line:
    return Line(
        name=name,
        buses=buses,
        stops=tuple(spot_of(Position(latitude=n, longitude=e)) for n, e in stops),
    )


LINES: Final = (
    _line(
        "airport",
        8,
        (16.4666, 102.7840),  # airport
        (16.4560, 102.8020),
        (16.4480, 102.8190),
        (16.4440, 102.8290),  # Sam Liam
        (16.4380, 102.8350),  # city hall
        (16.4331, 102.8255),  # CentralPlaza
        (16.4262, 102.8340),
        (16.4158, 102.8394),  # Bueng Kaen Nakhon
        (16.4030, 102.8110),  # bus terminal 3
    ),
    _line(
        "university",
        6,
        (16.4760, 102.8230),  # Khon Kaen University
        (16.4690, 102.8260),  # Srinagarind hospital
        (16.4600, 102.8300),
        (16.4520, 102.8330),
        (16.4440, 102.8350),
        (16.4331, 102.8255),  # CentralPlaza
        (16.4280, 102.8330),  # railway station
    ),
    _line(
        "chum phae",
        4,
        (16.5437, 102.0977),  # Chum Phae hospital
        (16.5415, 102.1015),
        (16.5400, 102.1050),  # market
        (16.5360, 102.1130),
        (16.5310, 102.1240),
    ),
)
