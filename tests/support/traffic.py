"""A small site in a ledger, and what its devices and gateways send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from chirpstack_api import gw, integration
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import SecretBytes

from khaen import topics
from khaen.clock import Clock, Rung
from khaen.ids import DevAddr, DevEui, Epoch, GatewayEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Site
from khaen.uplink import Kind, Number, Origin
from khaen.wire import Stamp, stamp
from store import migrate, registry
from store.database import Database

KEY = SecretBytes(bytes(range(32)))
GATEWAYS = tuple(GatewayEui(f"0016c001f153a1{i:02x}") for i in range(1, 5))
EPOCH = Epoch("00000000000000e1")
WRISTBAND, THERMOMETER, RESTARTING, REAL = (DevEui(f"a1b2c3d4e5f6000{i}") for i in range(1, 5))
FAMILIES = {
    WRISTBAND: "khaen_wristband",
    THERMOMETER: "milesight_em300_th",
    RESTARTING: "milesight_em300_th",
    REAL: "khaen_wristband",
}
START = datetime(2026, 7, 23, 1, 0, 0, tzinfo=UTC)


def dev_addr(dev_eui: DevEui) -> DevAddr:
    """The address of one of the site's devices."""
    return DevAddr(f"2601{dev_eui[-4:]}")


def session_keys(dev_eui: DevEui) -> SessionKeys:
    """The keys of one of the site's devices."""
    seed = bytes.fromhex(dev_eui)
    return SessionKeys(nwk_s_key=seed + b"nwkskey.", app_s_key=seed + b"appskey.")


def make_site(**more: object) -> Site:
    """Two organisations, one of them real; four devices, four gateways."""
    devices = [
        {
            "dev_eui": dev_eui,
            "family": family,
            "organisation": "real" if dev_eui == REAL else "ward",
            "dev_addr": dev_addr(dev_eui),
            "counter": "restarts" if dev_eui == RESTARTING else "continues",
        }
        for dev_eui, family in FAMILIES.items()
    ]
    document: dict[str, object] = {
        "site": "test",
        "name": {"th": "ทดสอบ", "en": "Test"},
        "lorawan": {"prefixes": ["26010000/16"]},
        "organisations": [
            {"id": "ward", "name": {"th": "ก", "en": "Ward"}, "simulated": True},
            {"id": "real", "name": {"th": "ข", "en": "Real"}},
        ],
        "gateways": [{"eui": eui, "name": eui, "organisation": "ward"} for eui in GATEWAYS],
        "devices": devices,
        "keys_file": Path("keys.csv"),
    }
    return Site.model_validate(document | more)


def make_ledger(folder: Path, clock: Clock | None = None) -> Database:
    """A ledger with the site in it."""
    database = Database(f"sqlite:///{folder}/ledger.sqlite", clock=clock)
    migrate.upgrade(database)
    apply_site(database, make_site())
    return database


def apply_site(database: Database, site: Site) -> None:
    """Write the site into the ledger."""
    keys = {device.dev_eui: session_keys(device.dev_eui) for device in site.devices}
    registry.apply(database, site, keys, KEY)


@dataclass(slots=True)
class Device:
    """A device that counts its frames."""

    dev_eui: DevEui
    f_cnt: int = 0

    def cipher(self) -> SessionCipher:
        """Its keys, made ready."""
        keys = session_keys(self.dev_eui)
        return SessionCipher(
            dev_addr=dev_addr(self.dev_eui),
            nwk_s_key=keys.nwk_s_key,
            app_s_key=keys.app_s_key,
        )

    def say(self, payload: bytes, f_port: int | None = 10, f_cnt: int | None = None) -> bytes:
        """The next frame as it is on the air."""
        if f_cnt is None:
            f_cnt, self.f_cnt = self.f_cnt, self.f_cnt + 1
        return self.cipher().seal_uplink(f_cnt=f_cnt, f_port=f_port, payload=payload)


@dataclass(slots=True)
class Gateway:
    """An agent that numbers what it hears."""

    eui: GatewayEui = GATEWAYS[0]
    epoch: Epoch = EPOCH
    seqs: Iterator[int] = field(default_factory=lambda: iter(range(1, 1 << 40)))

    def hear(
        self,
        payload: bytes,
        at: datetime | None,
        *,
        kind: Kind = Kind.LORAWAN,
        origin: Origin = Origin.SIMULATED,
        clock: Rung = Rung.SYNCED,
        until: datetime | None = None,
        seq: int | None = None,
        context: bytes = b"ctx!",
        topic: str | None = None,
        device: str | None = None,
    ) -> bytes:
        """A record in its envelope; the next number, unless one is given."""
        number = Number(epoch=self.epoch, seq=next(self.seqs) if seq is None else seq)
        return stamp(
            radio_frame(self.eui, payload, context),
            Stamp(
                number=number,
                kind=kind,
                clock=clock if at is not None else Rung.ARRIVAL,
                origin=origin,
                at=at,
                until=until,
                topic=topic,
                device=device,
            ),
        )

    @property
    def up(self) -> str:
        """Its topic of live LoRaWAN frames."""
        return topics.up("as923", self.eui)


def radio_frame(eui: GatewayEui, payload: bytes, context: bytes = b"ctx!") -> gw.UplinkFrame:
    """A frame as a packet forwarder of another make gives it."""
    frame = gw.UplinkFrame(phy_payload=payload)
    frame.rx_info.gateway_id = eui
    frame.rx_info.rssi = -87
    frame.rx_info.snr = 7.5
    frame.rx_info.context = context
    frame.tx_info.frequency = 923_200_000
    frame.tx_info.modulation.lora.bandwidth = 125_000
    frame.tx_info.modulation.lora.spreading_factor = 7
    return frame


def event(
    dev_eui: DevEui,
    payload: bytes,
    at: datetime,
    *,
    f_cnt: int,
    f_port: int = 10,
    heard_by: tuple[bytes, ...] = (),
) -> integration.UplinkEvent:
    """ChirpStack's `up` event about a frame; `heard_by` are envelopes that the server got."""
    stamp_at = Timestamp()
    stamp_at.FromDatetime(at)
    found = integration.UplinkEvent(
        deduplication_id="9b1f6a1e-4f1d-4a8a-9d0e-6a1f3c2b7d10",
        time=stamp_at,
        device_info=integration.DeviceInfo(dev_eui=dev_eui, device_name="a device"),
        dev_addr=dev_addr(dev_eui),
        f_cnt=f_cnt,
        f_port=f_port,
        data=payload,
    )
    for envelope in heard_by:
        frame = gw.UplinkFrame.FromString(envelope)
        rx = found.rx_info.add()
        rx.CopyFrom(frame.rx_info)
        rx.gw_time.CopyFrom(stamp_at)
        rx.ns_time.CopyFrom(stamp_at)
        found.tx_info.CopyFrom(frame.tx_info)
    return found


def event_topic(dev_eui: DevEui, kind: str = "up") -> str:
    """Where ChirpStack publishes it."""
    return f"application/17c82e96-be03-4f38-aef3-f83d48582d97/device/{dev_eui}/event/{kind}"


def telemetry(heart_rate: int = 72) -> bytes:
    """A wristband's telemetry, 11 bytes."""
    return bytes((0x18, 90, heart_rate, 98, 0x01, 0x6D, 0, 0, 0, 0, 0))


def gone(ranges: list[tuple[int, int]], reason: str = "shed") -> bytes:
    """The content of a `gone` record."""
    return json.dumps({"reason": reason, "ranges": ranges}).encode()
