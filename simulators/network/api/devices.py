"""ChirpStack's DeviceService: the devices themselves."""

from __future__ import annotations

from typing import Any

from chirpstack_api import api
from google.protobuf.empty_pb2 import Empty

from khaen.ids import DevEui
from simulators.network.api.activations import Activations
from simulators.network.api.keys import Keys
from simulators.network.api.queues import Queues
from simulators.network.api.refusals import internal, invalid, parse_eui, parse_id
from simulators.network.device import EXTERNAL, battery_percent

_NO_LEVEL = -1.0


class Devices(Keys, Activations, Queues, api.DeviceServiceServicer):  # type: ignore[misc]
    """Devices of applications, their keys, activations and queues."""

    async def Create(self, request: Any, _context: Any) -> Any:
        device = self._checked(request)
        tenant_id = self._tenant_of(device)
        limit = self._records.tenants.refer(tenant_id).max_device_count
        if limit and len(self._records.devices.find(self._is_of(tenant_id))) >= limit:
            raise invalid("Not allowed (Max number of devices exceeded for tenant)")
        self._records.devices.add(device.dev_eui, device)
        self._records.tell_device(device.dev_eui)
        return Empty()

    async def Get(self, request: Any, _context: Any) -> Any:
        row = self._records.devices.get(parse_eui(request.dev_eui))
        response = api.GetDeviceResponse(device=row.message)
        row.stamp(response)
        self._describe(row.message.dev_eui, response)
        return response

    async def Update(self, request: Any, _context: Any) -> Any:
        device = self._checked(request)
        self._tenant_of(device)
        self._records.devices.change(device.dev_eui, device)
        self._records.tell_device(device.dev_eui)
        return Empty()

    async def Delete(self, request: Any, _context: Any) -> Any:
        key = parse_eui(request.dev_eui)
        self._records.devices.get(key)
        self._records.remove_devices(dev_eui=key)
        return Empty()

    async def List(self, request: Any, _context: Any) -> Any:
        application = parse_id(request.application_id)
        profile = parse_id(request.device_profile_id) if request.device_profile_id else ""
        count, rows = self._records.devices.pick(
            request,
            lambda one: (
                one.application_id == application
                and profile in ("", one.device_profile_id)
                and all(one.tags.get(name) == value for name, value in request.tags.items())
            ),
        )
        response = api.ListDevicesResponse(total_count=count)
        for row in rows:
            one = row.message
            item = response.result.add(
                dev_eui=one.dev_eui,
                name=one.name,
                description=one.description,
                device_profile_id=one.device_profile_id,
                device_profile_name=self._records.profiles.refer(one.device_profile_id).name,
                tags=one.tags,
            )
            row.stamp(item)
            self._describe(one.dev_eui, item)
        return response

    def _describe(self, dev_eui: str, into: Any) -> None:
        """Write when the device was heard, and what it last said of its state."""
        device = self._records.core.registry.device(DevEui(dev_eui))
        if device.seen_at is not None:
            into.last_seen_at.FromDatetime(device.seen_at)
        if device.status is not None:
            level = battery_percent(device.status)
            into.device_status.margin = device.status.margin
            into.device_status.external_power_source = device.status.battery == EXTERNAL
            into.device_status.battery_level = _NO_LEVEL if level is None else level

    def _checked(self, request: Any) -> Any:
        if not request.HasField("device"):
            raise invalid("device is missing")
        device = request.device
        device.dev_eui = parse_eui(device.dev_eui)
        device.application_id = parse_id(device.application_id)
        device.device_profile_id = parse_id(device.device_profile_id)
        device.join_eui = parse_eui(device.join_eui)
        return device

    def _tenant_of(self, device: Any) -> str:
        """The tenant's id. Raises Refused where a device refers to nothing."""
        if device.application_id not in self._records.applications:
            raise internal("Record not found")
        self._records.profiles.refer(device.device_profile_id)
        application = self._records.applications.refer(device.application_id)
        return str(application.tenant_id)

    def _is_of(self, tenant_id: str) -> Any:
        return lambda device: self._tenant_of(device) == tenant_id
