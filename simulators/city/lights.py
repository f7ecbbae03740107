"""Street lights: a cabinet's lines, switched by the dusk; lamps fail and are mended."""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Final

from simulators.city import sun
from simulators.city.hours import day_of
from simulators.city.power import Register

LINES: Final = 8
SWITCHING: Final = -3.0
"""Degrees of the sun at which the cabinet switches: well into dusk."""
_LAMPS: Final = 6
_WATTS: Final = 36.0
"""Of one LED lamp."""
_SPELL: Final = 30
"""Days within which a line has at most one fault."""
_LINE_FAILS: Final = 0.01
_LAMP_FAILS: Final = 0.10
_MENDED: Final = (2, 9)
"""Days that a fault lasts."""


class Cabinet:
    """Eight lines of lamps; what fails, and when, follows the seed."""

    factor = 0.94

    def __init__(self, seed: str, since: int) -> None:
        self._seed = seed
        self._register = Register(since, lambda day: self._lit(day, 24.0) * self._watts(day))
        self._fault = lru_cache(maxsize=2 * LINES)(self._draw)

    def lines(self, hours: float) -> int:
        """Which lines are lit, one bit each."""
        if not self._dark(hours):
            return 0
        day = day_of(hours)
        return sum(1 << line for line in range(LINES) if self._lamps(line, day))

    def power(self, hours: float) -> float:
        """W."""
        return self._watts(day_of(hours)) if self._dark(hours) else 0.0

    def energy(self, hours: float) -> float:
        """Wh since the counter began."""
        day = day_of(hours)
        return self._register.before(day) + self._lit(day, hours - 24.0 * day) * self._watts(day)

    def _dark(self, hours: float) -> bool:
        day = day_of(hours)
        off, on = sun.light(day, SWITCHING)
        return not off <= hours - 24.0 * day < on

    def _lit(self, day: int, until: float) -> float:
        """Hours of a day that the lamps are lit, until an hour of it."""
        off, on = sun.light(day, SWITCHING)
        return min(until, off) + max(0.0, until - on)

    def _watts(self, day: int) -> float:
        return _WATTS * sum(self._lamps(line, day) for line in range(LINES))

    def _lamps(self, line: int, day: int) -> int:
        """How many lamps of a line work."""
        begins, ends, left = self._fault(line, day // _SPELL)
        return left if begins <= day < ends else _LAMPS

    def _draw(self, line: int, spell: int) -> tuple[int, int, int]:
        """From which day until which other how many lamps are left."""
        rng = Random(f"{self._seed}|lamp|{line}|{spell}")
        chance = rng.random()
        if chance >= _LINE_FAILS + _LAMP_FAILS:
            return 0, 0, _LAMPS
        begins = spell * _SPELL + rng.randrange(_SPELL - _MENDED[1])
        return begins, begins + rng.randint(*_MENDED), 0 if chance < _LINE_FAILS else _LAMPS - 1
