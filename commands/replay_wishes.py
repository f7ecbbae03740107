"""What was asked of `khaen replay`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for on the command line."""

    capture: Path
    to: str
    config: Path
    username: str
    password_file: Path | None
    ca_file: Path | None
    speed: str | None
    shift: str | None
    since: str | None
    until: str | None
    devices: tuple[str, ...]
    gateways: tuple[str, ...]
    families: tuple[str, ...]
    roads: tuple[str, ...]
    site: Path | None
    keys: Path | None
    into: Path | None
    map_file: Path | None
    anonymise: Path | None
    site_out: Path | None
    loop: int
    count_on: bool
    faults: tuple[str, ...]
    seed: int
    format_name: str | None
    zone: str
    as_gateway: str | None
