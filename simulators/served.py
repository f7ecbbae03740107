"""A simulated site with a network server that knows its gateways and devices."""

from __future__ import annotations

from dataclasses import replace

from chirpstack_api import integration

from khaen.ids import DevEui
from khaen.site.model import Device, Site
from simulators.application.names import identify, name_device
from simulators.network.core import NetworkCore
from simulators.sites.twin import Simulated


def serve(simulated: Simulated) -> Simulated:
    """The same site, with a network server beside it."""
    lorawan = simulated.site.lorawan.model_copy(update={"network_server": True})
    return replace(simulated, site=simulated.site.model_copy(update={"lorawan": lorawan}))


def register(core: NetworkCore, simulated: Simulated) -> frozenset[DevEui]:
    """Tell a network server of a site's gateways and of its devices' sessions; whom it knows."""
    site, known = simulated.site, set()
    for gateway in site.gateways:
        core.add_gateway(gateway.eui)
    for device in site.devices:
        keys = simulated.keys.get(device.dev_eui)
        if device.dev_addr is not None and keys is not None:
            core.add_abp(_info(site, device), device.dev_addr, keys)
            known.add(device.dev_eui)
    return frozenset(known)


def _info(site: Site, device: Device) -> integration.DeviceInfo:
    return integration.DeviceInfo(
        tenant_id=identify(site.site, "tenant", device.organisation),
        application_id=identify(site.site, "application", device.organisation),
        application_name=device.organisation,
        device_profile_name=device.family,
        device_name=name_device(device.dev_eui),
        dev_eui=device.dev_eui,
    )
