"""What whoever runs a simulation should know before trusting it, each said once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from simulators.terminal.picture import GatewayLine, Picture

_PATIENCE_S: Final = 5.0
"""An agent on this machine or in this country acknowledges within a fraction of it."""
_BEHIND_S: Final = 2.0
_FEW: Final = 200
"""Fewer frames say nothing of how many are heard."""


class Warnings:
    """Looks at each picture of one run."""

    def __init__(self) -> None:
        self._first_sent: float | None = None
        self._said: set[str] = set()

    def look(self, picture: Picture) -> Iterator[str]:
        """What is to be said now and was not before."""
        for topic, text in (
            ("agents", self._unanswered(picture)),
            ("crowd", warn_of_crowd(picture.frames, picture.unheard)),
            ("behind", warn_of_delay(picture.behind)),
        ):
            if text and topic not in self._said:
                self._said.add(topic)
                yield text

    def _unanswered(self, picture: Picture) -> str:
        if self._first_sent is None and any(gateway.sent for gateway in picture.gateways):
            self._first_sent = picture.seconds
        if self._first_sent is None or picture.seconds < self._first_sent + _PATIENCE_S:
            return ""
        return warn_of_silence(picture.gateways)


def warn_of_silence(gateways: tuple[GatewayLine, ...]) -> str:
    """Which gateways' frames no agent acknowledged at all; empty where there are none."""
    names = [gateway.short for gateway in gateways if gateway.sent and not gateway.acked]
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (
        f"no agent acknowledges what {', '.join(names[:3])}{more} sends: does one listen at the "
        "address of --agents or --udp?"
    )


def warn_of_crowd(frames: int, unheard: int) -> str:
    """A site with too few gateways for what its devices say; empty where most is heard."""
    if frames < _FEW or unheard * 2 <= frames:
        return ""
    return (
        f"{unheard / frames:.0%} of frames are heard by nobody, for they collide or are too far "
        "from a gateway: give the site more --gateways, or a longer --each"
    )


def warn_of_delay(behind: float) -> str:
    """A machine that cannot keep up; empty for less than two seconds."""
    if behind < _BEHIND_S:
        return ""
    return f"falls behind, by {behind:.0f} s now: this machine cannot simulate so much so fast"
