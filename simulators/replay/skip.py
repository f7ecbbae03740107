"""Why a record is not sent."""

from __future__ import annotations


class Skip(Exception):
    """A record that is left out; `reason` is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
