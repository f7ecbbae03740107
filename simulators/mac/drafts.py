"""What fits into the next frame: a message, and what is to be answered to the network.

Sizes are those of the data rate under the dwell time that binds (RP002-1.0.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from khaen.lorawan.frame import MAX_F_OPTS, MIC_SIZE
from khaen.lorawan.mac import Cid, Command, render
from khaen.lorawan.region import DATA_RATES, DataRate, max_payload
from simulators.devices.device import Message
from simulators.mac.settings import Settings

_HEADER: Final = 8
"""MHDR, DevAddr, FCtrl, FCnt."""
_LINK_CHECK: Final = Command(Cid.LINK_CHECK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A frame before it is sealed; `carried` of the commands that waited are in it."""

    data_rate: DataRate
    message: Message | None = None
    f_port: int | None = None
    payload: bytes = b""
    f_opts: bytes = b""
    carried: int = 0

    @property
    def size(self) -> int:
        """Bytes of PHYPayload."""
        port = 0 if self.f_port is None else 1
        return _HEADER + len(self.f_opts) + port + len(self.payload) + MIC_SIZE


def draft_call(message: Message, commands: Sequence[Command], settings: Settings) -> Draft | None:
    """The message with as many commands as fit beside it; None where it does not fit alone."""
    rate = DATA_RATES[settings.data_rate]
    room = max_payload(rate.index, dwell=settings.uplink_dwell) - len(message.payload)
    if room < 0:
        return None
    fitting = _fitting(commands, min(room, MAX_F_OPTS))
    return Draft(
        data_rate=rate,
        message=message,
        f_port=message.f_port,
        payload=message.payload,
        f_opts=render(commands[:fitting]),
        carried=fitting,
    )


def draft_report(message: Message, commands: Sequence[Command], settings: Settings) -> Draft | None:
    """The message with all commands; where they do not fit together, the commands first.

    None where the message does not fit alone.
    """
    draft = draft_call(message, commands, settings)
    if draft is None or draft.carried == len(commands):
        return draft
    return draft_commands(commands, settings)


def draft_commands(commands: Sequence[Command], settings: Settings) -> Draft:
    """A frame of commands alone: in FOpts, on port 0 where they are too many, empty without any.

    It asks for a link check, so that the network answers and what is repeated until then ends.
    """
    rate = DATA_RATES[settings.data_rate]
    room = max_payload(rate.index, dwell=settings.uplink_dwell)
    if commands:
        commands = [*commands, _LINK_CHECK]
    if len(render(commands)) <= min(room, MAX_F_OPTS):
        return Draft(data_rate=rate, f_opts=render(commands), carried=len(commands))
    fitting = _fitting(commands, room)
    return Draft(data_rate=rate, f_port=0, payload=render(commands[:fitting]), carried=fitting)


def _fitting(commands: Sequence[Command], room: int) -> int:
    """How many of the first commands fit into `room` bytes."""
    size = 0
    for number, command in enumerate(commands):
        size += 1 + len(command.body)
        if size > room:
            return number
    return len(commands)
