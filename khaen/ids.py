"""Identities, parsed once at the border into their own types.

An EUI is 16, a DevAddr 8 lower-case hexadecimal digits, most significant first. Ids of sites,
organisations, places, subjects and rules are slugs.
"""

from __future__ import annotations

import re
from typing import NewType
from uuid import UUID

DevEui = NewType("DevEui", str)
GatewayEui = NewType("GatewayEui", str)
DevAddr = NewType("DevAddr", str)
Epoch = NewType("Epoch", str)
"""One life of a gateway's outbox: 16 lower-case hexadecimal digits."""
OrganisationId = NewType("OrganisationId", str)
PlaceId = NewType("PlaceId", str)
SubjectId = NewType("SubjectId", str)
"""Who or what a reading is about: `person:R-0012`, `device:a81758fffe000001`, `gateway:…`."""
UplinkId = NewType("UplinkId", UUID)
AlarmId = NewType("AlarmId", UUID)

_EUI = re.compile(r"[0-9a-f]{16}")
_DEV_ADDR = re.compile(r"[0-9a-f]{8}")
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def _hex(text: str, pattern: re.Pattern[str], what: str) -> str:
    plain = text.strip().replace("-", "").replace(":", "").lower()
    if not pattern.fullmatch(plain):
        raise ValueError(f"{what} {text!r} is not {pattern.pattern.split('{')[1][:-1]} hex digits")
    return plain


def parse_dev_eui(text: str) -> DevEui:
    """Return the DevEUI; separators and upper case are taken. Raises ValueError."""
    return DevEui(_hex(text, _EUI, "DevEUI"))


def parse_gateway_eui(text: str) -> GatewayEui:
    """Return the gateway's EUI; separators and upper case are taken. Raises ValueError."""
    return GatewayEui(_hex(text, _EUI, "gateway EUI"))


def parse_dev_addr(text: str) -> DevAddr:
    """Return the DevAddr; separators and upper case are taken. Raises ValueError."""
    return DevAddr(_hex(text, _DEV_ADDR, "DevAddr"))


def parse_epoch(text: str) -> Epoch:
    """Return the epoch, 16 hexadecimal digits. Raises ValueError."""
    return Epoch(_hex(text, _EUI, "epoch"))


def parse_slug(text: str) -> str:
    """Return `text` if it is an id: 1 to 64 letters, digits, `_`, `.`, `-`. Raises ValueError."""
    if not _SLUG.fullmatch(text):
        raise ValueError(f"{text!r} is not an id: 1 to 64 letters, digits, '_', '.', '-'")
    return text


def person(subject: str) -> SubjectId:
    """The subject that is a person, by opaque id."""
    return SubjectId(f"person:{subject}")


def device_subject(dev_eui: DevEui) -> SubjectId:
    """The subject of a device that nobody wears: itself."""
    return SubjectId(f"device:{dev_eui}")


def gateway_subject(gateway: GatewayEui, organisation: OrganisationId | None = None) -> SubjectId:
    """The subject of alarms about a gateway: as it concerns its own organisation, or another."""
    return SubjectId(f"gateway:{gateway}" + (f"@{organisation}" if organisation else ""))


def parse_gateway_subject(subject: SubjectId) -> tuple[GatewayEui, OrganisationId | None]:
    """The gateway of such a subject, and the other organisation, if it is one's."""
    eui, _, organisation = subject.partition(":")[2].partition("@")
    return GatewayEui(eui), OrganisationId(organisation) if organisation else None
