"""Events as ChirpStack v4 publishes them: `up`, before the first a `join`, each day a `status`.

Metadata and tags say that all of it is simulated. `chirpstack_json` has the same as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from chirpstack_api import gw, integration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from khaen.clock import to_gps, to_micros
from khaen.ids import DevEui
from khaen.lorawan.region import JOIN_ACCEPT_DELAY1, THAI_CHANNELS, DataRate
from khaen.site.model import Gateway, Site
from khaen.uplink import Origin
from simulators.air.radio import Hearing
from simulators.application.form import Event, Subject, Uplink
from simulators.application.names import draw, identify, name_device, write_uuid

REGION: Final = "as923"
ORIGIN: Final = Origin.SIMULATED.value
BACKHAUL: Final = timedelta(milliseconds=50)
"""From a gateway to its network server."""
STATUS_EACH: Final = timedelta(days=1)
"""How often ChirpStack asks a device for its status, unless its profile says otherwise."""
CHANNELS: Final = {channel.frequency: number for number, channel in enumerate(THAI_CHANNELS)}
_MICROSECOND: Final = timedelta(microseconds=1)
_MARGINS: Final = (-32, 31)
"""LoRaWAN 1.0.4, 5.5: DevStatusAns has the margin in six bits, signed."""


class ChirpStack:
    """ChirpStack's events of a site in protobuf; ids come from `seed`."""

    def __init__(self, site: Site, *, seed: int) -> None:
        self.seed = seed
        self.gateways: dict[str, Gateway] = {gateway.eui: gateway for gateway in site.gateways}
        self._site = site.site
        self._tenants = {o.id: o.name.en for o in site.organisations}
        self._applications = {
            o.id: identify(site.site, "application", o.id) for o in site.organisations
        }
        self._status_at: dict[DevEui, datetime] = {}

    def write(self, uplink: Uplink) -> Iterator[Event]:
        """The messages that an uplink makes."""
        subject = uplink.subject
        due = self._status_at.get(subject.dev_eui)
        if due is None and subject.otaa:
            yield self._event(uplink, "join", self.encode(self.join(uplink)))
        yield self._event(uplink, "up", self.encode_up(uplink))
        if due is None or uplink.at >= due:
            self._status_at[subject.dev_eui] = uplink.at + STATUS_EACH
            yield self._event(uplink, "status", self.encode(self.status(uplink)))

    def encode(self, message: Message) -> bytes:
        """An event as bytes."""
        return message.SerializeToString(deterministic=True)

    def encode_up(self, uplink: Uplink) -> bytes:
        """An `up` event as bytes."""
        return self.encode(self.up(uplink))

    def _event(self, uplink: Uplink, kind: str, payload: bytes) -> Event:
        subject = uplink.subject
        application = self._applications[subject.organisation]
        topic = f"application/{application}/device/{subject.dev_eui}/event/{kind}"
        return Event(uplink.at, topic, payload)

    # -- messages -----------------------------------------------------------

    def up(self, uplink: Uplink) -> integration.UplinkEvent:
        """What an application is told of an uplink."""
        subject = uplink.subject
        chance = draw(self.seed, "up", subject.dev_eui, uplink.f_cnt)
        event = integration.UplinkEvent(
            deduplication_id=write_uuid(chance),
            device_info=self.info(subject),
            dev_addr=subject.dev_addr,
            adr=uplink.adr,
            dr=uplink.data_rate.index,
            f_cnt=uplink.f_cnt,
            f_port=uplink.f_port,
            confirmed=uplink.confirmed,
            data=uplink.payload,
            rx_info=[
                self._rx(uplink, hearing, number_reception(chance, index))
                for index, hearing in enumerate(uplink.hearings)
            ],
            tx_info=tx_info(uplink.frequency, uplink.data_rate),
            region_config_id=REGION,
        )
        _date(event.time, uplink.at)
        return event

    def join(self, uplink: Uplink) -> integration.JoinEvent:
        """That a device has joined, before it said anything."""
        subject = uplink.subject
        event = integration.JoinEvent(
            deduplication_id=write_uuid(draw(self.seed, "join", subject.dev_eui, uplink.f_cnt)),
            device_info=self.info(subject),
            dev_addr=subject.dev_addr,
            region_config_id=REGION,
        )
        event.time.FromDatetime(uplink.at - timedelta(seconds=JOIN_ACCEPT_DELAY1))
        return event

    def status(self, uplink: Uplink) -> integration.StatusEvent:
        """A device's answer to DevStatusReq: its margin, and a battery that it cannot measure."""
        subject = uplink.subject
        low, high = _MARGINS
        event = integration.StatusEvent(
            deduplication_id=write_uuid(draw(self.seed, "status", subject.dev_eui, uplink.f_cnt)),
            device_info=self.info(subject),
            margin=min(high, max(low, round(max(h.snr for h in uplink.hearings)))),
            battery_level_unavailable=True,
        )
        event.time.FromDatetime(uplink.at)
        return event

    def info(self, subject: Subject) -> integration.DeviceInfo:
        """Who speaks."""
        return integration.DeviceInfo(
            tenant_id=identify(self._site, "tenant", subject.organisation),
            tenant_name=self._tenants[subject.organisation],
            application_id=self._applications[subject.organisation],
            application_name=subject.organisation,
            device_profile_id=identify(self._site, "profile", subject.family),
            device_profile_name=subject.family,
            device_name=name_device(subject.dev_eui),
            dev_eui=subject.dev_eui,
            tags={"origin": ORIGIN},
        )

    def _rx(self, uplink: Uplink, hearing: Hearing, number: int) -> gw.UplinkRxInfo:
        rx = gw.UplinkRxInfo(
            gateway_id=hearing.gateway_eui,
            uplink_id=number,
            rssi=hearing.rssi,
            snr=hearing.snr,
            channel=CHANNELS.get(uplink.frequency, 0),
            context=context_of(uplink.at),
            metadata={"khaen_origin": ORIGIN},
            crc_status=gw.CRC_OK,
        )
        _date(rx.gw_time, uplink.at)
        _date(rx.ns_time, uplink.at + BACKHAUL)
        since = rx.time_since_gps_epoch
        since.seconds, since.nanos = _split(gps_micros(uplink.at))
        locate(rx, self.gateways.get(hearing.gateway_eui))
        return rx


