"""Chance that belongs to a time, not to who asked before: the same whenever it is asked."""

from __future__ import annotations

import math
from typing import Final

from simulators.chance import gauss, make_key

_LONGEST: Final = 3.0


class Noise:
    """A value that wanders: mean 0, standard deviation 1, within ±3, forgotten in about `hours`.

    Between knots `hours` apart it is a blend of two normal draws whose weights keep the variance.
    """

    __slots__ = ("_after", "_before", "_hours", "_key", "_knot")

    def __init__(self, name: str, hours: float) -> None:
        self._key, self._hours = make_key("noise", name), hours
        self._knot: int | None = None
        self._before = self._after = 0.0

    def at(self, hours: float) -> float:
        """The value at a time."""
        place = hours / self._hours
        knot = math.floor(place)
        if knot != self._knot:
            follows = self._knot is not None and knot == self._knot + 1
            self._before = self._after if follows else gauss(self._key, knot)
            self._after = gauss(self._key, knot + 1)
            self._knot = knot
        angle = (place - knot) * math.pi / 2
        blend = self._before * math.cos(angle) + self._after * math.sin(angle)
        return min(_LONGEST, max(-_LONGEST, blend))
