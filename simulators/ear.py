"""What a running simulation's devices were last heard of, and how many uplinks a second there are.

An uplink counts when a gateway heard it. Seconds are those of the traffic.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Final, NamedTuple

from khaen.ids import DevEui
from khaen.site.model import Site
from simulators.air.radio import Hearing
from simulators.devices.device import Transmission
from simulators.terminal.picture import DeviceLine
from simulators.traffic import Traffic

_WINDOW_S: Final = 10
_LATE: Final = 4.0
"""A device is silent when it was not heard for so many times its interval …"""
_LEAST_S: Final = 60.0
"""… and for so long at least."""


class _Last(NamedTuple):
    at: float
    gateways: int
    rssi: int
    snr: float


class Ear:
    """Listens to a site's traffic."""

    def __init__(self, site: Site, traffic: Traffic) -> None:
        self.frames = self.unheard = 0
        self._traffic = traffic
        self._names: dict[DevEui, tuple[str, str]] = {}
        self._patience: dict[DevEui, float] = {}
        for device in site.devices:
            try:
                interval = traffic.node(device.dev_eui).interval
            except KeyError:  # nobody knows how to simulate it
                continue
            self._names[device.dev_eui] = device.resident or device.dev_eui, device.family
            self._patience[device.dev_eui] = max(_LEAST_S, _LATE * interval)
        self._last: dict[DevEui, _Last] = {}
        self._seconds: deque[tuple[int, int]] = deque(maxlen=_WINDOW_S + 1)
        traffic.listen(self._hear)

    def _hear(self, sent: Transmission, hearings: tuple[Hearing, ...]) -> None:
        self.frames += 1
        if not hearings:
            self.unheard += 1
            return
        best = max(hearings, key=lambda hearing: (hearing.snr, hearing.rssi))
        self._last[sent.dev_eui] = _Last(sent.ends, len(hearings), best.rssi, best.snr)
        second = int(sent.ends)
        if self._seconds and self._seconds[-1][0] >= second:
            self._seconds[-1] = self._seconds[-1][0], self._seconds[-1][1] + 1
        else:
            self._seconds.append((second, 1))

    @property
    def count(self) -> int:
        """How many devices are simulated."""
        return len(self._names)

    def rate(self, now: float) -> float:
        """Uplinks a second in the last ten seconds, or since the start."""
        recent = sum(count for second, count in self._seconds if second >= now - _WINDOW_S)
        return recent / max(1.0, min(float(_WINDOW_S), now))

    def silent(self, now: float) -> int:
        """How many devices have not been heard for too long."""
        return sum(self._is_silent(dev_eui, now) for dev_eui in self._names)

    def devices(self, now: float, *, most: int) -> tuple[DeviceLine, ...]:
        """Those that were heard least lately first."""
        chosen = heapq.nsmallest(most, self._names, key=self._heard_at)
        return tuple(self._line(dev_eui, now) for dev_eui in chosen)

    def _heard_at(self, dev_eui: DevEui) -> float:
        last = self._last.get(dev_eui)
        return -1.0 if last is None else last.at

    def _is_silent(self, dev_eui: DevEui, now: float) -> bool:
        return now - max(0.0, self._heard_at(dev_eui)) > self._patience[dev_eui]

    def _line(self, dev_eui: DevEui, now: float) -> DeviceLine:
        name, family = self._names[dev_eui]
        last, silent = self._last.get(dev_eui), self._is_silent(dev_eui, now)
        if last is None:
            return DeviceLine(name=name, family=family, ago=None, silent=silent)
        return DeviceLine(
            name=name,
            family=family,
            ago=max(0.0, now - last.at),
            silent=silent,
            gateways=last.gateways,
            rssi=last.rssi,
            snr=last.snr,
        )
