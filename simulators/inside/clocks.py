"""Clocks of a virtual world: the true one, and those of gateways, which may be wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.host import Host, KernelClock


@dataclass(frozen=True, slots=True)
class WorldClock:
    """The true time: the loop's, from `start` on."""

    loop: asyncio.AbstractEventLoop
    start: datetime

    def now(self) -> datetime:
        """The true time of day."""
        return self.start + timedelta(seconds=self.loop.time())

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self.loop.time()


@dataclass(slots=True)
class GatewayClock:
    """A machine's clock: `ahead` of the true one, and `known` to be true, or not."""

    true: WorldClock
    ahead: timedelta = timedelta()
    known: bool = True

    def now(self) -> datetime:
        """What the machine takes for the time of day."""
        return self.true.now() + self.ahead

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self.true.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualHost(Host):
    """One boot of a machine, begun at `booted` seconds."""

    clock: GatewayClock
    booted: float

    def boot_us(self) -> int:
        """Microseconds since the boot began."""
        return round((self.clock.monotonic() - self.booted) * 1e6)

    def kernel_clock(self) -> KernelClock:
        """Kept, as it believes, and then exactly."""
        return KernelClock(kept=self.clock.known, offset_ms=0.0, error_ms=0.0)

    def clock_keeper(self) -> str:
        """The one of Raspberry Pi OS."""
        return "timesyncd"

    def temperature(self) -> float | None:
        """A warm roof."""
        return 48.0

    def under_voltage(self) -> bool | None:
        """A good supply."""
        return False


def boot(name: str, number: int, clock: GatewayClock) -> VirtualHost:
    """The machine `name`, begun now for the `number`th time."""
    return VirtualHost(
        machine_id=f"simulated-{name}",
        boot_id=f"{name}-boot-{number}",
        clock=clock,
        booted=clock.monotonic(),
    )
