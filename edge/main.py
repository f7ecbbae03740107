"""`khaen-edge`: run the gateway agent, check its settings, look into its outbox, record frames."""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge.settings import EdgeSettings
from khaen import log, settings
from khaen.errors import KhaenError, NotRunnable

_CONFIG = Path("/etc/khaen/edge.toml")
_MAX_PORT = 65_535


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with one line that says what to do."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except KhaenError as error:
        print(f"khaen-edge: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="khaen-edge", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("run", _run, "run the agent until it is told to stop"),
        ("check", _check, "read the settings and say whether they are right"),
        ("status", _status, "say what the outbox holds, from its file"),
    ):
        sub = commands.add_parser(name, help=text)
        sub.add_argument("--config", type=Path, default=_CONFIG, help=f"default: {_CONFIG}")
        sub.set_defaults(command=partial(_with_settings, command))
    _add_record(commands.add_parser("record", help="carry datagrams to the agent, and record them"))
    return parser


def _add_record(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("out", type=Path, metavar="OUT", help="the capture to write: NAME.khcap")
    sub.add_argument("--listen", default="1700", metavar="[HOST:]PORT", help="default: 1700")
    sub.add_argument("--to", required=True, metavar="[HOST:]PORT", help="where the agent listens")
    sub.add_argument("--for", type=float, dest="seconds", metavar="SECONDS", help="then end")
    sub.add_argument("--part-mb", type=float, help="begin a new file after so many megabytes")
    sub.add_argument("--cap-mb", type=float, help="end when all files have so many megabytes")
    sub.add_argument("--drop-oldest", action="store_true", help="at the cap, drop the oldest file")
    sub.set_defaults(command=_record)


def _with_settings(command: Callable[[EdgeSettings], int], options: argparse.Namespace) -> int:
    return command(settings.load(EdgeSettings, options.config))


def _run(loaded: EdgeSettings) -> int:
    from edge.program import run

    os.umask(0o077)  # frames are people's: what we write is for nobody else
    log.configure(level=loaded.log_level, program="edge")
    asyncio.run(run(loaded))
    return 0


def _check(loaded: EdgeSettings) -> int:
    loaded.mqtt.password()
    print(f"gateway {loaded.gateway_eui} of site {loaded.site}: settings are right")
    print(f"configuration {loaded.fingerprint()}")
    return 0


def _status(loaded: EdgeSettings) -> int:
    from edge.account import count
    from edge.shelf import Shelf

    try:
        counts = count(Shelf(loaded.outbox.path, read_only=True))
    except sqlite3.Error as error:
        raise NotRunnable(f"{loaded.outbox.path}: {error}") from error
    waiting = " ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in counts.waiting)
    print(f"epoch    {counts.epoch}")
    print(f"last_seq {counts.last_seq}")
    print(f"backlog  {counts.backlog}")
    print(f"held     {counts.held}")
    print(f"waiting  {waiting or 'none'}")
    return 0


def _record(options: argparse.Namespace) -> int:
    from edge import tap
    from khaen.capture import Limits, megabytes

    limits = Limits(
        part_bytes=megabytes(options.part_mb),
        cap_bytes=megabytes(options.cap_mb),
        drop_oldest=options.drop_oldest,
    )
    listen, agent = _address(options.listen), _address(options.to)
    asyncio.run(tap.run(options.out, listen, agent, limits=limits, seconds=options.seconds))
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > _MAX_PORT:
        raise NotRunnable(f"{text!r} is no address: PORT or HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


if __name__ == "__main__":
    sys.exit(main())
