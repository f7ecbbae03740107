"""A recording in each format, and what it says. The values are made up, their forms are not."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dpkt
from chirpstack_api import integration

from khaen.capture import Header, Record, Road, Writer
from khaen.ids import GatewayEui
from tests.support import chirpstack

AT = datetime(2026, 3, 1, 8, 0, 0, 250_000, tzinfo=UTC)
GATEWAY = GatewayEui("ac1f09fffe0a0b01")
UP = f"as923/gateway/{GATEWAY}/event/up"
DEV_EUI = "a81758fffe000001"
PHY = bytes.fromhex("4001000001800000 0a aabbccdd 01020304")


def at(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


RXPK = {
    "tmst": 3512348611,
    "freq": 923.2,
    "stat": 1,
    "modu": "LORA",
    "datr": "SF9BW125",
    "codr": "4/5",
    "rssi": -90,
    "lsnr": 7.5,
    "size": 2,
    "data": "QAE=",
}
PUSH = b"\x02\x01\x00\x00" + bytes.fromhex(GATEWAY) + json.dumps({"rxpk": [RXPK]}).encode()
PUSH_ACK = b"\x02\x01\x00\x01"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """`times` and `topics` of its records, and how many it skips by reason."""

    format: str
    make: Callable[[Path], bytes]
    times: tuple[datetime, ...]
    topics: tuple[str, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    gateway: GatewayEui | None = None


def capture(folder: Path) -> bytes:
    path = folder / "sample.khcap"
    writer = Writer(path, Header(tool="sample", began=AT))
    for number in range(3):
        writer.write(Record(at=at(number), road=Road.MQTT, topic=UP, payload=PHY))
    writer.close()
    return path.read_bytes()


def event(f_cnt: int) -> integration.UplinkEvent:
    return chirpstack.up(
        dev_eui=DEV_EUI,
        dev_addr="01000001",
        f_cnt=f_cnt,
        f_port=10,
        data=b"\x1a\x57",
        heard_by=[chirpstack.HeardBy(gateway=GATEWAY, context=b"\0\0\0\1")],
        at=at(f_cnt),
    )


def bare(_folder: Path) -> bytes:
    lines = [chirpstack.as_json(event(0)), b"", b"not an event", b'{"deviceInfo":{}}']
    lines += [
        b'{"deviceInfo":{"devEui":"a81758fffe000001"},"time":"2026-03-01T08:00:01Z","margin":7}'
    ]
    return b"\n".join([*lines, chirpstack.as_json(event(2)), b"[1, null]"])


def verbose(_folder: Path) -> bytes:
    where = chirpstack.topic(DEV_EUI).encode()
    return b"\n".join(where + b" " + chirpstack.as_json(event(number)) for number in range(2))


def laid_out(_folder: Path) -> bytes:
    events = [json.loads(chirpstack.as_json(event(number))) for number in range(3)]
    return json.dumps(events, indent=2).encode()


def streamed(_folder: Path) -> bytes:
    item = {
        "id": "1-0",
        "time": "2026-03-01T08:00:09.5Z",
        "description": "up",
        "body": chirpstack.as_json(event(1)).decode(),
        "properties": {"DR": "3"},
    }
    return json.dumps([item]).encode()


THINGS = {
    "end_device_ids": {
        "device_id": "wb1",
        "application_ids": {"application_id": "app1"},
        "dev_eui": DEV_EUI.upper(),
        "join_eui": "0000000000000001",
        "dev_addr": "260B1234",
    },
    "received_at": "2026-03-01T08:00:00.714Z",
    "uplink_message": {
        "f_port": 2,
        "frm_payload": "AUgOQlg=",
        "decoded_payload": {"heartRate": 72},
        "rx_metadata": [
            {
                "gateway_ids": {"gateway_id": "gw1", "eui": GATEWAY.upper()},
                "time": "2026-03-01T08:00:00.456Z",
                "timestamp": 2463457000,
                "rssi": -57,
                "snr": 9.5,
                "received_at": "2026-03-01T08:00:00.480Z",
            },
            {"gateway_ids": {"gateway_id": "packetbroker"}, "packet_broker": {}},
        ],
        "settings": {
            "data_rate": {
                "lora": {"bandwidth": 125000, "spreading_factor": 7, "coding_rate": "4/5"}
            },
            "frequency": "923200000",
        },
        "received_at": "2026-03-01T08:00:00.510Z",
    },
}
TTS_AT = datetime(2026, 3, 1, 8, 0, 0, 510_000, tzinfo=UTC)


def things(_folder: Path) -> bytes:
    join = {"end_device_ids": THINGS["end_device_ids"], "join_accept": {}}
    broken = {**THINGS, "uplink_message": {"f_cnt": -1, "rx_metadata": 7}}
    lines = [THINGS, {"result": THINGS}, join, broken, {"name": "as.up", "data": THINGS}]
    return "\n".join(json.dumps(line) for line in lines).encode() + b"\nv3/a/up {cut"


def things_list(_folder: Path) -> bytes:
    return json.dumps([THINGS, THINGS], indent=4).encode()


def subscribed(_folder: Path) -> bytes:
    return (
        f"2026-03-01T15:00:00+0700 {UP} {PHY.hex()}\n"
        f'2026-03-01T08:00:01Z khaen/priority {{"v": 1}}\n'
        f"1772352002.508871089 {UP} {PHY.hex().upper()}\n"
        f"2026-03-01T08:00:03+0000 {UP} "
    ).encode() + b"\xff\x00binary\nand its rest\n2026-99-01T08:00:03+0000 a/b x\n"


def subscribed_events(_folder: Path) -> bytes:
    where = chirpstack.topic(DEV_EUI).encode()
    return b"2026-03-01T08:00:00.25Z " + where + b" " + chirpstack.as_json(event(1))


def subscribed_things(_folder: Path) -> bytes:
    return b"2026-03-01T08:00:00.25Z v3/a@t/devices/wb1/up " + json.dumps(THINGS).encode()


def subscribed_json(_folder: Path) -> bytes:
    first = {"tst": "2026-03-01T15:00:00.250000Z+0700", "topic": "khaen/priority", "qos": 1}
    lines = [
        {**first, "retain": 1, "payloadlen": 7, "payload": '{"v":1}'},
        {**first, "retain": 0, "payloadlen": 13, "payload": ""},
        {**first, "retain": 0, "payload": {"v": 2}},
        {"tst": 7, "topic": "a"},
    ]
    return "\n".join(json.dumps(line, separators=(",", ":")) for line in lines).encode()


DATED = json.dumps({**RXPK, "time": "2026-03-01T08:00:01.25Z"})
LOG = f"""\
*** Beacon Packet Forwarder for Lora Gateway ***
INFO: gateway MAC address is configured to {GATEWAY.upper()}
##### 2026-03-01 08:00:00 GMT #####
# RF packets received by concentrator: 2
JSON up: {{"rxpk":[{json.dumps(RXPK)}]}}
Mar  1 08:00:05 gw lora[1]: JSON up: {{"rxpk":[{DATED}]}}
2026-03-01T08:00:02.250Z lora: {{"rxpk": [{json.dumps(RXPK)}], "stat": {{}}}}
JSON up: {{"stat":{{"time":"2026-03-01 08:00:30 GMT","rxnb":2}}}}
JSON up: {{"rxpk":[{{"tmst":
"""


def log(_folder: Path) -> bytes:
    return LOG.encode()


def bare_log(_folder: Path) -> bytes:
    return (json.dumps({"rxpk": [{**RXPK, "time": "2026-03-01T08:00:00.25Z"}]}) * 1).encode()


def ethernet(payload: bytes, *, source: int, target: int) -> bytes:
    datagram = dpkt.udp.UDP(sport=source, dport=target, data=payload)
    datagram.ulen = len(datagram)
    packet = dpkt.ip.IP(src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", p=17, data=datagram)
    packet.len = len(packet)
    return bytes(dpkt.ethernet.Ethernet(data=packet))


def packets() -> list[tuple[datetime, bytes]]:
    web = dpkt.ip.IP(src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", p=6, data=dpkt.tcp.TCP(dport=443))
    web.len = len(web)
    arp = bytes(dpkt.ethernet.Ethernet(type=0x0806, data=bytes(28)))
    return [
        (at(0), ethernet(PUSH, source=40000, target=1700)),
        (at(1), ethernet(PUSH_ACK, source=1700, target=40000)),
        (at(2), ethernet(b"a question", source=40000, target=53)),
        (at(3), bytes(dpkt.ethernet.Ethernet(data=web))),
        (at(4), arp),
        (at(5), b"\x00\x01"),
    ]


def pcap(
    _folder: Path, *, link: int = 1, frames: list[tuple[datetime, bytes]] | None = None
) -> bytes:
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    for when, data in frames or packets():
        micros = round(when.timestamp() * 1e6)
        out += struct.pack("<IIII", micros // 10**6, micros % 10**6, len(data), len(data)) + data
    return out


def pcapng(folder: Path) -> bytes:
    path = folder / "sample.pcapng"
    with path.open("wb") as file:
        writer = dpkt.pcapng.Writer(file)
        for when, data in packets():
            writer.writepkt(data, ts=when.timestamp())
    return path.read_bytes()


OTHERS = {"other_traffic": 3, "damaged_packet": 1}
UPS = f"application/{chirpstack.APPLICATION}/device/{DEV_EUI}/event/up"
SAMPLES = {
    "capture": Sample(format="khaen", make=capture, times=(at(0), at(1), at(2)), topics=(UP,) * 3),
    "events": Sample(
        format="chirpstack",
        make=bare,
        times=(at(0), datetime(2026, 3, 1, 8, 0, 1, tzinfo=UTC), at(2)),
        topics=(UPS, f"application/unknown/device/{DEV_EUI}/event/status", UPS),
        skipped={"not_json": 2, "no_time_or_device": 1},
    ),
    "events behind topics": Sample(
        format="chirpstack", make=verbose, times=(at(0), at(1)), topics=(UPS,) * 2
    ),
    "events over lines": Sample(
        format="chirpstack", make=laid_out, times=(at(0), at(1), at(2)), topics=(UPS,) * 3
    ),
    "streamed events": Sample(format="chirpstack", make=streamed, times=(at(1),), topics=(UPS,)),
    "things": Sample(
        format="things_stack",
        make=things,
        times=(TTS_AT,) * 3,
        topics=(f"application/app1/device/{DEV_EUI}/event/up",) * 3,
        skipped={"no_uplink": 1, "bad_uplink": 1, "not_json": 1},
    ),
    "list of things": Sample(format="things_stack", make=things_list, times=(TTS_AT,) * 2),
    "mosquitto_sub": Sample(
        format="mosquitto",
        make=subscribed,
        times=(
            datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC),
            datetime(2026, 3, 1, 8, 0, 1, tzinfo=UTC),
            datetime(2026, 3, 1, 8, 0, 2, 508_871, tzinfo=UTC),
        ),
        topics=(UP, "khaen/priority", UP),
        skipped={"payload_not_printed": 1, "no_message": 1, "bad_time": 1},
    ),
    "mosquitto_sub in JSON": Sample(
        format="mosquitto",
        make=subscribed_json,
        times=(at(0), at(0)),
        topics=("khaen/priority",) * 2,
        skipped={"payload_not_printed": 1, "bad_time": 1},
    ),
    "mosquitto_sub of events": Sample(
        format="mosquitto", make=subscribed_events, times=(at(0),), topics=(UPS,)
    ),
    "mosquitto_sub of things": Sample(
        format="things_stack", make=subscribed_things, times=(TTS_AT,)
    ),
    "log": Sample(
        format="packet_forwarder",
        make=log,
        times=(datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC), at(1), at(2)),
        topics=("",) * 3,
        skipped={"statistics": 1, "not_json": 1},
    ),
    "log without a gateway": Sample(
        format="packet_forwarder", make=bare_log, times=(), skipped={"no_gateway": 1}
    ),
    "log of a known gateway": Sample(
        format="packet_forwarder", make=bare_log, times=(at(0),), gateway=GATEWAY
    ),
    "pcap": Sample(format="pcap", make=pcap, times=(at(0), at(1)), skipped=OTHERS),
    "pcapng": Sample(format="pcap", make=pcapng, times=(at(0), at(1)), skipped=OTHERS),
}
