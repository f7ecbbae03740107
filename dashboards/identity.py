"""Names that stay the same however often dashboards are generated, so that links survive."""

from __future__ import annotations

import hashlib
import re
import zlib

UID_LENGTH = 40  # Grafana's limit


def uid(*parts: str) -> str:
    """Grafana's uid of something of a site: letters, digits, `-`, `_`; at most 40 of them.

    What must be replaced or cut is made up for by a digest of the whole.
    """
    whole = "-".join(("khaen", *parts))
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", whole)
    if plain == whole and len(whole) <= UID_LENGTH:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{plain[: UID_LENGTH - 9]}-{digest}"


def panel_id(name: str) -> int:
    """A panel's number by its name, not by its place: a new panel renumbers no other."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF or 1
