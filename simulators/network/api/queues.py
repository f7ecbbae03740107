"""ChirpStack's DeviceService: downlinks that wait."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from chirpstack_api import api
from google.protobuf.empty_pb2 import Empty

from khaen.ids import DevEui
from simulators.network.api.records import Records
from simulators.network.api.refusals import Refused, internal, invalid, parse_eui
from simulators.network.device import Device, Item


class Queues:
    """Queues of devices."""

    _records: Records

    async def Enqueue(self, request: Any, _context: Any) -> Any:
        if not request.HasField("queue_item"):
            raise invalid("queue_item is missing")
        wanted = request.queue_item
        registry = self._records.core.registry
        device = self._known(wanted.dev_eui)
        if request.flush_queue and device is not None:
            registry.flush(device.dev_eui, pending=False)
        if device is None:
            raise internal("FOREIGN KEY constraint failed")
        if wanted.is_encrypted or wanted.HasField("object"):
            raise Refused("UNIMPLEMENTED", "the stand-in takes plain data only")
        item = Item(
            id=self._records.new_id(),
            f_port=wanted.f_port & 0xFF,
            data=wanted.data,
            confirmed=wanted.confirmed,
        )
        if wanted.HasField("expires_at"):
            item.expires_at = _time(wanted.expires_at)
        try:
            registry.enqueue(device.dev_eui, item)
        except ValueError as error:
            raise invalid(f"Validation error: {error}") from error
        return api.EnqueueDeviceQueueItemResponse(id=item.id)

    async def GetQueue(self, request: Any, _context: Any) -> Any:
        device = self._known(request.dev_eui)
        response = api.GetDeviceQueueItemsResponse()
        for item in device.queue if device is not None else ():
            response.total_count += 1
            if request.count_only:
                continue
            row = response.result.add(
                id=item.id,
                dev_eui=parse_eui(request.dev_eui),
                confirmed=item.confirmed,
                f_port=item.f_port,
                data=item.data,
                is_pending=item.pending,
                f_cnt_down=item.f_cnt or 0,
            )
            if item.expires_at is not None:
                row.expires_at.FromDatetime(item.expires_at)
        return response

    async def FlushQueue(self, request: Any, _context: Any) -> Any:
        device = self._known(request.dev_eui)
        if device is not None:
            self._records.core.registry.flush(device.dev_eui)
        return Empty()

    async def GetNextFCntDown(self, request: Any, _context: Any) -> Any:
        device = self._known(request.dev_eui)
        if device is None:
            raise Refused("NOT_FOUND", f"Object does not exist (id: {request.dev_eui})")
        taken = max((item.f_cnt or 0 for item in device.queue), default=0)
        session = device.session
        f_cnt = max(session.f_cnt_down if session is not None else 0, taken + 1)
        return api.GetDeviceNextFCntDownResponse(f_cnt_down=f_cnt)

    def _known(self, dev_eui: str) -> Device | None:
        return self._records.core.registry.find(DevEui(parse_eui(dev_eui)))


def _time(timestamp: Any) -> Any:
    try:
        return timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise internal("expires_at is out of range") from error
