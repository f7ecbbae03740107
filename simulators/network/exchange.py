"""What comes and goes by MQTT, as ChirpStack v4 reads and writes it; without a broker.

Sources: chirpstack/src/gateway/backend/mqtt.rs and integration/mqtt.rs. A gateway is answered in
the encoding that it speaks; applications are told and heard in the one that is set.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any, Final, TypeVar

from chirpstack_api import gw, integration
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from khaen import log
from khaen.errors import KhaenError
from khaen.ids import DevEui, GatewayEui
from simulators.network.core import NetworkCore
from simulators.network.device import Item
from simulators.network.encoding import as_json, as_protobuf
from simulators.network.output import Downlink, Event

_log = log.logger()
_COMMAND: Final = re.compile(r"application/([\w-]+)/device/(\w+)/command/(\w+)")
_JSON_MARK: Final = b"gatewayId"
_DEPTH: Final = 100
M = TypeVar("M", bound=Message)


class NotTaken(KhaenError):
    """A message that ChirpStack would only write into its own log; the text says why."""


class Exchange:
    """Messages to a core and from it. `json` is what applications speak; `take` never raises."""

    def __init__(self, core: NetworkCore, *, json: bool = True) -> None:
        self._core, self._json = core, json
        self._speaks_json: set[GatewayEui] = set()
        region = core.network.region
        self.subscriptions: Final = (
            f"{region}/gateway/+/event/+",
            "application/+/device/+/command/+",
        )
        self._takers: dict[str, Callable[[bytes], None]] = {
            "up": self._take_up,
            "stats": self._take_stats,
            "ack": self._take_ack,
        }

    def take(self, topic: str, payload: bytes) -> bool:
        """Hand a message to the core; False where it is none, which only the log tells."""
        try:
            if command := _COMMAND.fullmatch(topic):
                application, dev_eui, kind = command.groups()
                self._take_command(application, dev_eui, kind, payload)
            else:
                taker = self._takers.get(topic.rpartition("/")[2])
                if taker is None:
                    raise NotTaken("unknown event type")
                taker(payload)
        except NotTaken as error:
            _log.warning("network_server_refused", topic=topic, reason=str(error))
            return False
        return True

    def render(self, out: Iterable[Event | Downlink]) -> Iterator[tuple[str, bytes]]:
        """The topics and payloads of what the core gave."""
        for one in out:
            if isinstance(one, Event):
                yield one.topic, self._encode(one.message, json=self._json)
            else:
                gateway = one.frame.gateway_id
                topic = f"{self._core.network.region}/gateway/{gateway}/command/down"
                yield topic, self._encode(one.frame, json=gateway in self._speaks_json)

    def _encode(self, message: Message, *, json: bool) -> bytes:
        return as_json(message) if json else as_protobuf(message)

    # -- gateways -----------------------------------------------------------

    def _take_up(self, payload: bytes) -> None:
        frame = self._parse(payload, gw.UplinkFrame())
        self._note(frame.rx_info.gateway_id, payload)
        self._core.take_uplink(frame)

    def _take_stats(self, payload: bytes) -> None:
        stats = self._parse(payload, gw.GatewayStats())
        self._note(stats.gateway_id, payload)
        self._core.take_stats(stats)

    def _take_ack(self, payload: bytes) -> None:
        ack = self._parse(payload, gw.DownlinkTxAck())
        self._note(ack.gateway_id, payload)
        self._core.take_tx_ack(ack)

    def _parse(self, payload: bytes, into: M) -> M:
        return _parse(payload, into, json=_JSON_MARK in payload)

    def _note(self, gateway: str, payload: bytes) -> None:
        """Remember the encoding of a gateway that is registered; others are never answered."""
        eui = GatewayEui(gateway)
        if eui not in self._core.registry.gateways or _JSON_MARK not in payload:
            self._speaks_json.discard(eui)
        else:
            self._speaks_json.add(eui)

    # -- applications -------------------------------------------------------

    def _take_command(self, application: str, dev_eui: str, command: str, payload: bytes) -> None:
        if command != "down":
            raise NotTaken("unknown command type")
        down = _parse(payload, integration.DownlinkCommand(), json=self._json)
        if down.dev_eui != dev_eui:
            raise NotTaken("the payload's devEui is not the topic's")
        device = self._core.registry.find(DevEui(dev_eui.lower()))
        if device is None:
            raise NotTaken("no such device")
        if device.info.application_id != application:
            raise NotTaken("the device belongs to another application")
        if down.HasField("object"):
            raise NotTaken("objects need a payload codec, which is not simulated")
        try:
            self._core.enqueue(device.dev_eui, self._item(down))
        except ValueError as error:
            raise NotTaken(str(error)) from error

    def _item(self, down: Any) -> Item:
        """The queue item of a command. Raises ValueError for an id or a time that is none."""
        expires_at = None
        if down.HasField("expires_at"):
            try:
                expires_at = down.expires_at.ToDatetime(tzinfo=UTC)
            except OverflowError as error:
                raise ValueError("expiresAt is out of range") from error
        return Item(
            id=str(uuid.UUID(down.id)) if down.id else self._core.events.new_id(),
            f_port=down.f_port & 0xFF,  # ChirpStack cuts it before it looks
            data=down.data,
            confirmed=down.confirmed,
            expires_at=expires_at,
        )


def _parse(payload: bytes, into: M, *, json: bool) -> M:
    """Raises NotTaken for what is no such message."""
    try:
        if json:
            text = payload.decode("utf-8", errors="replace")
            return json_format.Parse(
                text, into, ignore_unknown_fields=True, max_recursion_depth=_DEPTH
            )
        into.ParseFromString(payload)
    except (json_format.ParseError, DecodeError, ValueError, RecursionError) as error:
        raise NotTaken(f"{type(error).__name__}: no {into.DESCRIPTOR.full_name}") from error
    return into
