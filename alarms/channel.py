"""What a channel to people is. Each is a module of `alarms.channels` with the constant CHANNEL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import UUID

from khaen import plugins
from khaen.alarm import Alarm
from khaen.errors import ChannelFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be told. `key` is the same at every try, so that a receiver knows a repeat.

    A channel says which alarm it is, never about whom: names and health data stay behind the
    sign-in that `link` leads to.
    """

    key: UUID
    alarm: Alarm
    step: int
    round: int
    attempt: int
    link: str
    """A path of the console, or its whole address where `console.public_url` is set."""


class Channel(ABC):
    """A way to people. `safe` ones reach nobody real, and so serve simulated organisations too.

    `addressed` channels need the lines of an address's secret file.
    """

    name: str
    safe: bool = False
    addressed: bool = True

    @abstractmethod
    async def send(self, message: Message, target: Sequence[str]) -> None:
        """Hand the message over. Raises ChannelFailed; the caller sets the time limit."""


@cache
def channels() -> dict[str, Channel]:
    """All channels by name. Raises SettingsError for a module that is none."""
    return plugins.load_all(
        "alarms.channels",
        "CHANNEL",
        Channel,  # type: ignore[type-abstract] # only asked whether a constant is one
        lambda channel: channel.name,
    )


def read_target(url_file: str) -> tuple[str, ...]:
    """The lines of an address's secret file. Raises ChannelFailed, without what stands in it."""
    try:
        lines = Path(url_file).read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise ChannelFailed(f"url_file: {error.strerror}", retryable=False) from error
    except UnicodeDecodeError as error:
        raise ChannelFailed("url_file: is not text", retryable=False) from error
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise ChannelFailed("url_file: is empty", retryable=False)
    return found
