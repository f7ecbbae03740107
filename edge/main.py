"""`khaen-edge`: run the gateway agent, check its settings, look into its outbox."""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import sys
from pathlib import Path

from edge.settings import EdgeSettings
from khaen import log, settings
from khaen.errors import NotRunnable, SettingsError

_CONFIG = Path("/etc/khaen/edge.toml")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with one line that says what to do."""
    options = _parser().parse_args(arguments)
    try:
        loaded = settings.load(EdgeSettings, options.config)
        return int(options.command(loaded))
    except (SettingsError, NotRunnable) as error:
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
        sub.set_defaults(command=command)
    return parser


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


if __name__ == "__main__":
    sys.exit(main())
