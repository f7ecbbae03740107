"""Why a record is not sent."""

from __future__ import annotations

from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError as ProtobufError

from khaen.errors import WireError

BROKEN = (
    ValueError, TypeError, AttributeError, OverflowError, RecursionError, ProtobufError, ParseError,
    WireError,
)  # fmt: skip
"""What comes of reading bytes that are not what their topic says."""


class Skip(Exception):
    """A record that is left out; `reason` is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
