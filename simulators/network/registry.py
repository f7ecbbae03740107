"""Who is known to the network server: gateways, devices, and devices by their address."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chirpstack_api import common

from khaen.errors import KhaenError
from khaen.ids import DevAddr, DevEui, GatewayEui
from simulators.network.device import Device, Item, Session

MAX_QUEUE: Final = 1_000


class UnknownHere(KhaenError):
    """No such device is registered with the network server."""


@dataclass(slots=True, kw_only=True)
class Gateway:
    """A registered gateway; `seen_at` is when it last told of its state."""

    eui: GatewayEui
    location: common.Location
    seen_at: datetime | None = None


class Registry:
    """Gateways and devices. A device's session is set here only, so that its address finds it."""

    def __init__(self) -> None:
        self.gateways: dict[GatewayEui, Gateway] = {}
        self._devices: dict[DevEui, Device] = {}
        self._by_address: dict[DevAddr, list[Device]] = {}

    def put_gateway(self, eui: GatewayEui, location: common.Location | None = None) -> None:
        """Register a gateway, or move it."""
        at = location or common.Location()
        known = self.gateways.get(eui)
        seen_at = known.seen_at if known else None
        self.gateways[eui] = Gateway(eui=eui, location=at, seen_at=seen_at)

    def put(self, device: Device) -> None:
        """Register a device in place of any of the same DevEUI."""
        self.remove(device.dev_eui)
        self._devices[device.dev_eui] = device
        self.activate(device, device.session)

    def remove(self, dev_eui: DevEui) -> None:
        """Forget a device with all that it had; nothing if there is none."""
        device = self._devices.pop(dev_eui, None)
        if device is not None:
            self.activate(device, None)

    def activate(self, device: Device, session: Session | None) -> None:
        """Give a device a session in place of the one it has; None takes it away."""
        if device.session is not None:
            peers = self._by_address.get(device.session.dev_addr, [])
            kept = [peer for peer in peers if peer is not device]
            self._by_address[device.session.dev_addr] = kept
            if not kept:
                del self._by_address[device.session.dev_addr]
        device.session = session
        if session is not None:
            self._by_address.setdefault(session.dev_addr, []).append(device)

    def find(self, dev_eui: DevEui) -> Device | None:
        """The device, or None."""
        return self._devices.get(dev_eui)

    def at(self, dev_addr: DevAddr) -> Sequence[Device]:
        """The devices that have this address; several may."""
        return tuple(self._by_address.get(dev_addr, ()))

    def device(self, dev_eui: DevEui) -> Device:
        """The device. Raises UnknownHere."""
        device = self._devices.get(dev_eui)
        if device is None:
            raise UnknownHere(f"device {dev_eui} is not registered: add it first")
        return device

    def devices(self) -> Collection[Device]:
        """All devices, in the order in which they came."""
        return self._devices.values()

    def enqueue(self, dev_eui: DevEui, item: Item) -> None:
        """Put a downlink at the end of a device's queue.

        Raises UnknownHere; ValueError for port 0 or one above 255, an id that waits already, or a
        queue that holds `MAX_QUEUE` (ours: ChirpStack keeps it in a database).
        """
        device = self.device(dev_eui)
        if not 1 <= item.f_port <= 255:
            raise ValueError("FPort must be between 1 - 255")
        if any(other.id == item.id for other in device.queue):
            raise ValueError(f"queue item {item.id} exists already")
        if len(device.queue) >= MAX_QUEUE:
            raise ValueError(f"{MAX_QUEUE} queue items wait already: flush the queue")
        device.queue.append(item)

    def flush(self, dev_eui: DevEui, *, pending: bool = True) -> None:
        """Empty a device's queue; without `pending`, of what does not await an answer."""
        queue = self.device(dev_eui).queue
        kept = [item for item in queue if item.pending and not pending]
        queue.clear()
        queue.extend(kept)
