"""All that the API administers, and what of it the core must know."""

from __future__ import annotations

from typing import Any

from chirpstack_api import api, common, integration

from khaen.clock import Clock
from khaen.ids import DevEui, GatewayEui
from simulators.network.api.tables import Table
from simulators.network.core import NetworkCore
from simulators.network.device import Device, Profile


class Records:
    """Tenants, applications, profiles, devices, keys and gateways of one core."""

    def __init__(self, core: NetworkCore, clock: Clock) -> None:
        self.core = core
        self.tenants: Table[api.Tenant] = Table("tenant.id", clock)
        self.applications: Table[api.Application] = Table("application.id", clock)
        self.profiles: Table[api.DeviceProfile] = Table("device_profile.id", clock)
        self.devices: Table[api.Device] = Table("device.dev_eui", clock)
        self.keys: Table[api.DeviceKeys] = Table("device_keys.dev_eui", clock)
        self.gateways: Table[api.Gateway] = Table("gateway.gateway_id", clock)

    def new_id(self) -> str:
        """An id for a row."""
        return self.core.events.new_id()

    # -- what the core must know --------------------------------------------

    def tell_device(self, dev_eui: str) -> None:
        """Make the core's device as the tables have it; session, queue and nonces stay."""
        message = self.devices.get(dev_eui).message
        registry = self.core.registry
        device = registry.find(DevEui(dev_eui))
        if device is None:
            device = Device(dev_eui=DevEui(dev_eui), info=integration.DeviceInfo())
            registry.put(device)
        profile = self.profiles.refer(message.device_profile_id)
        device.info = self._info(message, profile)
        device.profile = Profile(
            region=common.Region.Name(profile.region),
            otaa=profile.supports_otaa,
            flush_on_activate=profile.flush_queue_on_activate,
            statuses=profile.device_status_req_interval,
        )
        device.disabled = message.is_disabled
        device.any_counter = message.skip_fcnt_check
        device.join_eui = message.join_eui
        # LoRaWAN 1.0.x has one root key; the API calls it by the name that it has in 1.1.
        known = dev_eui in self.keys
        device.app_key = bytes.fromhex(self.keys.refer(dev_eui).nwk_key) if known else None

    def tell_devices(self) -> None:
        """The same for all devices, after a change to what they refer to."""
        for dev_eui in self.devices.find():
            self.tell_device(dev_eui)

    def tell_gateway(self, eui: str) -> None:
        """Make the core's gateway as the tables have it."""
        location = common.Location()
        location.CopyFrom(self.gateways.get(eui).message.location)
        self.core.add_gateway(GatewayEui(eui), location)

    def _info(self, device: api.Device, profile: api.DeviceProfile) -> integration.DeviceInfo:
        """What events say; of a tag that several have, the device's counts, then the profile's."""
        application = self.applications.refer(device.application_id)
        tenant = self.tenants.refer(application.tenant_id)
        tags: dict[str, str] = {**application.tags, **profile.tags, **device.tags}
        return integration.DeviceInfo(
            tenant_id=tenant.id,
            tenant_name=tenant.name,
            application_id=application.id,
            application_name=application.name,
            device_profile_id=profile.id,
            device_profile_name=profile.name,
            device_name=device.name,
            dev_eui=device.dev_eui,
            tags=tags,
        )

    # -- what goes with what --------------------------------------------------

    def remove_devices(self, **of: Any) -> None:
        """Remove the devices whose fields have these values, with keys and queues."""
        for key in self.devices.find(lambda one: _has(one, of)):
            self.devices.remove(key)
            if key in self.keys:
                self.keys.remove(key)
            self.core.registry.remove(DevEui(key))

    def remove_applications(self, **of: Any) -> None:
        """Remove the applications whose fields have these values, with their devices."""
        for key in self.applications.find(lambda one: _has(one, of)):
            self.remove_devices(application_id=key)
            self.applications.remove(key)

    def remove_profiles(self, **of: Any) -> None:
        """Remove the profiles whose fields have these values, with their devices."""
        for key in self.profiles.find(lambda one: _has(one, of)):
            self.remove_devices(device_profile_id=key)
            self.profiles.remove(key)

    def remove_gateways(self, **of: Any) -> None:
        """Remove the gateways whose fields have these values."""
        for key in self.gateways.find(lambda one: _has(one, of)):
            self.gateways.remove(key)
            self.core.registry.gateways.pop(GatewayEui(key), None)


def _has(message: Any, of: dict[str, Any]) -> bool:
    return all(getattr(message, name) == value for name, value in of.items())
