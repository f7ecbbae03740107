"""Facts of the machine: its boot, its identity, who keeps its clock, its warmth and power."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass, field
from pathlib import Path

_STA_UNSYNC, _STA_NANO = 0x0040, 0x2000  # linux/timex.h
_TIME_ERROR = 5  # linux/timex.h: adjtimex says that the clock is not synchronised
_TIMEX_BYTES = 512  # struct timex has 208 bytes on 64-bit Linux, fewer on 32-bit
_MACHINE_ID = Path("/etc/machine-id")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")
_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_UNDER_VOLTAGE = 0x1_0001  # Raspberry Pi, vcgencmd get_throttled: bit 0 now, bit 16 since the boot
_SLICES = (Path("/sys/fs/cgroup/system.slice"), Path("/sys/fs/cgroup/systemd/system.slice"))
_KEEPERS = {
    "chrony": "chrony",
    "chronyd": "chrony",
    "systemd-timesyncd": "timesyncd",
    "ntpsec": "ntpd",
    "ntpd": "ntpd",
    "ntp": "ntpd",
    "openntpd": "ntpd",
}
"""systemd's units that keep a clock; a unit has a control group exactly while it runs."""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelClock:
    """What the kernel says of its clock (adjtimex(2)), in milliseconds.

    `offset_ms` is what is still to be corrected; `error_ms` the greatest error there can be.
    """

    kept: bool
    offset_ms: float
    error_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The machine; tests make another."""

    machine_id: str = field(default_factory=lambda: _read(_MACHINE_ID))
    boot_id: str = field(default_factory=lambda: _read(_BOOT_ID))

    def boot_us(self) -> int:
        """Microseconds since the machine was started, sleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    def kernel_clock(self) -> KernelClock:
        """The state of the kernel's clock; asking needs no privilege."""
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        state = _libc().adjtimex(buffer)
        # modes (an int, padded), offset, freq, maxerror, esterror, status (an int, padded).
        words = (ctypes.c_long * 6).from_buffer(buffer)
        status = ctypes.c_int.from_buffer(buffer, 5 * ctypes.sizeof(ctypes.c_long)).value
        return KernelClock(
            kept=0 <= state < _TIME_ERROR and not status & _STA_UNSYNC,
            offset_ms=words[1] / (1_000_000 if status & _STA_NANO else 1000),
            error_ms=words[3] / 1000,
        )

    def synchronised(self) -> bool:
        """Whether the kernel says that somebody keeps its clock true."""
        return self.kernel_clock().kept

    def clock_keeper(self) -> str:
        """Who keeps the clock, as far as systemd knows: `chrony`, …; empty where nobody is seen."""
        for unit, keeper in _KEEPERS.items():
            if any((part / f"{unit}.service").is_dir() for part in _SLICES):
                return keeper
        return ""

    def temperature(self) -> float | None:
        """The processor's warmth in °C, where the machine tells it."""
        text = _read(_TEMPERATURE)
        return int(text) / 1000 if text.lstrip("-").isdigit() else None

    def under_voltage(self) -> bool | None:
        """Whether a Raspberry Pi's supply was too weak since the boot; None on other machines."""
        try:
            return bool(int(_read(_THROTTLED), 16) & _UNDER_VOLTAGE)
        except ValueError:
            return None


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
