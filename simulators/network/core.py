"""The network server itself, without input or output: frames in, events and downlinks out.

It does as ChirpStack 4 does: copies within 200 ms are one uplink, counters are strict, a downlink
counts when a gateway said that it was sent. The caller moves the clock and calls `step` at
`next_at`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Final

from chirpstack_api import common, gw, integration

from khaen.clock import Clock
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan.frame import DataFrame, FrameError, JoinRequest, parse
from khaen.lorawan.join import SessionKeys
from simulators.network.device import Device, Item, Profile, session_of
from simulators.network.downlinks import Downlinks
from simulators.network.events import Events
from simulators.network.heard import Heard, is_plausible
from simulators.network.joins import Joins
from simulators.network.output import Downlink, Event
from simulators.network.plan import Network
from simulators.network.registry import Registry
from simulators.network.uplinks import Uplinks

DEDUPLICATION_S: Final = 0.2
"""Copies within this time are one uplink; those within as much again are lost, as ChirpStack's lock
lives twice as long (uplink/mod.rs)."""
_MAX_SETS: Final = 10_000
_MAX_COPIES: Final = 100
_TICK: Final = 1e-6
"""Seconds: clocks here tell no less (khaen/clock.py), so that what is due then is due now."""


class NetworkCore:
    """A network server of one region. All ids and addresses come from `seed`."""

    def __init__(self, clock: Clock, *, seed: str, network: Network | None = None) -> None:
        self.network = network or Network()
        self.registry = Registry()
        self._clock = clock
        self.events = Events(clock, Random(f"{seed}|network server"))
        self._downlinks = Downlinks(self.network, self.events)
        self.joins = Joins(self.network, self.registry, self.events, self._downlinks)
        self._uplinks = Uplinks(self.network, self.registry, self.events, self._downlinks, self._at)
        self._sets: dict[bytes, Heard | None] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    # -- who is known ---------------------------------------------------------

    def add_gateway(self, gateway: GatewayEui, location: common.Location | None = None) -> None:
        """Register a gateway; frames of others are not heard."""
        self.registry.put_gateway(gateway, location)

    def add_otaa(
        self,
        info: integration.DeviceInfo,
        *,
        join_eui: str,
        app_key: bytes,
        profile: Profile | None = None,
    ) -> None:
        """Register a device that joins; `info.dev_eui` is 16 lower-case hex digits."""
        self.registry.put(
            Device(
                dev_eui=DevEui(info.dev_eui),
                info=info,
                profile=profile or Profile(),
                join_eui=join_eui,
                app_key=app_key,
            )
        )

    def add_abp(
        self,
        info: integration.DeviceInfo,
        dev_addr: DevAddr,
        keys: SessionKeys,
        *,
        profile: Profile | None = None,
    ) -> None:
        """Register a device with a session of its own."""
        self.registry.put(
            Device(
                dev_eui=DevEui(info.dev_eui),
                info=info,
                profile=profile or Profile(otaa=False),
                session=session_of(dev_addr, keys),
            )
        )

    def enqueue(self, dev_eui: DevEui, item: Item) -> None:
        """Put a downlink at the end of a device's queue.

        Raises UnknownHere; ValueError for port 0 or one above 255.
        """
        self.registry.enqueue(dev_eui, item)

    # -- what gateways say ----------------------------------------------------

    def take_uplink(self, frame: gw.UplinkFrame) -> None:
        """A gateway heard a frame. Never raises: what is no frame of ours is dropped."""
        gateway = self.registry.gateways.get(GatewayEui(frame.rx_info.gateway_id))
        if gateway is None or not is_plausible(frame, self.network):
            return
        key = frame.tx_info.SerializeToString(deterministic=True) + frame.phy_payload
        copy = gw.UplinkRxInfo()
        copy.CopyFrom(frame.rx_info)
        copy.ns_time.FromDatetime(self._clock.now())
        if not copy.HasField("location"):
            copy.location.CopyFrom(gateway.location)
        if key in self._sets:
            kept = self._sets[key]
            if kept is not None and len(kept.receptions) < _MAX_COPIES:
                kept.receptions.append(copy)
        elif len(self._sets) < _MAX_SETS:
            self._sets[key] = Heard(id=self.events.new_id(), frame=frame, receptions=[copy])
            self._at(DEDUPLICATION_S, lambda: self._close(key))

    def take_stats(self, stats: gw.GatewayStats) -> None:
        """A gateway tells of its state: it was seen, perhaps elsewhere."""
        gateway = self.registry.gateways.get(GatewayEui(stats.gateway_id))
        if gateway is None:
            return
        gateway.seen_at = self._clock.now()
        at = stats.location
        if at.latitude or at.longitude or at.altitude:
            gateway.location.CopyFrom(at)

    def take_tx_ack(self, ack: gw.DownlinkTxAck) -> None:
        """A gateway says whether it sent a downlink; of one that nobody awaits, nothing."""
        self._downlinks.take_tx_ack(ack)

    # -- time -----------------------------------------------------------------

    def next_at(self) -> float | None:
        """The monotonic time of the next work, None while there is none."""
        if self.events.waiting:
            return self._clock.monotonic()
        return self._due[0][0] if self._due else None

    def step(self) -> tuple[Event | Downlink, ...]:
        """Do what is due by now; what is to be published, in order."""
        while self._due and self._due[0][0] <= self._clock.monotonic() + _TICK:
            heapq.heappop(self._due)[2]()
        return self.events.take()

    def _at(self, seconds: float, work: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (self._clock.monotonic() + seconds, self._count, work))

    def _close(self, key: bytes) -> None:
        """The copies of an uplink are together."""
        heard = self._sets[key]
        if heard is None:
            del self._sets[key]
            return
        self._sets[key] = None
        self._at(DEDUPLICATION_S, lambda: self._close(key))
        try:
            frame = parse(heard.frame.phy_payload)
        except FrameError:
            return
        if isinstance(frame, JoinRequest):
            self.joins.take(heard, frame)
        elif isinstance(frame, DataFrame) and frame.uplink:
            self._uplinks.take(heard, frame)
