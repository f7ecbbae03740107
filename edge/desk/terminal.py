"""What an engineer asks on the gateway: status, tail, drain, doctor."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from edge import tail
from edge.desk import drain, summary
from edge.health import inquiry
from edge.health.condition import Condition
from edge.outbox import account
from edge.outbox.shelf import Shelf
from edge.settings import EdgeSettings
from edge.tail import Filter, Line
from khaen import log
from khaen.clock import SystemClock
from khaen.errors import NotRunnable

_POLL_S: Final = 0.5
_STEP_S: Final = 1.0


def show_status(settings: EdgeSettings, options: argparse.Namespace) -> int:
    """From the running agent, else from the outbox's file; 0 where the agent does its work."""
    condition = inquiry.ask(settings)
    if condition is None:
        return _show_files(settings)
    if options.json:
        print(condition.model_dump_json(indent=2))
    else:
        print(*summary.render(condition), sep="\n")
    return 1 if condition.faults else 0


def _show_files(settings: EdgeSettings) -> int:
    if settings.metrics_port:
        print("no agent answers; what its outbox holds:", file=sys.stderr)
    for own in settings.of_each():
        path = own.outbox.path
        try:
            with closing(Shelf(path, read_only=True)) as shelf:
                counts = account.count(shelf)
        except sqlite3.Error as error:
            raise NotRunnable(f"{path}: {error}") from error
        waiting = " ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in counts.waiting)
        print(f"gateway  {own.gateway_eui}")
        print(f"epoch    {counts.epoch}")
        print(f"last_seq {counts.last_seq}")
        print(f"backlog  {counts.backlog}")
        print(f"held     {counts.held}")
        print(f"waiting  {waiting or 'none'}")
    return 1 if settings.metrics_port else 0


def show_tail(settings: EdgeSettings, options: argparse.Namespace) -> int:
    """Frames as they are heard, until Ctrl-C."""
    wanted = Filter(
        kinds=frozenset(options.kind or ()), device=options.device, waiting=options.waiting
    )
    several = len(settings.of_each()) > 1
    if not options.json:
        print(tail.TITLE)
    try:
        for line in _follow(settings, options.lines, once=options.once):
            if wanted.takes(line):
                text = line.to_json() if options.json else tail.render(line, several=several)
                print(text, flush=True)
    except (KeyboardInterrupt, BrokenPipeError):
        return 0
    return 0


def _follow(settings: EdgeSettings, count: int, *, once: bool) -> Iterator[Line]:
    last = dict[str, int]()
    for own in settings.of_each():
        lines = tail.read_newest(own.gateway_eui, own.outbox.path, max(count, 1))
        last[own.gateway_eui] = lines[-1].position if lines else 0
        yield from lines[len(lines) - count :] if count else ()
    while not once:
        heard = False
        for own in settings.of_each():
            for line in tail.read_next(own.gateway_eui, own.outbox.path, last[own.gateway_eui]):
                heard, last[own.gateway_eui] = True, line.position
                yield line
        if not heard:
            time.sleep(_POLL_S)


def wait_for_drain(settings: EdgeSettings, options: argparse.Namespace) -> int:
    """Until all is receipted; 1 with what remains when the time is over."""
    clock = SystemClock()
    progress, told = None, ""
    for progress in drain.watch(lambda: _ask(settings), clock.monotonic, options.timeout):
        if (text := str(progress)) != told:
            print(text, flush=True)
            told = text
        if not progress.done:
            time.sleep(_STEP_S)
    if progress is not None and progress.done:
        print("All that was heard is receipted. Stop the agent before the power goes:")
        print("  systemctl stop khaen-edge.socket khaen-edge.service")
        return 0
    print(*drain.list_remaining(_ask(settings)), sep="\n")
    return 1


def _ask(settings: EdgeSettings) -> Condition:
    condition = inquiry.ask(settings)
    if condition is None:
        raise NotRunnable(
            f"no agent answers on 127.0.0.1:{settings.metrics_port}, and without it nothing goes;"
            " start it (systemctl start khaen-edge), or see khaen-edge status"
        )
    return condition


def call_doctor(settings: EdgeSettings, options: argparse.Namespace) -> int:
    """Name what is wrong and what to do; 1 where something keeps the gateway from its work."""
    from edge.doctor import examination
    from edge.host import Host

    log.configure(level="ERROR", program="edge")  # what the broker answers is a finding below
    facts = examination.gather(settings, Host(), SystemClock())
    findings = examination.examine(facts)
    if options.json:
        print(examination.to_json(findings))
    else:
        print(*examination.render(facts, findings), sep="\n")
    return 1 if any(finding.grave for finding in findings) else 0
