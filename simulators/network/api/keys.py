"""ChirpStack's DeviceService: root keys. A device of LoRaWAN 1.0.x has its AppKey in `nwk_key`."""

from __future__ import annotations

from typing import Any

from chirpstack_api import api
from google.protobuf.empty_pb2 import Empty

from khaen.ids import DevEui
from simulators.network.api.records import Records
from simulators.network.api.refusals import invalid, not_found, parse_eui, parse_hex

_KEY = 16


class Keys:
    """Root keys of devices, and the nonces that they have used."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def CreateKeys(self, request: Any, _context: Any) -> Any:
        keys = self._checked_keys(request)
        self._records.devices.refer(keys.dev_eui)
        self._records.keys.add(keys.dev_eui, keys)
        self._records.tell_device(keys.dev_eui)
        return Empty()

    async def GetKeys(self, request: Any, _context: Any) -> Any:
        row = self._records.keys.get(parse_eui(request.dev_eui))
        response = api.GetDeviceKeysResponse(device_keys=row.message)
        row.stamp(response)
        return response

    async def UpdateKeys(self, request: Any, _context: Any) -> Any:
        keys = self._checked_keys(request)
        self._records.keys.change(keys.dev_eui, keys)
        self._records.tell_device(keys.dev_eui)
        return Empty()

    async def DeleteKeys(self, request: Any, _context: Any) -> Any:
        dev_eui = parse_eui(request.dev_eui)
        self._records.keys.remove(dev_eui)
        self._records.tell_device(dev_eui)
        return Empty()

    async def FlushDevNonces(self, request: Any, _context: Any) -> Any:
        dev_eui = parse_eui(request.dev_eui)
        if dev_eui not in self._records.keys:
            raise not_found(dev_eui)
        self._records.core.registry.device(DevEui(dev_eui)).nonces.clear()
        return Empty()

    def _checked_keys(self, request: Any) -> Any:
        if not request.HasField("device_keys"):
            raise invalid("device_keys is missing")
        keys = request.device_keys
        keys.dev_eui = parse_eui(keys.dev_eui)
        for name in ("nwk_key", "app_key", "gen_app_key"):
            setattr(keys, name, parse_hex(getattr(keys, name), _KEY))
        return keys
