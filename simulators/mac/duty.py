"""How much air a device may use: the law's 1 % of an hour, and what is kept back for calls."""

from __future__ import annotations

from typing import Final

from khaen.lorawan.region import THAI_DUTY_CYCLE

HOUR_S: Final = 3600.0
LAWFUL_S: Final = THAI_DUTY_CYCLE * HOUR_S
"""Seconds of an hour."""
REPORTS_S: Final = LAWFUL_S * 2 / 3
"""Of them, what regular reports may take; the rest is for two calls of 3 minutes at DR2."""
_SLOT_S: Final = 300.0
_SLOTS: Final = int(HOUR_S / _SLOT_S)
# L2 1.0.4, section 7: seconds of joining within the first hour, the ten after it, each day.
_JOINING: Final = ((HOUR_S, 36.0), (11 * HOUR_S, 36.0), (24 * HOUR_S, 8.7))


class DutyCycle:
    """Air time spent, in slots of five minutes: of the last hour never less than was spent."""

    __slots__ = ("_spent",)

    def __init__(self) -> None:
        self._spent: dict[int, float] = {}

    def free_at(self, at: float, airtime: float, budget: float) -> float:
        """When, from `at` on, `airtime` seconds may be sent within `budget` seconds an hour.

        The budget must hold the air time.
        """
        if sum(self._spent.values()) + airtime <= budget:  # mostly all that is known fits
            return at
        slot = int(at // _SLOT_S)
        while self._since(slot - _SLOTS) + airtime > budget:
            slot += 1
        return max(at, slot * _SLOT_S)

    def spend(self, at: float, airtime: float) -> None:
        """Note a frame."""
        slot = int(at // _SLOT_S)
        if slot not in self._spent:
            self._spent = {s: spent for s, spent in self._spent.items() if s >= slot - _SLOTS}
        self._spent[slot] = self._spent.get(slot, 0.0) + airtime

    def _since(self, slot: int) -> float:
        return sum(spent for s, spent in self._spent.items() if s >= slot)


class JoinBudget:
    """Air time for join requests since the device was switched on at `began`."""

    __slots__ = ("_began", "_period", "_spent")

    def __init__(self, began: float) -> None:
        self._began, self._period, self._spent = began, 0, 0.0

    def free_at(self, at: float, airtime: float) -> float:
        """When a request may go, from `at` on."""
        self._turn(at)
        if self._spent + airtime <= self._period_at(self._period)[1]:
            return at
        return self._began + self._period_at(self._period)[0]

    def spend(self, at: float, airtime: float) -> None:
        """Note a request."""
        self._turn(at)
        self._spent += airtime

    def _turn(self, at: float) -> None:
        while at >= self._began + self._period_at(self._period)[0]:
            self._period += 1
            self._spent = 0.0

    @staticmethod
    def _period_at(number: int) -> tuple[float, float]:
        """When a period ends, counted from the start, and what it allows."""
        if number < 2:
            return _JOINING[number]
        day, allowed = _JOINING[2]
        return _JOINING[1][0] + (number - 1) * day, allowed
