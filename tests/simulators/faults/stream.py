"""A stream of datagrams of two gateways that hear two devices, one message a second."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

from khaen.capture import Record, Road
from khaen.clock import format_time
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan import frame as lorawan
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame
from simulators.frames import frames

START = datetime(2026, 3, 1, 4, tzinfo=UTC)
NEAR, FAR = GatewayEui("024b0bfffe010101"), GatewayEui("024b0bfffe010102")
FIRST, SECOND = DevEui("a81758fffe000001"), DevEui("a81758fffe000002")
CIPHERS = {
    eui: SessionCipher(dev_addr=DevAddr(address), nwk_s_key=key * 16, app_s_key=key * 16)
    for eui, address, key in ((FIRST, "26011f01", b"\x01"), (SECOND, "26011f02", b"\x02"))
}


def datagram(
    f_cnt: int, at: float, *, device: DevEui = FIRST, gateway: GatewayEui = NEAR, token: int = 0
) -> Record:
    """A device's message as a gateway pushes it, `at` seconds after the start."""
    phy = CIPHERS[device].seal_uplink(f_cnt=f_cnt, f_port=2, payload=b"\x01%d" % f_cnt, adr=True)
    when = START + timedelta(seconds=at)
    document = {
        "rxpk": [
            {
                "tmst": round(at * 1e6) & 0xFFFF_FFFF,
                "time": format_time(when),
                "stat": 1,
                "rssi": -90,
                "lsnr": 7.5,
                "size": len(phy),
                "data": base64.b64encode(phy).decode(),
            }
        ]
    }
    head = b"\x02" + token.to_bytes(2, "little") + b"\x00" + bytes.fromhex(gateway)
    return Record(at=when, road=Road.UDP_UP, payload=head + json.dumps(document).encode())


def pull(at: float, gateway: GatewayEui = NEAR) -> Record:
    """A PULL_DATA, by which a forwarder says that it is alive."""
    when = START + timedelta(seconds=at)
    return Record(at=when, road=Road.UDP_UP, payload=b"\x02\0\0\x02" + bytes.fromhex(gateway))


def stream(count: int, **facts: object) -> list[Record]:
    """One message a second, every one different."""
    return [datagram(i, float(i), token=i & 0xFFFF, **facts) for i in range(count)]  # type: ignore[arg-type]


def seconds(record: Record) -> float:
    """When a record passed."""
    return (record.at - START) / timedelta(seconds=1)


def counters(*records: Record, device: DevEui = FIRST) -> list[int]:
    """The counters of frames, which its session must open."""
    found = []
    for record in records:
        for frame in frames(record):
            assert frame.phy is not None
            data = lorawan.parse(frame.phy)
            assert isinstance(data, DataFrame)
            assert CIPHERS[device].verify(data, data.f_cnt16)
            found.append(data.f_cnt16)
    return found
