"""Records of a recorded site, made without one."""

from datetime import UTC, datetime, timedelta

from chirpstack_api import gw, integration

from khaen import topics
from khaen.capture import Record, Road
from khaen.clock import Rung
from khaen.ids import Epoch, GatewayEui
from khaen.uplink import Kind, Number, Origin
from khaen.wire import Stamp, stamp
from tests.support import chirpstack
from tests.support.site import GATEWAYS, Band

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
GATEWAY = GATEWAYS[0]
EPOCH = Epoch("00000000000000e1")


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def envelope(
    phy: bytes,
    seq: int | None,
    *,
    heard: float = 0.0,
    taken: float | None = None,
    gateway: GatewayEui = GATEWAY,
    kind: Kind = Kind.LORAWAN,
    clock: Rung = Rung.SYNCED,
    backlog: bool = False,
    topic: str | None = None,
    device: str | None = None,
) -> Record:
    """A gateway frame heard `heard` s and recorded `taken` s (0.1 later) after the beginning.

    Without `seq` it is of another make of gateway.
    """
    frame = gw.UplinkFrame(phy_payload=phy)
    frame.tx_info.frequency = 923_200_000
    frame.tx_info.modulation.lora.spreading_factor = 9
    frame.tx_info.modulation.lora.bandwidth = 125_000
    frame.tx_info.modulation.lora.code_rate = gw.CR_4_5
    rx = frame.rx_info
    rx.gateway_id, rx.rssi, rx.snr, rx.context = gateway, -97, 5.25, b"\0\0\0\1"
    rx.location.latitude = 16.4467
    rx.metadata["region_common_name"] = "AS923"
    if seq is None:
        rx.gw_time.FromDatetime(after(heard))
        payload = bytes(frame.SerializeToString())
    else:
        arrival = clock is Rung.ARRIVAL
        facts = Stamp(
            number=Number(epoch=EPOCH, seq=seq),
            kind=kind,
            clock=clock,
            origin=Origin.RADIO,
            at=None if arrival else after(heard),
            topic=topic,
            device=device,
        )
        payload = stamp(frame, facts)
    where = topics.up("as923", gateway) if kind is Kind.LORAWAN else topics.live(gateway)
    return Record(
        at=after(heard + 0.1 if taken is None else taken),
        road=Road.MQTT,
        topic=topics.backlog(gateway) if backlog else where,
        payload=payload,
    )


def event(band: Band, f_cnt: int, data: bytes, *, heard: float = 0.0) -> integration.UplinkEvent:
    """A network server's event of a band's frame, with names in it."""
    found = chirpstack.up(
        dev_eui=band.dev_eui,
        dev_addr=band.dev_addr,
        f_cnt=f_cnt,
        f_port=10,
        data=data,
        heard_by=[
            chirpstack.HeardBy(
                gateway=GATEWAY, context=b"\0\0\0\1", number=Number(epoch=EPOCH, seq=1)
            )
        ],
        at=after(heard),
    )
    found.device_info.device_name = "band of grandmother Somsri"
    found.device_info.application_name = "Elders of Nong Kham"
    found.device_info.tags["room"] = "room twelve"
    found.rx_info[0].location.latitude = 16.4467
    return found


def told(
    band: Band, found: integration.UplinkEvent, *, as_json: bool, taken: float = 0.1
) -> Record:
    """The event as a record."""
    payload = chirpstack.as_json(found) if as_json else chirpstack.as_protobuf(found)
    topic = chirpstack.topic(band.dev_eui)
    return Record(at=after(taken), road=Road.MQTT, topic=topic, payload=payload)
