"""How ChirpStack refuses: by the codes of its source, not by those that one would expect.

chirpstack/src/api/error.rs: what does not exist is NOT_FOUND and what a check refuses is
INVALID_ARGUMENT, but a row that exists already, a reference to nothing, and a key or an EUI that is
not hexadecimal are errors of the database or of parsing: INTERNAL.
"""

from __future__ import annotations

import uuid

from khaen.errors import KhaenError


class Refused(KhaenError):
    """A call that ends with a gRPC status other than OK; `code` is its name."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def not_found(key: str) -> Refused:
    """There is no such row."""
    return Refused("NOT_FOUND", f"Object does not exist (id: {key})")


def invalid(text: str) -> Refused:
    """A check refuses the request."""
    return Refused("INVALID_ARGUMENT", text)


def internal(text: str) -> Refused:
    """The database, or a parser, refuses the request."""
    return Refused("INTERNAL", text)


def parse_id(text: str) -> str:
    """A UUID as ChirpStack writes it. Raises Refused."""
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise invalid(f"invalid UUID: {error}") from error


def parse_hex(text: str, size: int) -> str:
    """So many bytes in lower-case hexadecimal digits; nothing is all zeros. Raises Refused."""
    try:
        data = bytes.fromhex(text or "00" * size)
    except ValueError as error:
        raise internal(f"invalid hexadecimal digits: {error}") from error
    if len(data) != size:
        raise internal(f"expected {size} bytes, not {len(data)}")
    return data.hex()


def parse_eui(text: str) -> str:
    """An EUI. Raises Refused."""
    return parse_hex(text, 8)


def need_name(name: str) -> None:
    """Raises Refused for an empty name."""
    if not name:
        raise invalid("Validation error: name is not set")
