"""How much an outbox may keep, and for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Seconds that receipted records are held, and ordinary frames kept without receipt; bytes of
    the file, and of the file system that the file does not grow into.
    """

    hold_s: float
    quota: int
    keep_free: int
    max_age_s: float
