"""ChirpStack's DeviceService: activations, with their session keys."""

from __future__ import annotations

from typing import Any

from chirpstack_api import api
from google.protobuf.empty_pb2 import Empty

from khaen.ids import DevAddr, DevEui
from khaen.lorawan.join import SessionKeys
from simulators.network.api.records import Records
from simulators.network.api.refusals import invalid, not_found, parse_eui, parse_hex
from simulators.network.device import Device, session_of

_KEY, _ADDRESS = 16, 4


class Activations:
    """Sessions of devices, also of those that the core was given without the API."""

    _records: Records

    async def Activate(self, request: Any, _context: Any) -> Any:
        if not request.HasField("device_activation"):
            raise invalid("device_activation is missing")
        wanted = request.device_activation
        device = self._device(wanted.dev_eui)
        dev_addr = DevAddr(parse_hex(wanted.dev_addr, _ADDRESS))
        keys = SessionKeys(
            nwk_s_key=bytes.fromhex(parse_hex(wanted.f_nwk_s_int_key, _KEY)),
            app_s_key=bytes.fromhex(parse_hex(wanted.app_s_key, _KEY)),
        )
        session = session_of(
            dev_addr, keys, f_cnt_up=wanted.f_cnt_up, f_cnt_down=wanted.n_f_cnt_down
        )
        if device.profile.flush_on_activate:
            device.queue.clear()
        self._records.core.registry.activate(device, session)
        return Empty()

    async def Deactivate(self, request: Any, _context: Any) -> Any:
        device = self._device(request.dev_eui)
        device.queue.clear()
        self._records.core.registry.activate(device, None)
        return Empty()

    async def GetActivation(self, request: Any, _context: Any) -> Any:
        device = self._device(request.dev_eui)
        response = api.GetDeviceActivationResponse()
        session = device.session
        if session is not None:
            nwk_s_key = session.keys.nwk_s_key.hex()
            response.device_activation.CopyFrom(
                api.DeviceActivation(
                    dev_eui=device.dev_eui,
                    dev_addr=session.dev_addr,
                    app_s_key=session.keys.app_s_key.hex(),
                    nwk_s_enc_key=nwk_s_key,
                    s_nwk_s_int_key=nwk_s_key,
                    f_nwk_s_int_key=nwk_s_key,
                    f_cnt_up=session.f_cnt_up,
                    n_f_cnt_down=session.f_cnt_down,
                )
            )
        return response

    async def GetRandomDevAddr(self, _request: Any, _context: Any) -> Any:
        return api.GetRandomDevAddrResponse(dev_addr=self._records.core.joins.new_address())

    def _device(self, dev_eui: str) -> Device:
        key = parse_eui(dev_eui)
        device = self._records.core.registry.find(DevEui(key))
        if device is None:
            raise not_found(key)
        return device
