"""ChirpStack's ApplicationService, without its integrations."""

from __future__ import annotations

from typing import Any

from chirpstack_api import api
from google.protobuf.empty_pb2 import Empty

from simulators.network.api.records import Records
from simulators.network.api.refusals import invalid, need_name, parse_id


class Applications(api.ApplicationServiceServicer):  # type: ignore[misc]
    """Applications of tenants."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def Create(self, request: Any, _context: Any) -> Any:
        application = self._checked(request)
        application.tenant_id = parse_id(application.tenant_id)
        self._records.tenants.refer(application.tenant_id)
        application.id = self._records.new_id()
        self._records.applications.add(application.id, application)
        return api.CreateApplicationResponse(id=application.id)

    async def Get(self, request: Any, _context: Any) -> Any:
        row = self._records.applications.get(parse_id(request.id))
        response = api.GetApplicationResponse(application=row.message)
        row.stamp(response)
        return response

    async def Update(self, request: Any, _context: Any) -> Any:
        application = self._checked(request)
        application.id = parse_id(application.id)
        # An application stays with its tenant.
        application.tenant_id = self._records.applications.get(application.id).message.tenant_id
        self._records.applications.change(application.id, application)
        self._records.tell_devices()
        return Empty()

    async def Delete(self, request: Any, _context: Any) -> Any:
        key = parse_id(request.id)
        self._records.applications.get(key)
        self._records.remove_applications(id=key)
        return Empty()

    async def List(self, request: Any, _context: Any) -> Any:
        tenant = parse_id(request.tenant_id)
        count, rows = self._records.applications.pick(request, lambda one: one.tenant_id == tenant)
        response = api.ListApplicationsResponse(total_count=count)
        for row in rows:
            item = response.result.add(
                id=row.message.id, name=row.message.name, description=row.message.description
            )
            row.stamp(item)
        return response

    def _checked(self, request: Any) -> Any:
        if not request.HasField("application"):
            raise invalid("application is missing")
        need_name(request.application.name)
        return request.application
