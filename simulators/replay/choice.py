"""Which records of a recording are replayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from khaen.capture import Record, Road
from khaen.ids import DevAddr, DevEui, GatewayEui
from simulators.frames import Frame, frames, rewrite
from simulators.frames import gateway as gateway_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Every condition that is set must hold. `families` are those of devices, as the site has them.

    `since` is in, `until` is out. A record with several frames keeps those that are chosen.
    """

    devices: frozenset[DevEui] = frozenset()
    gateways: frozenset[GatewayEui] = frozenset()
    families: frozenset[str] = frozenset()
    roads: frozenset[Road] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    family_of: Mapping[DevEui, str] | None = None
    device_of: Callable[[DevAddr], DevEui | None] = lambda _dev_addr: None
    """Whose address it is: gateway frames do not say their device."""

    def __call__(self, record: Record) -> Record | None:
        """The record, or what is chosen of it."""
        if self.since is not None and record.at < self.since:
            return None
        if self.until is not None and record.at >= self.until:
            return None
        if self.roads and record.road not in self.roads:
            return None
        if not self.devices and not self.families:
            return self._by_gateway(record)
        if not frames(record):
            return None
        return rewrite(record, lambda frame: frame if self._is_chosen(frame) else None)

    def _by_gateway(self, record: Record) -> Record | None:
        if not self.gateways:
            return record
        if not frames(record):
            return record if gateway_of(record) in self.gateways else None
        return rewrite(record, lambda frame: frame if frame.gateway_eui in self.gateways else None)

    def _is_chosen(self, frame: Frame) -> bool:
        if self.gateways and frame.gateway_eui not in self.gateways:
            return False
        device = frame.dev_eui
        if device is None and frame.dev_addr is not None:
            device = self.device_of(frame.dev_addr)
        if device is None or (self.devices and device not in self.devices):
            return False
        return not self.families or (self.family_of or {}).get(device) in self.families
