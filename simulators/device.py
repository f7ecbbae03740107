"""The words between a device and the air: what it says, a frame on the air, a call's repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from khaen.ids import DevEui
from khaen.lorawan.airtime import airtime
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.region import (
    DWELL_TIME,
    MAX_EIRP,
    THAI_CHANNELS,
    THAI_DUTY_CYCLE,
    DataRate,
)

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


class Device:
    """One device. `rng` is its own, so that what others do never changes its frames."""

    def __init__(
        self,
        *,
        dev_eui: DevEui,
        cipher: SessionCipher,
        data_rate: DataRate,
        rng: Random,
        eirp: float = float(MAX_EIRP),
        f_cnt: int = 0,
    ) -> None:
        self.dev_eui = dev_eui
        self.data_rate = data_rate
        self._cipher, self._rng, self._eirp = cipher, rng, eirp
        self._f_cnt = f_cnt
        self._free_at = 0.0
        self._channels = tuple(
            channel.frequency
            for channel in THAI_CHANNELS
            if channel.min_dr <= data_rate.index <= channel.max_dr
        )

    def send(self, message: Message, at: float) -> Transmission:
        """Put a message on the air at `at`, or when the last one is over, under the next counter.

        Raises ValueError for what does not fit into 400 ms of dwell time at the data rate.
        """
        if len(message.payload) > self.data_rate.max_payload_dwell:
            raise ValueError(
                f"{len(message.payload)} bytes do not fit at DR{self.data_rate.index}"
                f" within {DWELL_TIME * 1000:.0f} ms"
            )
        f_cnt, self._f_cnt = self._f_cnt, self._f_cnt + 1
        phy = self._cipher.seal_uplink(
            f_cnt=f_cnt,
            f_port=message.f_port,
            payload=message.payload,
            confirmed=message.confirmed,
            adr=True,
        )
        sent = Transmission(
            at=max(at, self._free_at),
            dev_eui=self.dev_eui,
            number=f_cnt,
            f_cnt=f_cnt,
            f_port=message.f_port,
            phy=phy,
            data_rate=self.data_rate,
            frequency=self._rng.choice(self._channels),
            eirp=self._eirp,
            airtime=airtime(len(phy), self.data_rate),
        )
        self._free_at = sent.ends
        return sent

    def quiet_time(self, transmission: Transmission) -> float:
        """How many seconds to stay off the air after a frame, by the Thai duty cycle of 1 %.

        The rule speaks of an hour; regular reports keep it frame by frame, calls within the hour.
        """
        return transmission.airtime / THAI_DUTY_CYCLE


def repeat_ages(rng: Random) -> Iterator[float]:
    """Yield the seconds after a press at which it is sent: at once, then until 180 s are over."""
    age = 0.0
    while age < CALL_SECONDS:
        yield age
        age += rng.uniform(*REPEAT_SECONDS)
