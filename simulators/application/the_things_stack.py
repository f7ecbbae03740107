"""Messages as The Things Stack v3 publishes them: `up`, and before a device's first a `join`.

Field names as written, EUIs in upper case, zeros left out, numbers of Hz as text, times of up to
nanoseconds with `Z` (The Things Stack, MQTT and data formats). `simulated` says what all of it is,
as for a message that its console simulates.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from khaen.clock import to_micros
from khaen.ids import DevEui, GatewayEui
from khaen.lorawan.airtime import airtime
from khaen.lorawan.frame import MIC_SIZE
from khaen.lorawan.region import CODING_RATE, JOIN_ACCEPT_DELAY1, DataRate
from khaen.site.model import Gateway, Site
from simulators.air.radio import Hearing
from simulators.application.form import Event, Subject, Uplink
from simulators.application.names import draw, name_device

TENANT: Final = "ttn"
"""The tenant of every application of The Things Network."""
JOIN_EUI: Final = "0000000000000000"
_FROM_GATEWAY: Final = timedelta(milliseconds=50)
_COLLECTING: Final = timedelta(milliseconds=200)
"""So long copies are collected."""
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode
_OVERHEAD: Final = 9 + MIC_SIZE
"""Bytes of a frame around its payload: MHDR, FHDR without options, FPort, MIC."""


class TheThingsStack:
    """The Things Stack's messages of a site, each organisation an application; ids from `seed`."""

    def __init__(self, site: Site, *, seed: int) -> None:
        self._seed = seed
        self._gateways = {gateway.eui: gateway for gateway in site.gateways}
        self._joined: set[DevEui] = set()

    def write(self, uplink: Uplink) -> Iterator[Event]:
        """The messages that an uplink makes."""
        subject = uplink.subject
        if subject.otaa and subject.dev_eui not in self._joined:
            self._joined.add(subject.dev_eui)
            yield self._event(uplink, "join", self._join(uplink))
        yield self._event(uplink, "up", self._up(uplink))

    def _event(self, uplink: Uplink, kind: str, document: dict[str, Any]) -> Event:
        subject = uplink.subject
        where = f"v3/{subject.organisation}@{TENANT}/devices/{name_device(subject.dev_eui)}/{kind}"
        return Event(uplink.at, where, _ENCODE(document).encode())

    def _up(self, uplink: Uplink) -> dict[str, Any]:
        subject, at = uplink.subject, uplink.at
        chance = draw(self._seed, "up", subject.dev_eui, uplink.f_cnt).hex()
        time, network = write_time(at), write_time(at + _FROM_GATEWAY)
        timestamp = to_micros(at) & 0xFFFF_FFFF
        message = {
            "session_key_id": _session(self._seed, subject),
            "f_port": uplink.f_port,
            "f_cnt": uplink.f_cnt,
            "frm_payload": b64encode(uplink.payload).decode(),
            "rx_metadata": [
                _leave_out_zeros(self._heard(hearing, time, timestamp, network))
                for hearing in uplink.hearings
            ],
            "settings": _leave_out_zeros(
                {
                    "data_rate": _data_rate(uplink.data_rate),
                    "frequency": str(uplink.frequency),
                    "timestamp": timestamp,
                    "time": time,
                }
            ),
            "received_at": network,
            "confirmed": uplink.confirmed,
            "consumed_airtime": _write_airtime(len(uplink.payload), uplink.data_rate),
            "network_ids": {"net_id": "000013", "tenant_id": TENANT},
        }
        return {
            **self._head(subject, f"as:up:{chance[:26]}", at),
            "uplink_message": _leave_out_zeros(message),
            "simulated": True,
        }

    def _join(self, uplink: Uplink) -> dict[str, Any]:
        subject = uplink.subject
        at = uplink.at - timedelta(seconds=JOIN_ACCEPT_DELAY1)
        chance = draw(self._seed, "join", subject.dev_eui, uplink.f_cnt).hex()
        accept = {"session_key_id": _session(self._seed, subject), "received_at": write_time(at)}
        return {
            **self._head(subject, f"as:up:{chance[:26]}", at),
            "join_accept": accept,
            "simulated": True,
        }

    def _head(self, subject: Subject, correlation: str, at: datetime) -> dict[str, Any]:
        return {
            "end_device_ids": {
                "device_id": name_device(subject.dev_eui),
                "application_ids": {"application_id": subject.organisation},
                "dev_eui": subject.dev_eui.upper(),
                "join_eui": JOIN_EUI,
                "dev_addr": subject.dev_addr.upper(),
            },
            "correlation_ids": [correlation],
            "received_at": write_time(at + _FROM_GATEWAY + _COLLECTING),
        }

    def _heard(self, hearing: Hearing, time: str, timestamp: int, network: str) -> dict[str, Any]:
        eui = hearing.gateway_eui
        return {
            "gateway_ids": {"gateway_id": f"eui-{eui}", "eui": eui.upper()},
            "time": time,
            "timestamp": timestamp,
            "rssi": hearing.rssi,
            "channel_rssi": hearing.rssi,
            "snr": hearing.snr,
            "location": self._location(eui),
            "received_at": network,
        }

    def _location(self, eui: GatewayEui) -> dict[str, Any] | None:
        gateway: Gateway | None = self._gateways.get(eui)
        if gateway is None or gateway.position is None:
            return None
        at = gateway.position
        return {
            "latitude": at.latitude,
            "longitude": at.longitude,
            "altitude": round(at.height),
            "source": "SOURCE_REGISTRY",
        }


def write_time(at: datetime) -> str:
    """A time as Go's RFC3339Nano writes it: no zeros at the end of the second's fraction."""
    text = at.isoformat()[: -len("+00:00")]
    return f"{text.rstrip('0') if '.' in text else text}Z"


def _leave_out_zeros(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value}


def _session(seed: int, subject: Subject) -> str:
    return b64encode(draw(seed, "session", subject.dev_eui, 0)[:16]).decode()


def _data_rate(data_rate: DataRate) -> dict[str, Any]:
    return {
        "lora": {
            "bandwidth": data_rate.bandwidth,
            "spreading_factor": data_rate.spreading_factor,
            "coding_rate": CODING_RATE,
        }
    }


@lru_cache(maxsize=2048)
def _write_airtime(size: int, data_rate: DataRate) -> str:
    return f"{airtime(size + _OVERHEAD, data_rate):.6f}s"