def _date(stamp: Timestamp, at: datetime) -> None:
    """The same as its `FromDatetime`, in a tenth of the time."""
    stamp.seconds, stamp.nanos = _split(to_micros(at))


def _split(micros: int) -> tuple[int, int]:
    seconds, rest = divmod(micros, 1_000_000)
    return seconds, rest * 1000


def locate(rx: gw.UplinkRxInfo, gateway: Gateway | None) -> None:
    """Say where a gateway stands, if that is known."""
    if gateway is not None and gateway.position is not None:
        rx.location.latitude = gateway.position.latitude
        rx.location.longitude = gateway.position.longitude
        rx.location.altitude = gateway.position.height


def tx_info(frequency: int, data_rate: DataRate) -> gw.UplinkTxInfo:
    """How a frame was sent."""
    info = gw.UplinkTxInfo(frequency=frequency)
    info.modulation.lora.bandwidth = data_rate.bandwidth
    info.modulation.lora.spreading_factor = data_rate.spreading_factor or 0
    info.modulation.lora.code_rate = gw.CR_4_5
    return info


def number_reception(chance: bytes, index: int) -> int:
    """The id that a gateway's reception has, 1 to 2³² - 1."""
    return 1 + (int.from_bytes(chance[16:20]) + index) % 0xFFFF_FFFF


def gps_micros(at: datetime) -> int:
    """Whole microseconds of GPS time."""
    return to_gps(at) // _MICROSECOND


def context_of(at: datetime) -> bytes:
    """A concentrator's context: its 32-bit microsecond counter."""
    return (to_micros(at) & 0xFFFF_FFFF).to_bytes(4)
