"""The words between a device and the air: what it says, a frame on the air, a call's repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from khaen.ids import DevEui
from khaen.lorawan.region import DataRate

REPEAT_SECONDS: Final = (10.0, 15.0)
"""docs/wristband-payload.md: a call is repeated at a random moment of this span."""
CALL_SECONDS: Final = 180.0
"""docs/wristband-payload.md: so long, unless it is acknowledged before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What an application has to say."""

    f_port: int
    payload: bytes
    confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmission:
    """One frame on the air: begun at `at` seconds of the simulation, `airtime` seconds long.

    `number` counts the device's transmissions, repeats included. A join request has the counter 0
    and no port, a frame of MAC commands alone no port or 0. `frequency` in Hz, `eirp` in dBm.
    """

    at: float
    dev_eui: DevEui
    number: int
    f_cnt: int
    f_port: int | None
    phy: bytes
    data_rate: DataRate
    frequency: int
    eirp: float
    airtime: float

    @property
    def ends(self) -> float:
        """When a gateway has all of it."""
        return self.at + self.airtime


def repeat_ages(rng: Random) -> Iterator[float]:
    """Yield the seconds after a press at which it is sent: at once, then until 180 s are over."""
    age = 0.0
    while age < CALL_SECONDS:
        yield age
        age += rng.uniform(*REPEAT_SECONDS)
