"""What systemd and the agent tell each other: readiness, a sign of life, a socket that was kept.

sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3), whose protocols are a datagram and a few
environment variables. Without systemd all of it does nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from khaen import log
from khaen.errors import StoreUnavailable

_log = log.logger()
_FIRST_FD: Final = 3  # SD_LISTEN_FDS_START, systemd/sd-daemon.h
_MAX_STATUS: Final = 200


def notify(**facts: str | int) -> None:
    """Tell systemd, `READY=1` for `ready=1`; without it, or where it does not listen, nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    body = "\n".join(f"{key.upper()}={_one_line(value)}" for key, value in facts.items())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_systemd:
        to_systemd.setblocking(False)
        # A first @ stands for the zero byte of the abstract name space (sd_notify(3)).
        to_systemd.sendto(body.encode(), address.replace("@", "\0", 1))


def _one_line(value: str | int) -> str:
    return " ".join(str(value).split())[:_MAX_STATUS]


def watchdog_s() -> float | None:
    """How often systemd wants a sign of life, in seconds; None where it waits for none."""
    text = os.environ.get("WATCHDOG_USEC", "")
    if not text.isdigit() or int(text) == 0 or not _is_for_us("WATCHDOG_PID", absent=True):
        return None
    return int(text) / 1_000_000


async def stay_alive(answer: Callable[[], Awaitable[object]], within_s: float) -> None:
    """Give systemd its signs of life, for ever, as long as `answer` comes in time.

    sd_watchdog_enabled(3) recommends half of the time it allows, for both together.
    """
    while True:
        try:
            async with asyncio.timeout(within_s / 2):
                await answer()
        except (TimeoutError, StoreUnavailable):
            _log.error("watchdog_unanswered", within_s=within_s / 2)
        else:
            notify(watchdog=1)
        await asyncio.sleep(within_s / 4)


def take_socket() -> socket.socket | None:
    """The datagram socket that systemd keeps for us, with all that came while we were not there.

    None without one. It is the caller's from now on, and is not given twice.
    """
    count = os.environ.get("LISTEN_FDS", "")
    if not count.isdigit() or not _is_for_us("LISTEN_PID", absent=False):
        return None
    del os.environ["LISTEN_FDS"]
    for number in range(_FIRST_FD, _FIRST_FD + int(count)):
        os.set_inheritable(number, False)
        kept = socket.socket(fileno=number)
        if kept.type == socket.SOCK_DGRAM and kept.family in (socket.AF_INET, socket.AF_INET6):
            kept.setblocking(False)
            return kept
        kept.detach()
    return None


def _is_for_us(variable: str, *, absent: bool) -> bool:
    """Whether the process that a variable names is this one; `absent` is the answer without it."""
    text = os.environ.get(variable)
    return absent if text is None else text == str(os.getpid())
