"""Adaptive data rate as ChirpStack's default algorithm does it (chirpstack, adr/default.rs)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from simulators.network.link import HISTORY, Sample

_STEP_DB: Final = 3.0
# Losses below 5, 10 and 30 %, and above; by the repeats there are now, 1 to 3.
_REPEATS: Final = ((5.0, (1, 1, 2)), (10.0, (1, 2, 3)), (30.0, (2, 3, 3)))
_REPEATS_BEYOND: Final = (3, 3, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What ADR sets: data rate, power index (higher is weaker), transmissions of each uplink."""

    dr: int
    tx_power: int
    nb_trans: int


def required_snr(spreading_factor: int) -> float:
    """The signal to noise ratio in dB that a LoRa receiver needs (SX1276 data sheet, table 13)."""
    return -5.0 - 2.5 * (spreading_factor - 6)


def adapt(
    now: Rates,
    history: Sequence[Sample],
    *,
    required: float,
    margin: float,
    max_dr: int,
    max_tx_power: int,
) -> Rates:
    """The rates that suit what was heard; `required` and `margin` in dB.

    What is heard better than needed goes faster, then weaker, 3 dB at a time. Power comes back
    only when all of the history was sent with the present one, lest it swing.
    """
    rates = replace(
        now, dr=min(now.dr, max_dr), nb_trans=_repeats(now.nb_trans, _loss_percent(history))
    )
    best = max((heard.snr for heard in history), default=-999.0)
    steps = int((best - required - margin) / _STEP_DB)
    same = sum(heard.tx_power == now.tx_power for heard in history)
    if steps < 0 and same != HISTORY:
        return rates
    for _ in range(abs(steps)):
        if steps < 0:
            rates = replace(rates, tx_power=max(rates.tx_power - 1, 0))
        elif rates.dr < max_dr:
            rates = replace(rates, dr=rates.dr + 1)
        elif rates.tx_power < max_tx_power:
            rates = replace(rates, tx_power=rates.tx_power + 1)
    return rates


def _loss_percent(history: Sequence[Sample]) -> float:
    """The share of uplinks that nobody heard, once there is a whole history."""
    if len(history) < HISTORY:
        return 0.0
    lost = history[-1].f_cnt - history[0].f_cnt + 1 - len(history)
    return 100.0 * lost / len(history)


def _repeats(now: int, loss: float) -> int:
    index = min(max(now, 1), 3) - 1
    for below, row in _REPEATS:
        if loss < below:
            return row[index]
    return _REPEATS_BEYOND[index]
