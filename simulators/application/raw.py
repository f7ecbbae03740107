"""What devices said and nothing more: a line of JSON each, or bytes with their length before them.

A line has `at`, `dev_eui`, `f_port`, `f_cnt`, `payload` in hexadecimal digits, `gateways` with
`eui`, `rssi` in dBm and `snr` in dB, and `origin`. The bytes begin with `MAGIC` once; then come
for each uplink, most significant byte first: the length of what follows (2), DevEUI (8), time in
microseconds since 1970 (8), frame counter (4), port (1), and the payload.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Final

from khaen.clock import format_time, to_micros
from khaen.uplink import Origin
from simulators.application.form import Event, Uplink

MAGIC: Final = b"khaen simulated\n"
HEAD: Final = struct.Struct(">8sQIB")
LENGTH: Final = struct.Struct(">H")


class RawLines:
    """One line of JSON for each uplink."""

    def write(self, uplink: Uplink) -> Iterator[Event]:
        """The line of an uplink, without its end."""
        document = {
            "at": format_time(uplink.at),
            "dev_eui": uplink.subject.dev_eui,
            "f_port": uplink.f_port,
            "f_cnt": uplink.f_cnt,
            "payload": uplink.payload.hex(),
            "gateways": [
                {"eui": hearing.gateway_eui, "rssi": hearing.rssi, "snr": hearing.snr}
                for hearing in uplink.hearings
            ],
            "origin": Origin.SIMULATED.value,
        }
        yield Event(uplink.at, "", json.dumps(document, separators=(",", ":")).encode())


class RawBytes:
    """Bytes with their length before them."""

    def write(self, uplink: Uplink) -> Iterator[Event]:
        """The bytes of an uplink."""
        head = HEAD.pack(
            bytes.fromhex(uplink.subject.dev_eui),
            to_micros(uplink.at),
            uplink.f_cnt,
            uplink.f_port,
        )
        length = LENGTH.pack(len(head) + len(uplink.payload))
        yield Event(uplink.at, "", length + head + uplink.payload)
