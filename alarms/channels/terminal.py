"""A line on the program's standard output: for a demonstration, or a screen on the wall."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from alarms.channel import Channel, Message
from khaen.clock import format_time
from khaen.errors import ChannelFailed


class Terminal(Channel):
    """Prints; reaches nobody, so it is safe for simulated organisations."""

    name = "terminal"
    safe = True
    addressed = False

    async def send(self, message: Message, target: Sequence[str]) -> None:
        """Print one line. Raises ChannelFailed when nobody takes the output any more."""
        del target
        try:
            print(render(message), flush=True, file=sys.stdout)
        except OSError as error:
            raise ChannelFailed(f"standard output: {error.strerror}", retryable=False) from error


def render(message: Message) -> str:
    """The line; ซ้อม marks what is simulated."""
    alarm = message.alarm
    words = [
        *(["[ซ้อม]"] if alarm.simulated else []),
        f"P{int(alarm.priority)}",
        alarm.rule,
        f"organisation={alarm.organisation}",
        f"alarm={alarm.id}",
        f"event_at={format_time(alarm.event_at)}",
        *(["late"] if alarm.late else []),
        f"step={message.step}",
        f"round={message.round}",
        message.link,
    ]
    return " ".join(words)


CHANNEL = Terminal()
