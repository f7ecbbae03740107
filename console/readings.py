"""The newest readings of a subject, as a table: label, value with unit, age, whether to believe."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from console.house import Visit
from console.text import say
from console.view import Time, time
from khaen.ids import SubjectId
from khaen.quantity import QUANTITIES
from khaen.reading import Quality
from store import board

_STATES = frozenset({"worn", "motion", "light_on", "charging", "tilt", "ignition", "position_fix"})
"""Quantities that are 0 or 1, read as no or yes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table."""

    label: str
    value: str
    suspect: bool
    when: Time


def readings_of(visit: Visit, connection: Connection, subject: SubjectId) -> list[Line]:
    """The lines of a subject, newest first."""
    return [_line(visit, value) for value in board.newest_values(connection, subject)]


def _line(visit: Visit, found: board.Value) -> Line:
    known = QUANTITIES.get(found.quantity)
    if known is None:
        label, value = found.quantity, f"{found.value:g}"
    else:
        label = known.en if visit.language == "en" else known.th
        value = f"{found.value:,.{known.precision}f} {known.symbol}".strip()
    if found.quantity in _STATES and found.value in (0, 1):
        value = say(visit.language, "yes" if found.value else "no")
    return Line(
        label=f"{label} ({found.channel})" if found.channel else label,
        value=value,
        suspect=found.quality is Quality.SUSPECT,
        when=time(found.at, visit),
    )
