"""The stand-in network server in a virtual world: between the gateways' topics and ingest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

from chirpstack_api import integration

from khaen.clock import Clock
from khaen.ids import DevEui
from khaen.lorawan.join import SessionKeys
from khaen.mqtt import Connect, Handlers, Message, MqttSettings, Session
from khaen.site.model import Site
from simulators.application.names import identify, name_device
from simulators.mac import JoinKeys
from simulators.network.core import NetworkCore
from simulators.network.exchange import Exchange
from simulators.network.output import Event
from simulators.network.plan import Network

_CLIENT = "chirpstack"


class VirtualNetwork:
    """All gateways of a site, and the devices that have a session or keys to join, registered."""

    def __init__(
        self,
        site: Site,
        keys: Mapping[DevEui, SessionKeys],
        join_keys: Mapping[DevEui, JoinKeys],
        clock: Clock,
        connect: Connect,
        *,
        seed: int,
    ) -> None:
        network = Network(region=site.lorawan.topic_prefix, mac_commands=False)
        self.core = NetworkCore(clock, seed=f"{seed}|inside", network=network)
        self._exchange = Exchange(self.core)
        self._clock = clock
        self._changed = asyncio.Event()
        self.told: Counter[tuple[DevEui, str]] = Counter()
        """Events of each device that applications were told of, by kind."""
        for gateway in site.gateways:
            self.core.add_gateway(gateway.eui)
        for device in site.devices:
            info = integration.DeviceInfo(
                dev_eui=device.dev_eui,
                device_name=name_device(device.dev_eui),
                application_id=identify(site.site, "application", device.family),
            )
            if device.dev_addr is not None and device.dev_eui in keys:
                self.core.add_abp(info, device.dev_addr, keys[device.dev_eui])
            elif pair := join_keys.get(device.dev_eui):
                self.core.add_otaa(info, join_eui=pair.join_eui, app_key=pair.app_key)
        self._client = connect(
            MqttSettings(),
            Session(client_id=_CLIENT, subscriptions=self._exchange.subscriptions, window=1000),
            Handlers(message=self._receive),
        )

    def start(self) -> None:
        """Connect; after a stop it goes on with what it knew."""
        self._client.start()

    def stop(self) -> None:
        """Hear nothing any more."""
        self._client.stop()

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            self._changed.clear()
            out = self.core.step()
            events = (one for one in out if isinstance(one, Event))
            self.told.update((event.dev_eui, event.kind) for event in events)
            for topic, payload in self._exchange.render(out):
                self._client.publish(topic, payload)
            due = self.core.next_at()
            wait = None if due is None else max(0.0, due - self._clock.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    def _receive(self, message: Message) -> None:
        self._client.ack(message)
        self._exchange.take(message.topic, message.payload)
        self._changed.set()
