"""ChirpStack's GatewayService."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chirpstack_api import api
from google.protobuf.empty_pb2 import Empty

from khaen.clock import Clock
from khaen.ids import GatewayEui
from simulators.network.api.records import Records
from simulators.network.api.refusals import invalid, need_name, not_found, parse_eui, parse_id

_PRIORITY = 10


class Gateways(api.GatewayServiceServicer):  # type: ignore[misc]
    """Gateways of tenants."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records, self._clock = records, clock

    async def Create(self, request: Any, _context: Any) -> Any:
        gateway = self._checked(request)
        tenant_id = gateway.tenant_id = parse_id(gateway.tenant_id)
        need_name(gateway.name)
        if tenant_id not in self._records.tenants:
            raise not_found(tenant_id)
        tenant = self._records.tenants.get(tenant_id).message
        count = len(self._records.gateways.find(lambda one: one.tenant_id == tenant_id))
        if not tenant.can_have_gateways:
            raise invalid("Not allowed (Tenant can not have gateways)")
        if tenant.max_gateway_count and count >= tenant.max_gateway_count:
            raise invalid("Not allowed (Max number of gateways exceeded for tenant)")
        gateway.downlink_priority = gateway.downlink_priority or _PRIORITY
        self._records.gateways.add(gateway.gateway_id, gateway)
        self._records.tell_gateway(gateway.gateway_id)
        return Empty()

    async def Get(self, request: Any, _context: Any) -> Any:
        row = self._records.gateways.get(parse_eui(request.gateway_id))
        response = api.GetGatewayResponse(gateway=row.message)
        row.stamp(response)
        known = self._records.core.registry.gateways[GatewayEui(row.message.gateway_id)]
        response.gateway.location.CopyFrom(known.location)
        if known.seen_at is not None:
            response.last_seen_at.FromDatetime(known.seen_at)
        return response

    async def Update(self, request: Any, _context: Any) -> Any:
        gateway = self._checked(request)
        gateway.tenant_id = self._records.gateways.get(gateway.gateway_id).message.tenant_id
        need_name(gateway.name)
        self._records.gateways.change(gateway.gateway_id, gateway)
        self._records.tell_gateway(gateway.gateway_id)
        return Empty()

    async def Delete(self, request: Any, _context: Any) -> Any:
        key = parse_eui(request.gateway_id)
        self._records.gateways.get(key)
        self._records.remove_gateways(gateway_id=key)
        return Empty()

    async def List(self, request: Any, _context: Any) -> Any:
        tenant = parse_id(request.tenant_id) if request.tenant_id else ""
        count, rows = self._records.gateways.pick(
            request, lambda one: tenant in ("", one.tenant_id)
        )
        response = api.ListGatewaysResponse(total_count=count)
        for row in rows:
            one = row.message
            known = self._records.core.registry.gateways[GatewayEui(one.gateway_id)]
            item = response.result.add(
                tenant_id=one.tenant_id,
                gateway_id=one.gateway_id,
                name=one.name,
                description=one.description,
                location=known.location,
                downlink_priority=one.downlink_priority,
                state=self._state(known.seen_at, one.stats_interval),
            )
            row.stamp(item)
            if known.seen_at is not None:
                item.last_seen_at.FromDatetime(known.seen_at)
        return response

    def _state(self, seen_at: Any, interval: int) -> Any:
        """Offline is one that was silent for two intervals of its statistics."""
        if seen_at is None:
            return api.GatewayState.NEVER_SEEN
        silent = self._clock.now() - seen_at > timedelta(seconds=2 * interval)
        return api.GatewayState.OFFLINE if silent else api.GatewayState.ONLINE

    def _checked(self, request: Any) -> Any:
        if not request.HasField("gateway"):
            raise invalid("gateway is missing")
        request.gateway.gateway_id = parse_eui(request.gateway.gateway_id)
        return request.gateway
