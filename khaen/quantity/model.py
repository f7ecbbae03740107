"""What an entry of the catalogue says."""

from __future__ import annotations

from dataclasses import dataclass

from khaen.reading import Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One entry: `precision` is the number of decimals a person sees."""

    id: str
    domain: str
    """The series' measurement."""
    unit: str
    """UCUM code; `1` for counts and states."""
    symbol: str
    """The unit as a person reads it."""
    precision: int
    low: float
    high: float
    th: str
    en: str
    reference: str
    personal: bool = False
    """Health data about a person: hidden from roles that may not see it."""

    def quality(self, value: float) -> Quality:
        """Good within the plausible range, else suspect (NaN is suspect)."""
        return Quality.GOOD if self.low <= value <= self.high else Quality.SUSPECT


Row = tuple[str, str, str, int, float, float, str, str, str]
"""Id, unit, symbol, precision, lowest, highest, Thai, English, reference."""


def entries(domain: str, *rows: Row, personal: bool = False) -> tuple[Quantity, ...]:
    """The entries of one domain."""
    return tuple(
        Quantity(
            id=name,
            domain=domain,
            unit=unit,
            symbol=symbol,
            precision=precision,
            low=low,
            high=high,
            th=th,
            en=en,
            reference=reference,
            personal=personal,
        )
        for name, unit, symbol, precision, low, high, th, en, reference in rows
    )


def state(name: str, th: str, en: str, reference: str) -> Row:
    """A row for what is so (1) or not (0)."""
    return (name, "1", "", 0, 0, 1, th, en, reference)
