"""ChirpStack's DeviceProfileService."""

from __future__ import annotations

from typing import Any

from chirpstack_api import api
from google.protobuf.empty_pb2 import Empty

from simulators.network.api.records import Records
from simulators.network.api.refusals import invalid, need_name, parse_id

_LISTED = (
    "id", "name", "region", "mac_version", "reg_params_revision", "supports_otaa",
    "supports_class_b", "supports_class_c", "firmware_version",
)  # fmt: skip


class Profiles(api.DeviceProfileServiceServicer):  # type: ignore[misc]
    """Device profiles, of a tenant or of all."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def Create(self, request: Any, _context: Any) -> Any:
        profile = self._checked(request)
        if profile.tenant_id:
            profile.tenant_id = parse_id(profile.tenant_id)
            self._records.tenants.refer(profile.tenant_id)
        profile.id = self._records.new_id()
        self._records.profiles.add(profile.id, profile)
        return api.CreateDeviceProfileResponse(id=profile.id)

    async def Get(self, request: Any, _context: Any) -> Any:
        row = self._records.profiles.get(parse_id(request.id))
        response = api.GetDeviceProfileResponse(device_profile=row.message)
        row.stamp(response)
        return response

    async def Update(self, request: Any, _context: Any) -> Any:
        profile = self._checked(request)
        profile.id = parse_id(profile.id)
        profile.tenant_id = self._records.profiles.get(profile.id).message.tenant_id
        self._records.profiles.change(profile.id, profile)
        self._records.tell_devices()
        return Empty()

    async def Delete(self, request: Any, _context: Any) -> Any:
        key = parse_id(request.id)
        self._records.profiles.get(key)
        self._records.remove_profiles(id=key)
        return Empty()

    async def List(self, request: Any, _context: Any) -> Any:
        tenant = parse_id(request.tenant_id) if request.tenant_id else ""

        def is_wanted(one: Any) -> bool:
            if request.global_only:
                return not one.tenant_id
            if request.tenant_only or not tenant:
                return bool(one.tenant_id) and tenant in ("", one.tenant_id)
            return one.tenant_id in ("", tenant)

        count, rows = self._records.profiles.pick(request, is_wanted)
        response = api.ListDeviceProfilesResponse(total_count=count)
        for row in rows:
            item = response.result.add(**{name: getattr(row.message, name) for name in _LISTED})
            row.stamp(item)
        return response

    def _checked(self, request: Any) -> Any:
        if not request.HasField("device_profile"):
            raise invalid("device_profile is missing")
        need_name(request.device_profile.name)
        if request.device_profile.rx1_delay > 15:
            raise invalid("Validation error: RX1 Delay must be between 0 - 15")
        return request.device_profile
