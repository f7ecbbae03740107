"""The way between a client and the broker in a virtual world; it can be cut as a real one can."""

from __future__ import annotations

from collections.abc import Callable

from simulators.link import Fault


class VirtualLink:
    """`on_change` is called after each cut and restore."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self._listeners: list[Callable[[], None]] = []

    def listen(self, on_change: Callable[[], None]) -> None:
        """Be told when it changes."""
        self._listeners.append(on_change)

    @property
    def whole(self) -> bool:
        """Whether anything comes through."""
        return self.fault is None

    def cut(self, fault: Fault = Fault.REFUSE) -> None:
        """Break it until `restore`."""
        self._set(fault)

    def restore(self) -> None:
        """Let everything through again; what a black hole held comes late."""
        self._set(None)

    def _set(self, fault: Fault | None) -> None:
        if fault is not self.fault:
            self.fault = fault
            for tell in list(self._listeners):
                tell()
