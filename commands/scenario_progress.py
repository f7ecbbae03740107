"""How far a scenario's virtual time is: on a terminal, where it takes longer than a moment."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress

_QUIET_S: Final = 2.0
"""A run that is over by then shows nothing."""


class Bar:
    """A bar on standard error with the time left; nothing where that is no terminal."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name, self._seconds = name, seconds
        self._from = time.monotonic() + _QUIET_S
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.hide()

    def show(self, now: float) -> None:
        """It is `now` virtual seconds after the start."""
        if self._progress is None:
            if time.monotonic() < self._from:
                return
            self._progress = _make(self._name, self._seconds)
        if not self._progress.finished and not self._progress.live.is_started:
            self._progress.start()
        self._progress.update(self._progress.task_ids[0], completed=now)

    def hide(self) -> None:
        """Take it away, so that a line can be printed; the next `show` brings it back."""
        if self._progress is not None:
            self._progress.stop()


def _make(name: str, seconds: float) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=False,
    )
    progress.add_task(f"ซ้อม simulated {name}", total=seconds)
    return progress
