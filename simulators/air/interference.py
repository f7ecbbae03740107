"""Frames that meet in the air: which one a receiver still understands.

A frame survives where, for each spreading factor, it is stronger than the sum of what overlaps by
the ratio below; an overlap counts by its share of the frame's time (the method of Magrin et al.,
"Performance evaluation of LoRa networks in a smart city scenario", ICC 2017).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

CAPTURE: Final = 6.0
"""dB between equal spreading factors: C. Goursaud and J.-M. Gorce, "Dedicated networks for IoT:
PHY/MAC state of the art and challenges", EAI Endorsed Transactions on IoT 1 (2015)."""

_SF: Final = range(7, 13)
# D. Croce et al., "Impact of LoRa imperfect orthogonality", IEEE Communications Letters 22 (2018):
# signal to interference in dB; a row for each own spreading factor, a column for the other's.
_CROCE: Final = (
    (CAPTURE, -8, -9, -9, -9, -9),
    (-11, CAPTURE, -11, -12, -13, -13),
    (-15, -13, CAPTURE, -13, -14, -15),
    (-19, -18, -17, CAPTURE, -17, -18),
    (-22, -22, -21, -20, CAPTURE, -20),
    (-25, -25, -25, -24, -23, CAPTURE),
)
REQUIRED_SIR: Final = {
    (own, other): float(_CROCE[own - 7][other - 7]) for own in _SF for other in _SF
}


def survives(
    power: float, spreading_factor: int, others: Iterable[tuple[float, int, float]]
) -> bool:
    """Whether a frame received with `power` dBm is understood beside others.

    Each other is its power in dBm, its spreading factor, and the share of this frame's time in
    which it was there, above 0 to 1.
    """
    energy: dict[int, float] = {}
    for other_power, other_sf, share in others:
        energy[other_sf] = energy.get(other_sf, 0.0) + share * 10 ** (other_power / 10)
    return all(
        power - 10 * math.log10(sum_) >= REQUIRED_SIR[spreading_factor, other_sf]
        for other_sf, sum_ in energy.items()
    )
