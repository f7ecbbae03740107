"""ChirpStack's TenantService."""

from __future__ import annotations

from typing import Any

from chirpstack_api import api
from google.protobuf.empty_pb2 import Empty

from simulators.network.api.records import Records
from simulators.network.api.refusals import invalid, need_name, parse_id


class Tenants(api.TenantServiceServicer):  # type: ignore[misc]
    """Tenants; those who use them are not simulated."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def Create(self, request: Any, _context: Any) -> Any:
        tenant = self._checked(request)
        tenant.id = self._records.new_id()
        self._records.tenants.add(tenant.id, tenant)
        return api.CreateTenantResponse(id=tenant.id)

    async def Get(self, request: Any, _context: Any) -> Any:
        row = self._records.tenants.get(parse_id(request.id))
        response = api.GetTenantResponse(tenant=row.message)
        row.stamp(response)
        return response

    async def Update(self, request: Any, _context: Any) -> Any:
        tenant = self._checked(request)
        tenant.id = parse_id(tenant.id)
        self._records.tenants.change(tenant.id, tenant)
        self._records.tell_devices()
        return Empty()

    async def Delete(self, request: Any, _context: Any) -> Any:
        key = parse_id(request.id)
        self._records.tenants.get(key)
        self._records.remove_applications(tenant_id=key)
        self._records.remove_profiles(tenant_id=key)
        self._records.remove_gateways(tenant_id=key)
        self._records.tenants.remove(key)
        return Empty()

    async def List(self, request: Any, _context: Any) -> Any:
        count, rows = self._records.tenants.pick(request)
        response = api.ListTenantsResponse(total_count=count)
        for row in rows:
            item = response.result.add(
                id=row.message.id,
                name=row.message.name,
                can_have_gateways=row.message.can_have_gateways,
                private_gateways_up=row.message.private_gateways_up,
                private_gateways_down=row.message.private_gateways_down,
                max_gateway_count=row.message.max_gateway_count,
                max_device_count=row.message.max_device_count,
            )
            row.stamp(item)
        return response

    def _checked(self, request: Any) -> Any:
        if not request.HasField("tenant"):
            raise invalid("tenant is missing")
        need_name(request.tenant.name)
        return request.tenant
