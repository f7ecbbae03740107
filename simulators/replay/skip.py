"""Why a record is not sent."""

from __future__ import annotations

from typing import Final

from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError as ProtobufError

from khaen.errors import WireError

BROKEN = (
    ValueError, TypeError, AttributeError, OverflowError, RecursionError, ProtobufError, ParseError,
    WireError,
)  # fmt: skip
"""What comes of reading bytes that are not what their topic says."""


FAMILY_UNKNOWN: Final = "family_not_known"
"""Of a device whose family no site file names, so that nobody knows what it gives away."""
NOT_OF_THE_SITE: Final = "not_of_the_site"
_JOINS: Final = frozenset({0, 6})
"""MType of join and rejoin requests: LoRaWAN 1.1, table 15 (1.0.4 reserves 6)."""


class Skip(Exception):
    """A record that is left out; `reason` is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_join(phy: bytes) -> bool:
    """Whether a PHYPayload asks to join, however it goes on."""
    return bool(phy) and phy[0] >> 5 in _JOINS
