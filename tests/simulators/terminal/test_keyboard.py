"""Typed lines: from a real pseudo-terminal, a pipe and a file; the terminal stays as it was."""

from __future__ import annotations

import asyncio
import os
import pty
import termios
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from simulators.terminal.keyboard import Keyboard
from tests.simulators.agent import until


class Typist:
    """One end of a descriptor that a keyboard reads at the other."""

    def __init__(self, reading: int, writing: int) -> None:
        self.reading, self.writing = reading, writing
        self.lines: list[str] = []
        self.ended = False
        self.changes = 0
        self.keyboard = Keyboard(reading, self.lines.append, changed=self._change, ended=self._end)

    def _change(self) -> None:
        self.changes += 1

    def _end(self) -> None:
        self.ended = True

    def type(self, text: str) -> None:
        os.write(self.writing, text.encode())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Typist]:
    """A pseudo-terminal, as if it were that of this process."""
    master, slave = pty.openpty()
    monkeypatch.setattr(os, "tcgetpgrp", lambda _descriptor: os.getpgrp())
    yield Typist(slave, master)
    os.close(slave)
    os.close(master)


async def test_keys_make_lines_that_can_be_mended(terminal: Typist) -> None:
    with terminal.keyboard:
        terminal.type("sos R-0013\x7f2\r")
        await until(lambda: terminal.lines == ["sos R-0012"])
        terminal.type("nonsense\x15cut gw-2\x1b[A\x1b[1;5C")
        await until(lambda: terminal.keyboard.typed == "cut gw-2")
        terminal.type("\n\n  \n")
        await until(lambda: terminal.keyboard.typed == "")
        assert terminal.lines == ["sos R-0012", "cut gw-2"]
        assert terminal.changes >= 3


async def test_thai_letters_come_whole_however_they_are_cut(terminal: Typist) -> None:
    with terminal.keyboard:
        for byte in "กดปุ่ม".encode():
            os.write(terminal.writing, bytes((byte,)))
            await asyncio.sleep(0)
        await until(lambda: terminal.keyboard.typed == "กดปุ่ม")


async def test_ctrl_d_ends_only_on_an_empty_line(terminal: Typist) -> None:
    with terminal.keyboard:
        terminal.type("x\x04")
        await until(lambda: terminal.keyboard.typed == "x")
        assert not terminal.ended
        terminal.type("\x15\x04")
        await until(lambda: terminal.ended)


async def test_the_terminal_is_left_as_it_was(terminal: Typist) -> None:
    before = termios.tcgetattr(terminal.reading)
    with suppress(RuntimeError), terminal.keyboard:
        assert not termios.tcgetattr(terminal.reading)[3] & (termios.ICANON | termios.ECHO)
        raise RuntimeError("somewhere")
    assert termios.tcgetattr(terminal.reading) == before


async def test_in_the_background_nothing_is_read_and_nothing_changed(
    terminal: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "tcgetpgrp", lambda _descriptor: os.getpgrp() + 1)
    before = termios.tcgetattr(terminal.reading)
    with terminal.keyboard:
        assert termios.tcgetattr(terminal.reading) == before
        terminal.type("sos R-0012\n")
        await asyncio.sleep(0.01)
        assert terminal.lines == []


async def test_a_pipe_gives_its_lines_and_its_end() -> None:
    reading, writing = os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, reading)
        typist = Typist(reading, writing)
        stack.enter_context(typist.keyboard)
        typist.type("sos R-0012\nfall R-0033")
        await until(lambda: typist.lines == ["sos R-0012"])
        os.close(writing)
        await until(lambda: typist.ended)
        assert typist.lines == ["sos R-0012", "fall R-0033"]


async def test_a_file_is_read_at_once(tmp_path: Path) -> None:
    file = tmp_path / "commands"
    file.write_text("cut gw-2\nhelp\n")
    descriptor = os.open(file, os.O_RDONLY)
    try:
        typist = Typist(descriptor, -1)
        with typist.keyboard:
            assert typist.lines == ["cut gw-2", "help"]
            assert typist.ended
    finally:
        os.close(descriptor)


async def test_a_line_without_end_is_cut(terminal: Typist) -> None:
    with terminal.keyboard:
        for _ in range(10):
            terminal.type("x" * 100)
        await until(lambda: len(terminal.keyboard.typed) == 200)
