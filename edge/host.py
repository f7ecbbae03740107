"""Facts of the machine: its boot, its identity, whether its clock is kept true, its warmth."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass, field
from pathlib import Path

_STA_UNSYNC = 0x0040  # linux/timex.h
_TIME_ERROR = 5  # linux/timex.h: adjtimex says that the clock is not synchronised
_TIMEX_BYTES = 512  # struct timex has 208 bytes on 64-bit Linux, fewer on 32-bit
_MACHINE_ID = Path("/etc/machine-id")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The machine; tests make another."""

    machine_id: str = field(default_factory=lambda: _read(_MACHINE_ID))
    boot_id: str = field(default_factory=lambda: _read(_BOOT_ID))

    def boot_us(self) -> int:
        """Microseconds since the machine was started, sleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    def synchronised(self) -> bool:
        """Whether the kernel says that somebody keeps its clock true (adjtimex, unprivileged)."""
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        state = _libc().adjtimex(buffer)
        word = ctypes.sizeof(ctypes.c_long)
        # modes (an int, padded), offset, freq, maxerror, esterror: then comes status, an int.
        status = ctypes.c_int.from_buffer(buffer, 5 * word).value
        return 0 <= state < _TIME_ERROR and not status & _STA_UNSYNC

    def temperature(self) -> float | None:
        """The processor's warmth in °C, where the machine tells it."""
        text = _read(_TEMPERATURE)
        return int(text) / 1000 if text.lstrip("-").isdigit() else None


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
