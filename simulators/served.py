"""A simulated site with a network server that knows its gateways and devices."""

from __future__ import annotations

from chirpstack_api import integration

from khaen.ids import DevEui
from khaen.site.model import Device, Site
from simulators.application.names import identify, name_device
from simulators.network.core import NetworkCore
from simulators.sites.demonstration import make_join_keys
from simulators.sites.twin import Simulated


def serve(simulated: Simulated, *, seed: int) -> Simulated:
    """The same site with a network server beside it: devices that have no DevAddr in the site file
    join.
    """
    site = simulated.site
    joining = {d.dev_eui for d in site.devices if d.dev_addr is None} | simulated.joined
    devices = tuple(
        device.model_copy(update={"dev_addr": None}) if device.dev_eui in joining else device
        for device in site.devices
    )
    lorawan = site.lorawan.model_copy(update={"network_server": True})
    return Simulated(
        site=site.model_copy(update={"lorawan": lorawan, "devices": devices}),
        keys={eui: keys for eui, keys in simulated.keys.items() if eui not in joining},
        join_keys={dev_eui: make_join_keys(dev_eui, seed) for dev_eui in sorted(joining)},
    )


def register(core: NetworkCore, simulated: Simulated) -> frozenset[DevEui]:
    """Tell a network server of a site's gateways and of its devices' sessions and keys; whom it
    knows.
    """
    site, known = simulated.site, set()
    for gateway in site.gateways:
        core.add_gateway(gateway.eui)
    for device in site.devices:
        keys = simulated.keys.get(device.dev_eui)
        join_keys = simulated.join_keys.get(device.dev_eui)
        if device.dev_addr is not None and keys is not None:
            core.add_abp(_info(site, device), device.dev_addr, keys)
        elif join_keys is not None:
            core.add_otaa(
                _info(site, device), join_eui=join_keys.join_eui, app_key=join_keys.app_key
            )
        else:
            continue
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
