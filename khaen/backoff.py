"""Full-jitter backoff: waits grow to a cap and never march in step."""

from __future__ import annotations

import random


class Backoff:
    """Each `next()` is uniform in 0..min(cap, base·2ⁿ) seconds, and at least `floor`.

    Full jitter after M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015;
    the floor keeps a peer that accepts and drops at once from costing a core.
    """

    def __init__(
        self,
        *,
        base: float = 0.5,
        cap: float = 30.0,
        floor: float = 0.05,
        rng: random.Random | None = None,
    ) -> None:
        self._base, self._cap, self._floor = base, cap, floor
        self._rng = rng or random.Random()
        self._tries = 0

    def next(self) -> float:
        """How many seconds to wait before the next try."""
        ceiling = min(self._cap, self._base * 2.0**self._tries)
        self._tries = min(self._tries + 1, 32)
        return max(self._floor, self._rng.uniform(0.0, ceiling))

    def reset(self) -> None:
        """Begin again, after something went well for a while."""
        self._tries = 0
