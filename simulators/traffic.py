"""All devices of a site in simulated time: what each says when, the same for the same seed.

Seconds count from `start`. Devices that the site has and the simulator does not know stay silent;
`silent` names their families, so that whoever runs it can say so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.join import SessionKeys
from khaen.lorawan.region import THAI_CHANNELS
from khaen.site.model import Device as SiteDevice
from khaen.site.model import Position, Site
from simulators.agenda import Agenda
from simulators.air.radio import Flight, Hearing
from simulators.chance import make_key, uniform
from simulators.city import SENSORS, Button, City, Reporter
from simulators.devices import calls
from simulators.devices.device import Transmission
from simulators.devices.node import Node
from simulators.gateways.gateway import Gateway, Packet
from simulators.mac import JoinKeys, Mac, Memory, Settings
from simulators.mac.machine import CONFIRMED_TRIES
from simulators.payloads.milesight import Press
from simulators.payloads.wristband import Stage
from simulators.people import Elder
from simulators.sites.demonstration import WRISTBAND, eirp_of, make_radio

FIRST_WITHIN_S: Final = 8.0
_LONGEST_DELAY_S: Final = 17.0
"""After an uplink's end: RX2 at RXTimingSetupReq's longest delay, and some."""
_BAND_TRIES: Final = 1
"""docs/wristband-payload.md: a band repeats a call under a new counter, never under an old one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between regular reports: far less than in a real site, so that a screen lives.

    The duty cycle of the law still holds: a slow device reports less often than this. Every device
    speaks, or asks to join, for the first time within `first` seconds.
    """

    wristband: float = 12.0
    sensor: float = 20.0
    first: float = FIRST_WITHIN_S


Heard = Callable[[Transmission, tuple[Hearing, ...]], None]
"""Told of each frame when it is over, with what each gateway that demodulated it heard."""


class Traffic:
    """What is on the air of a site. Not thread-safe; nothing happens but by its agenda.

    `keys` are those of devices with a DevAddr, `join_keys` those of devices that join;
    `memories` is what an earlier run left in the devices.
    """

    def __init__(
        self,
        site: Site,
        keys: Mapping[DevEui, SessionKeys],
        *,
        seed: int,
        start: datetime,
        pace: Pace | None = None,
        agenda: Agenda | None = None,
        join_keys: Mapping[DevEui, JoinKeys] | None = None,
        memories: Mapping[DevEui, Memory] | None = None,
        make_mac: type[Mac] = Mac,
    ) -> None:
        self.start = start
        self.city = City(f"{seed}|city", start)
        self.agenda = Agenda() if agenda is None else agenda
        self.radio = make_radio(site.gateways, seed)
        self.silent: set[str] = set()
        self.silenced = False
        self.flying = 0
        """Frames on the air."""
        self.residents: dict[str, DevEui] = {}
        self.gateways = {
            gateway.eui: Gateway(gateway.eui, gateway.position, self._emit)
            for gateway in site.gateways
            if gateway.position is not None
        }
        self._pace = pace or Pace()
        self._seed = seed
        self._adaptive = site.lorawan.network_server
        self._memories, self._make_mac = dict(memories or {}), make_mac
        self._sent: Transmission | None = None
        self._heard: list[Heard] = []
        self._ended: deque[tuple[float, Node]] = deque()
        self._emitted = 0
        self._nodes: dict[DevEui, Node] = {}
        for entry in site.devices:
            self._add(entry, keys.get(entry.dev_eui), (join_keys or {}).get(entry.dev_eui))

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

    def time(self, at: float) -> datetime:
        """The time of day at so many seconds."""
        return self.start + timedelta(seconds=at)

    # -- the air ------------------------------------------------------------

    def listen(self, heard: Heard) -> None:
        """Have `heard` told of each frame when it is over."""
        self._heard.append(heard)

    def silence(self) -> None:
        """Nothing is transmitted any more; what is on the air still arrives."""
        self.silenced = True

    def transmit(self, node: Node, sent: Transmission) -> None:
        """Put a device's frame on the air; it arrives when it is over."""
        self._sent = sent
        self.flying += 1
        self.agenda.at(sent.ends, partial(self._arrive, node, self.radio.begin(sent)))

    def _arrive(self, node: Node, flight: Flight, now: float) -> None:
        while self._ended and self._ended[0][0] < now - _LONGEST_DELAY_S:
            self._ended.popleft()
        self._ended.append((now, node))
        hearings = self.radio.end(flight)
        self.flying -= 1
        for tell in self._heard:
            tell(flight.sent, hearings)

    def _emit(self, gateway: GatewayEui, packet: Packet) -> None:
        """A gateway will transmit: devices with an open window hear it then, if it reaches them."""
        self.agenda.at(packet.at, partial(self._send_down, gateway, packet))

    def _send_down(self, gateway: GatewayEui, packet: Packet, now: float) -> None:
        self._emitted += 1
        ends = now + packet.airtime
        self.radio.transmit(gateway, now, ends)
        rate = packet.data_rate
        for _, node in self._ended:
            if node.mac.listens(now, packet.frequency, rate.index):
                snr = self.radio.reach(gateway, node.dev_eui, packet.power, rate, self._emitted)
                if snr is not None:
                    node.mac.catch(ends)
                    self.agenda.at(ends, partial(node.hear, packet.phy, snr))

    # -- devices ------------------------------------------------------------

    def node(self, dev_eui: DevEui) -> Node:
        """A device that is simulated. Raises KeyError for another."""
        return self._nodes[dev_eui]

    def elder(self, resident: str) -> Elder:
        """A resident who wears a band of this site. Raises KeyError for another."""
        return _elder(self._nodes[self.residents[resident]])

    def move(self, dev_eui: DevEui, position: Position) -> None:
        """A device is somewhere else from now on. Raises KeyError for one not simulated."""
        self.radio.place(self._nodes[dev_eui].dev_eui, position)

    def hear_downlink(self, dev_eui: DevEui, f_port: int, payload: bytes, at: float) -> None:
        """Have a device take an application's downlink at `at`, without any radio.

        A model without `hear` ignores it. Raises KeyError for a device that is not simulated.
        """
        self.agenda.at(at, partial(self._nodes[dev_eui].tell, f_port, payload))

    def memories(self) -> dict[DevEui, Memory]:
        """What each device keeps in flash: give it to the next run, and no counter goes back."""
        return {dev_eui: node.mac.memory for dev_eui, node in self._nodes.items()}

    # -- acts ---------------------------------------------------------------

    def press(self, resident: str, at: float, *, again: bool = False) -> DevEui:
        """An elder presses for help at `at`; repeated until acknowledged or 3 minutes are over.

        `again`: only if nobody has answered her since she pressed. Raises KeyError for a resident
        without a wristband of this site.
        """
        node = self._nodes[self.residents[resident]]
        self.agenda.at(at, partial(calls.press, node, _elder(node), again=again))
        return node.dev_eui

    def fall(
        self, resident: str, at: float, *, cancel_s: float, then: Stage = Stage.STILL
    ) -> DevEui:
        """An elder falls at `at`: once `cancel_s` are over, her band says what became of her.

        Raises KeyError for a resident without a wristband of this site.
        """
        node = self._nodes[self.residents[resident]]
        self.agenda.at(at, partial(calls.fall, node, _elder(node), cancel_s=cancel_s, then=then))
        return node.dev_eui

    def press_button(self, dev_eui: DevEui, at: float, how: Press = Press.LONG) -> None:
        """Somebody presses a button of the city. Raises KeyError for what is none."""
        node = self._nodes[dev_eui]
        button = node.model
        if not isinstance(button, Button):
            raise KeyError(dev_eui)
        self.agenda.at(at, lambda now: node.send(button.press(how), now))

    # -- construction -------------------------------------------------------

    def _add(self, entry: SiteDevice, keys: SessionKeys | None, join_keys: JoinKeys | None) -> None:
        rng, home = Random(f"{self._seed}|device|{entry.dev_eui}"), entry.position
        model = self._model(entry, rng) if home is not None else None
        mac = self._mac(entry, keys, join_keys) if model is not None else None
        if home is None or model is None or mac is None:
            self.silent.add(entry.family)
            return
        band = entry.family == WRISTBAND
        if band and entry.resident is not None:
            self.residents[entry.resident] = entry.dev_eui
        interval = self._pace.wristband if band else self._pace.sensor
        node = self._nodes[entry.dev_eui] = Node(
            self, mac, model, home=home, interval=interval, rng=rng
        )
        node.start(self._pace.first)

    def _model(self, entry: SiteDevice, rng: Random) -> Reporter | None:
        if entry.family == WRISTBAND:
            return Elder(rng, self.start)
        if entry.family in SENSORS and entry.position is not None:
            return SENSORS[entry.family](rng, self.city, entry.position)
        return None

    def _mac(
        self, entry: SiteDevice, keys: SessionKeys | None, join_keys: JoinKeys | None
    ) -> Mac | None:
        cipher = None
        if entry.dev_addr is not None and keys is not None:
            cipher = SessionCipher(
                dev_addr=entry.dev_addr, nwk_s_key=keys.nwk_s_key, app_s_key=keys.app_s_key
            )
        elif join_keys is None:
            return None
        assert entry.position is not None
        eirp = eirp_of(entry)
        self.radio.place(entry.dev_eui, entry.position)
        rate = self.radio.choose_data_rate(entry.dev_eui, eirp).index
        key = make_key(self._seed, "mac", entry.dev_eui)
        return self._make_mac(
            dev_eui=entry.dev_eui,
            settings=Settings.with_channels(rate, THAI_CHANNELS)
            if cipher
            else Settings(data_rate=rate),
            key=key,
            cipher=cipher,
            join_keys=None if cipher else join_keys,
            memory=self._memories.get(entry.dev_eui),
            eirp=eirp,
            adaptive=self._adaptive,
            tries=_BAND_TRIES if entry.family == WRISTBAND else CONFIRMED_TRIES,
            began=0.0 if cipher else self._pace.first * uniform(key, 0),
        )


def _elder(node: Node) -> Elder:
    if not isinstance(node.model, Elder):
        raise KeyError(node.dev_eui)
    return node.model
