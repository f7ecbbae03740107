"""What ChirpStack v4 publishes of an uplink; any message is published by a real mosquitto_pub."""

import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chirpstack_api import gw, integration
from google.protobuf import json_format

from khaen.ids import GatewayEui
from khaen.uplink import Number
from tests.support.broker import find_mosquitto

APPLICATION = "6f1d1f5e-5c1d-4a3e-9f0e-7a1b2c3d4e5f"


@dataclass(frozen=True, kw_only=True)
class HeardBy:
    """One entry of an event's rxInfo; `number` is what an agent's metadata says, if it passed."""

    gateway: GatewayEui
    context: bytes
    number: Number | None = None


def topic(dev_eui: str, event: str = "up") -> str:
    """Where an event of a device is published."""
    return f"application/{APPLICATION}/device/{dev_eui}/event/{event}"


def up(
    *,
    dev_eui: str,
    dev_addr: str,
    f_cnt: int,
    f_port: int,
    data: bytes,
    heard_by: Sequence[HeardBy],
    confirmed: bool = False,
    at: datetime | None = None,
) -> integration.UplinkEvent:
    """An `up` event as the network server makes it, its own decoding (`object`) included."""
    event = integration.UplinkEvent(
        deduplication_id=str(uuid.uuid4()),
        dev_addr=dev_addr,
        adr=True,
        dr=3,
        f_cnt=f_cnt,
        f_port=f_port,
        confirmed=confirmed,
        data=data,
    )
    event.time.FromDatetime(at or datetime.now(UTC))
    event.device_info.tenant_id = str(uuid.uuid4())
    event.device_info.application_id = APPLICATION
    event.device_info.device_name = "call button"
    event.device_info.dev_eui = dev_eui
    event.object.update({"button_status": "long press"})
    event.rx_info.extend(_heard(entry, event) for entry in heard_by)
    event.tx_info.frequency = 923_200_000
    event.tx_info.modulation.lora.bandwidth = 125_000
    event.tx_info.modulation.lora.spreading_factor = 9
    event.tx_info.modulation.lora.code_rate = gw.CR_4_5
    return event


def _heard(entry: HeardBy, event: integration.UplinkEvent) -> gw.UplinkRxInfo:
    rx = gw.UplinkRxInfo(
        gateway_id=entry.gateway,
        uplink_id=4711,
        rssi=-97,
        snr=5.25,
        context=entry.context,
        crc_status=gw.CRC_OK,
    )
    rx.ns_time.CopyFrom(event.time)
    rx.metadata["region_config_id"] = "as923"
    if entry.number is not None:
        rx.metadata["khaen_epoch"] = entry.number.epoch
        rx.metadata["khaen_seq"] = str(entry.number.seq)
    return rx


def as_json(event: integration.UplinkEvent) -> bytes:
    """The event as an integration with JSON encoding has it."""
    return json_format.MessageToJson(event, indent=None).encode()


def as_protobuf(event: integration.UplinkEvent) -> bytes:
    """The event as an integration with protobuf encoding has it."""
    return bytes(event.SerializeToString())


def publish(port: int, where: str, payload: bytes) -> None:
    """Publish one message, QoS 1, as any client would; returns when the broker has it."""
    command = [find_mosquitto("mosquitto_pub"), "-h", "127.0.0.1", "-p", str(port)]
    subprocess.run([*command, "-q", "1", "-t", where, "-s"], input=payload, check=True, timeout=20)
