"""All devices of a site in simulated time: what each says when, the same for the same seed.

Seconds count from `start`. Devices that the site has and the simulator does not know stay silent;
`silent` names their families, so that whoever runs it can say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from khaen.ids import DevEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Device as SiteDevice
from khaen.site.model import Site
from simulators.agenda import Agenda
from simulators.city import SENSORS, Button, City, Reporter
from simulators.device import CALL_SECONDS, Device, Message, Transmission, repeat_ages
from simulators.payloads.milesight import Press
from simulators.payloads.wristband import Stage
from simulators.people import Elder
from simulators.radio import Hearing
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


Heard = Callable[[Transmission, tuple[Hearing, ...]], None]
"""Told of each frame when it is over, with what each gateway that demodulated it heard."""


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
        agenda: Agenda | None = None,
    ) -> None:
        self.start = start
        self.city = City(f"{seed}|city", start)
        self.agenda = Agenda() if agenda is None else agenda
        self.radio = make_radio(site.gateways, seed)
        self.silent: set[str] = set()
        self.residents: dict[str, DevEui] = {}
        self._pace = pace or Pace()
        self._seed = seed
        self._sent: Transmission | None = None
        self._heard: list[Heard] = []
        self._silenced = False
        self._nodes: dict[DevEui, Node] = {}
        for entry in site.devices:
            self._add(entry, keys.get(entry.dev_eui))

    # -- time ---------------------------------------------------------------

    @property
    def next_at(self) -> float:
        """When something happens next, in seconds from the start; infinity when never."""
        return self.agenda.next_at

    def step(self) -> Transmission | None:
        """Do what is due next; the frame that it put on the air, if any."""
        self._sent = None
        self.agenda.step()
        return self._sent

    def _at(self, at: float, perform: Callable[[float], object]) -> None:
        self.agenda.at(at, perform)

    # -- the air ------------------------------------------------------------

    def listen(self, heard: Heard) -> None:
        """Have `heard` told of each frame when it is over."""
        self._heard.append(heard)

    def silence(self) -> None:
        """Nothing is transmitted any more; what is on the air still arrives."""
        self._silenced = True

    def _transmit(self, node: Node, message: Message, now: float) -> Transmission | None:
        if self._silenced:
            return None
        sent = self._sent = node.device.send(message, now)
        self._at(sent.ends, lambda _now: self._arrive(sent))
        return sent

    def _arrive(self, sent: Transmission) -> None:
        hearings = self.radio.hear(sent)
        for tell in self._heard:
            tell(sent, hearings)

    # -- devices ------------------------------------------------------------

    def node(self, dev_eui: DevEui) -> Node:
        """A device that is simulated. Raises KeyError for another."""
        return self._nodes[dev_eui]

    def elder(self, resident: str) -> Elder:
        """A resident who wears a band of this site. Raises KeyError for another."""
        return _elder(self._nodes[self.residents[resident]])

    def hear_downlink(self, dev_eui: DevEui, f_port: int, payload: bytes, at: float) -> None:
        """Have a device take an application's downlink at `at`, without any radio.

        A model without `hear` ignores it. Raises KeyError for a device that is not simulated.
        """
        hear = getattr(self._nodes[dev_eui].model, "hear", None)
        if hear is not None:
            self._at(at, lambda now: hear(f_port, payload, self._time(now)))

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
                return self._transmit(node, elder.call(count, later - now), later)

            next(ages)
            return repeat(now)

        self._at(at, press)
        return node.device.dev_eui

    def fall(
        self, resident: str, at: float, *, cancel_s: float, then: Stage = Stage.STILL
    ) -> DevEui:
        """An elder falls at `at`: once `cancel_s` are over, her band says what became of her.

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
                stage = then if later - now >= cancel_s else Stage.IMPACT
                message = elder.fall_message(stage, count, later - now)
                return self._transmit(node, message, later)

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
        self._at(at, lambda now: self._transmit(node, button.press(how), now))

    def _after(
        self,
        ages: Iterator[float],
        at: float,
        repeat: Callable[[float], Transmission | None],
    ) -> None:
        age = next(ages, None)
        if age is not None:
            self._at(at + age, repeat)

    # -- construction -------------------------------------------------------

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
            sensor = SENSORS[entry.family](rng, self.city, entry.position)
            model, interval = sensor, self._pace.sensor
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

    def _report(self, node: Node, now: float) -> None:
        message: Message = node.model.report(self._time(now))
        sent = self._transmit(node, message, now)
        if sent is None:
            return
        wait = max(node.interval * node.rng.uniform(*_JITTER), node.device.quiet_time(sent))
        self._at(now + wait, lambda at: self._report(node, at))

    def _time(self, at: float) -> datetime:
        return self.start + timedelta(seconds=at)


def _elder(node: Node) -> Elder:
    if not isinstance(node.model, Elder):
        raise KeyError(node.device.dev_eui)
    return node.model
