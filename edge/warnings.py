"""What a person should know of an agent: short codes, said aloud in its status."""

from __future__ import annotations

from collections.abc import Callable, Iterator


class Warnings:
    """A set of codes; `listener` is called whenever it becomes another."""

    def __init__(self, listener: Callable[[], None] = lambda: None) -> None:
        self.listener = listener
        self._codes: set[str] = set()

    def __contains__(self, code: object) -> bool:
        return code in self._codes

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._codes))

    def add(self, code: str) -> None:
        """Warn of `code` (`twin_agent`, `disk_low`, …) from now on."""
        self.put(code, present=True)

    def discard(self, code: str) -> None:
        """Warn of it no more."""
        self.put(code, present=False)

    def put(self, code: str, *, present: bool) -> None:
        """Warn of `code` exactly while it is `present`."""
        if present is not (code in self._codes):
            (self._codes.add if present else self._codes.discard)(code)
            self.listener()
