"""All devices of a site in simulated time: what each says when, the same for the same seed.

Seconds count from `start`. Devices that the site has and the simulator does not know stay silent;
`silent` names their families, so that whoever runs it can say so.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final

from khaen.ids import DevEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Device as SiteDevice
from khaen.site.model import Site
from simulators.city import SENSORS, Button, Reporter
from simulators.device import CALL_SECONDS, Device, Message, Transmission, repeat_ages
from simulators.payloads.milesight import Press
from simulators.payloads.wristband import Stage
from simulators.people import Elder
from simulators.site import WRISTBAND, eirp_of, make_radio

FIRST_WITHIN_S: Final = 8.0
"""Every device is heard for the first time within so many seconds."""

_JITTER: Final = (0.7, 1.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between regular reports: far less than in a real site, so that a screen lives.

    The duty cycle of the law still holds: a slow device reports less often than this.
    """

    wristband: float = 12.0
    sensor: float = 20.0


@dataclass(slots=True, kw_only=True)
class Node:
    """One device with what it measures; `call` and `fall` number what it is repeating."""

    device: Device
    model: Reporter
    interval: float
    rng: Random
    call: int = 0
    fall: int = 0


@dataclass(order=True, slots=True)
class _Due:
    at: float
    order: int
    perform: Callable[[float], Transmission | None] = field(compare=False)


class Traffic:
    """What is on the air of a site. Not thread-safe; nothing happens but by `step`."""

    def __init__(
        self,
        site: Site,
        keys: Mapping[DevEui, SessionKeys],
        *,
        seed: int,
        start: datetime,
        pace: Pace | None = None,
    ) -> None:
        self.start = start
        self.radio = make_radio(site.gateways, seed)
        self.silent: set[str] = set()
        self.residents: dict[str, DevEui] = {}
        self._pace = pace or Pace()
        self._seed = seed
        self._queue: list[_Due] = []
        self._order = itertools.count()
        self._nodes: dict[DevEui, Node] = {}
        for entry in site.devices:
            self._add(entry, keys.get(entry.dev_eui))

    # -- time ---------------------------------------------------------------

    @property
    def next_at(self) -> float:
        """When something happens next, in seconds from the start; infinity when never."""
        return self._queue[0].at if self._queue else float("inf")

    def step(self) -> Transmission | None:
        """Do what is due next; the frame that it put on the air, if any."""
        due = heapq.heappop(self._queue)
        return due.perform(due.at)

    def _at(self, at: float, perform: Callable[[float], Transmission | None]) -> None:
        heapq.heappush(self._queue, _Due(at, next(self._order), perform))

    # -- acts ---------------------------------------------------------------

    def press(self, resident: str, at: float) -> DevEui:
        """An elder presses for help at `at`; repeated until acknowledged or 3 minutes are over.

        Raises KeyError for a resident without a wristband of this site.
        """
        node = self._nodes[self.residents[resident]]
        elder = _elder(node)

        def press(now: float) -> Transmission | None:
            node.call += 1
            call, count, ages = node.call, elder.press(), repeat_ages(node.rng)

            def repeat(later: float) -> Transmission | None:
                if node.call != call:
                    return None  # a new press ends the repeats of the earlier one
                self._after(ages, now, repeat)
                return node.device.send(elder.call(count, later - now), later)

            next(ages)
            return repeat(now)

        self._at(at, press)
        return node.device.dev_eui

    def fall(self, resident: str, at: float, *, cancel_s: float) -> DevEui:
        """An elder falls at `at` and stays down: her band says so once `cancel_s` are over.

        Raises KeyError for a resident without a wristband of this site.
        """
        node = self._nodes[self.residents[resident]]
        elder = _elder(node)

        def fall(now: float) -> Transmission | None:
            node.fall += 1
            number, count = node.fall, elder.fall(self._time(now))
            # A change of the stage goes out at once, besides the repeats.
            change = min(cancel_s, CALL_SECONDS)
            ages = iter(sorted({*repeat_ages(node.rng), change}))

            def repeat(later: float) -> Transmission | None:
                if node.fall != number:
                    return None
                self._after(ages, now, repeat)
                stage = Stage.STILL if later - now >= cancel_s else Stage.IMPACT
                message = elder.fall_message(stage, count, later - now)
                return node.device.send(message, later)

            next(ages)
            return repeat(now)

        self._at(at, fall)
        return node.device.dev_eui

    def press_button(self, dev_eui: DevEui, at: float, how: Press = Press.LONG) -> None:
        """Somebody presses a button of the city. Raises KeyError for what is none."""
        node = self._nodes[dev_eui]
        button = node.model
        if not isinstance(button, Button):
            raise KeyError(dev_eui)
        self._at(at, lambda now: node.device.send(button.press(how), now))

    def _after(
        self,
        ages: Iterator[float],
        at: float,
        repeat: Callable[[float], Transmission | None],
    ) -> None:
        age = next(ages, None)
        if age is not None:
            self._at(at + age, repeat)

    # -- devices ------------------------------------------------------------

    def _add(self, entry: SiteDevice, keys: SessionKeys | None) -> None:
        if entry.dev_addr is None or keys is None or entry.position is None:
            self.silent.add(entry.family)
            return
        rng = Random(f"{self._seed}|device|{entry.dev_eui}")
        model: Reporter
        if entry.family == WRISTBAND:
            model, interval = Elder(rng, self.start), self._pace.wristband
            if entry.resident is not None:
                self.residents[entry.resident] = entry.dev_eui
        elif entry.family in SENSORS:
            model, interval = SENSORS[entry.family](rng), self._pace.sensor
        else:
            self.silent.add(entry.family)
            return
        eirp = eirp_of(entry)
        self.radio.place(entry.dev_eui, entry.position)
        cipher = SessionCipher(
            dev_addr=entry.dev_addr, nwk_s_key=keys.nwk_s_key, app_s_key=keys.app_s_key
        )
        node = Node(
            device=Device(
                dev_eui=entry.dev_eui,
                cipher=cipher,
                data_rate=self.radio.choose_data_rate(entry.dev_eui, eirp),
                rng=rng,
                eirp=eirp,
            ),
            model=model,
            interval=interval,
            rng=rng,
        )
        self._nodes[entry.dev_eui] = node
        self._at(rng.uniform(0.0, FIRST_WITHIN_S), lambda now: self._report(node, now))

    def _report(self, node: Node, now: float) -> Transmission:
        message: Message = node.model.report(self._time(now))
        sent = node.device.send(message, now)
        wait = max(node.interval * node.rng.uniform(*_JITTER), node.device.quiet_time(sent))
        self._at(now + wait, lambda at: self._report(node, at))
        return sent

    def _time(self, at: float) -> datetime:
        return self.start + timedelta(seconds=at)


def _elder(node: Node) -> Elder:
    if not isinstance(node.model, Elder):
        raise KeyError(node.device.dev_eui)
    return node.model
