"""What a capture says of itself, in its first block."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from khaen.capture.block import Damaged
from khaen.clock import format_time, parse_time

_UNKNOWN = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`recorded` names what was listened to: topic filters, or the two ends of a tap.

    `simulated` says that nobody in it is real. `part` counts the files of one recording from 1.
    """

    tool: str
    began: datetime
    recorded: tuple[str, ...] = ()
    site: str | None = None
    simulated: bool = False
    part: int = 1


NO_HEADER = Header(tool="", began=_UNKNOWN)
"""Of a capture whose first block is damaged."""


def render(header: Header) -> bytes:
    """The header's block's body: JSON."""
    return json.dumps(
        {
            "tool": header.tool,
            "began": format_time(header.began),
            "recorded": list(header.recorded),
            "site": header.site,
            "simulated": header.simulated,
            "part": header.part,
        },
        separators=(",", ":"),
    ).encode()


def parse(body: bytes) -> Header:
    """What a header's body says; keys that are not known are passed over. Raises Damaged."""
    try:
        document = json.loads(body)
        site = document.get("site")
        return Header(
            tool=str(document["tool"]),
            began=parse_time(document["began"]),
            recorded=tuple(str(name) for name in document.get("recorded", ())),
            site=None if site is None else str(site),
            simulated=document.get("simulated") is True,
            part=int(document.get("part", 1)),
        )
    except (
        ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError
    ) as error:  # fmt: skip
        raise Damaged("the header is none") from error
