"""pcap and pcapng of the traffic between packet forwarders and agents: UDP, port 1700.

Any other packet is counted and skipped, a fragment too: a PUSH_DATA fits an Ethernet frame unless
it holds very many frames.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import dpkt

from khaen.capture import CaptureError, Record, Road
from simulators.recording import Format, Source

PORT: Final = 1700
_MAGICS = (
    b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1",
    b"\x0a\x0d\x0d\x0a",
)  # fmt: skip
_RAW = (12, 14, 101, 228, 229)
"""Link types without a link layer: DLT_RAW of two systems, LINKTYPE_RAW, _IPV4, _IPV6."""
_LINKS: dict[int, Callable[[bytes], Any]] = {
    0: dpkt.loopback.Loopback,
    1: dpkt.ethernet.Ethernet,
    108: dpkt.loopback.Loopback,
    113: dpkt.sll.SLL,
    276: dpkt.sll2.SLL2,
}
_VERSIONS, _SHORTEST, _WITH_EUI = (1, 2), 4, 12
_OF_GATEWAYS, _ANSWERS = (0, 2, 5), (1, 3, 4)
"""PUSH_DATA, PULL_DATA and TX_ACK, which hold an EUI; PUSH_ACK, PULL_RESP and PULL_ACK."""
_BROKEN = (
    dpkt.Error, ValueError, struct.error, IndexError, KeyError, TypeError, AttributeError,
    OverflowError, OSError, RecursionError,
)  # fmt: skip
"""What a parser of others makes of bytes that are no packet."""


def _fits(head: bytes) -> bool:
    return head.startswith(_MAGICS)


def _read(source: Source) -> Iterator[Record]:
    try:
        packets = dpkt.pcap.UniversalReader(source.file)
        link = packets.datalink()
    except _BROKEN as error:
        raise CaptureError(
            f"{source.path}: is no pcap, or its head is cut off: nothing of it can be read; "
            "take the whole file anew"
        ) from error
    if link not in _LINKS and link not in _RAW:
        raise CaptureError(
            f"{source.path}: packets of link type {link} cannot be read; record an Ethernet or "
            "cooked interface: tcpdump -i any -w FILE udp port 1700"
        )
    each = iter(packets)
    while True:
        try:
            seconds, data = next(each)
        except StopIteration:
            return
        except _BROKEN:
            source.told.append(f"{source.path}: the end is cut off or damaged")
            return
        record = _record(seconds, data, link, source)
        if record is not None:
            yield record


def _record(seconds: Any, data: bytes, link: int, source: Source) -> Record | None:
    try:
        packet = _unwrap(data, link)
        if packet is None:
            source.skipped["other_traffic"] += 1
            return None
        at = datetime.fromtimestamp(float(seconds), UTC)
    except _BROKEN:
        source.skipped["damaged_packet"] += 1
        return None
    if isinstance(packet, str):
        source.skipped[packet] += 1
        return None
    road = Road.UDP_UP if packet.dport == PORT else Road.UDP_DOWN
    return Record(at=at, road=road, payload=bytes(packet.data), qos=0)


def _unwrap(data: bytes, link: int) -> Any:
    """The UDP datagram of our port, the reason why it cannot be taken, or None for another."""
    packet = _ip(data) if link in _RAW else _LINKS[link](data).data
    if isinstance(packet, dpkt.ip.IP):
        if packet.p == dpkt.ip.IP_PROTO_UDP and (packet.mf or packet.offset):
            return "fragment"
    elif not isinstance(packet, dpkt.ip6.IP6):
        return None
    datagram = packet.data
    if not isinstance(datagram, dpkt.udp.UDP) or PORT not in (datagram.sport, datagram.dport):
        return None
    if len(datagram.data) < datagram.ulen - 8:
        return "cut_short"
    if not _is_semtech(bytes(datagram.data)):
        return "not_semtech_udp"
    return datagram


def _is_semtech(data: bytes) -> bool:
    """Whether a datagram begins as Semtech's PROTOCOL.TXT, sections 3 and 5, says."""
    if len(data) < _SHORTEST or data[0] not in _VERSIONS:
        return False
    return data[3] in _ANSWERS or (data[3] in _OF_GATEWAYS and len(data) >= _WITH_EUI)


def _ip(data: bytes) -> Any:
    return dpkt.ip6.IP6(data) if data and data[0] >> 4 == 6 else dpkt.ip.IP(data)


FORMAT = Format(name="pcap", fits=_fits, read=_read)
