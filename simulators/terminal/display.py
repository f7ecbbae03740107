"""Where a running simulation is seen: the whole screen of a terminal, else a line now and then."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from simulators.terminal.keyboard import Keyboard
from simulators.terminal.picture import Happening, Picture
from simulators.terminal.view import conclude, render, render_happening, summarise

_PLAIN_EACH_S: Final = 5.0


class Display:
    """A context manager while the view is shown. `plain` asks for lines on a terminal too."""

    def __init__(self, *, plain: bool = False) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self.keyboard: Keyboard | None = None
        self._whole = self.console.is_terminal and not plain
        self._live: Live | None = None
        self._last: Picture | None = None
        self._next_plain = 0.0

    def __enter__(self) -> Self:
        if self._whole:
            self._live = Live(
                console=self.console, screen=True, auto_refresh=False, vertical_overflow="crop"
            )
            self._live.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._last is not None:
            for line in conclude(self._last):
                self.say(line)

    def say(self, text: str) -> None:
        """One line, where the view does not fill the screen."""
        if self._live is None:
            self.console.print(Text(text))

    def tell(self, happening: Happening) -> None:
        """A happening; on a whole screen the picture has it."""
        self.say(render_happening(happening))

    def show(self, picture: Picture) -> None:
        """The picture as it is now."""
        self._last = picture
        if self._live is not None:
            self.refresh()
        elif picture.seconds >= self._next_plain:
            self._next_plain = picture.seconds + _PLAIN_EACH_S
            self.say(summarise(picture))

    def refresh(self) -> None:
        """Show the last picture again, with what is being typed."""
        if self._live is not None and self._last is not None:
            typed = "" if self.keyboard is None else self.keyboard.typed
            self._live.update(render(self._last, self.console, typed=typed), refresh=True)
