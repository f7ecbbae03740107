"""Session keys of ABP devices. They stand in a file of their own, which only its owner reads."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from khaen.ids import DevEui, parse_dev_eui
from khaen.lorawan.join import SessionKeys

HEADER = ("dev_eui", "nwk_s_key", "app_s_key")
KEY_SIZE = 16


def generate(devices: Iterable[DevEui]) -> dict[DevEui, SessionKeys]:
    """Fresh random keys, one pair for each device."""
    return {
        dev_eui: SessionKeys(nwk_s_key=os.urandom(KEY_SIZE), app_s_key=os.urandom(KEY_SIZE))
        for dev_eui in devices
    }


def write(path: Path, keys: Mapping[DevEui, SessionKeys]) -> None:
    """Write a keys file, mode 0600, whole or not at all. Raises OSError."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(HEADER)
        for dev_eui, pair in sorted(keys.items()):
            rows.writerow((dev_eui, pair.nwk_s_key.hex(), pair.app_s_key.hex()))
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def is_private(path: Path) -> bool:
    """Whether nobody but the file's owner may read or write it. Raises OSError."""
    return not stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)


def parse_pair(dev_eui: str, nwk_s_key: str, app_s_key: str) -> tuple[DevEui, SessionKeys]:
    """One row of the file. Raises ValueError, whose text holds no key."""
    return parse_dev_eui(dev_eui), SessionKeys(
        nwk_s_key=_parse_key(nwk_s_key, "nwk_s_key"), app_s_key=_parse_key(app_s_key, "app_s_key")
    )


def _parse_key(text: str, name: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise ValueError(f"{name} is not {2 * KEY_SIZE} hexadecimal digits")
    return key
