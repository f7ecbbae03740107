"""Lansitec's bracelets, which Bluetooth carries to a relay: many wearers in one frame.

Source: the "Bracelet" message (type 9) of the manual of the Smart LoRaWAN Bluetooth Gateway, and
that of type C in ThingsBoard's device library, lansitec/chirpstack/helmet-sensor-uplink-converter.
The high half of byte 0 is the type. Numbers are big-endian.

A relay's frame is cut into pieces, one for each bracelet: the byte of the type, then the
bracelet's own. A bracelet's EUI-64 is made of its MAC address with ff:fe in the middle, as in
RFC 4291, appendix A, but without inverting the bit for universal addresses: it stays legible.
"""

from __future__ import annotations

from collections.abc import Iterator

from decoders.family import Piece
from khaen.ids import DevEui

SHORT, LONG = 0x9, 0xC
"""Types of the message of bracelets."""
SHORT_LENGTH, LONG_LENGTH = 16, 21
MAC_LENGTH = 6
NIBBLE = 0x0F


def message(payload: bytes) -> int | None:
    """The type of a relay's message; None for no bytes."""
    return payload[0] >> 4 if payload else None


def split_short(_f_port: int, payload: bytes) -> tuple[Piece, ...]:
    """The bracelets of a message of type 9, as many as the low half of byte 0 says."""
    if message(payload) != SHORT:
        return ()
    return tuple(_pieces(payload, 1, SHORT_LENGTH, payload[0] & NIBBLE))


def split_long(_f_port: int, payload: bytes) -> tuple[Piece, ...]:
    """The bracelets of a message of type C, as many as byte 1 says."""
    if message(payload) != LONG or len(payload) < 2:
        return ()
    return tuple(_pieces(payload, 2, LONG_LENGTH, payload[1]))


def dev_eui(mac: bytes) -> DevEui:
    """The EUI-64 that a bracelet is registered by."""
    return DevEui((mac[:3] + b"\xff\xfe" + mac[3:]).hex())


def _pieces(payload: bytes, at: int, length: int, count: int) -> Iterator[Piece]:
    """Only whole pieces: half of a wearer's numbers could be another's."""
    for start in range(at, at + count * length, length):
        piece = payload[start : start + length]
        if len(piece) == length:
            yield dev_eui(piece[:MAC_LENGTH]), payload[:1] + piece
