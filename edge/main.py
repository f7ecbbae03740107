"""`khaen-edge`: run the gateway agent, check its settings, look after it, record frames."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge.settings import EdgeSettings
from khaen import log
from khaen.clock import SystemClock
from khaen.errors import KhaenError, NotRunnable

_CONFIG = Path("/etc/khaen/edge.toml")
_MAX_PORT = 65_535
_INTERRUPTED = 130
"""128 and SIGINT, as shells have it."""
_MOST_LINES = 100_000


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with one line that says what to do."""
    options = _parser().parse_args(arguments)
    try:
        status = int(options.command(options))
        sys.stdout.flush()
    except KhaenError as error:
        print(f"khaen-edge: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        _close_output(error)
    else:
        return status
    return 1


def _close_output(error: OSError) -> None:
    """What nobody can read any more goes nowhere."""
    if error.errno == errno.ENOSPC:
        print("khaen-edge: cannot write the output: the disk is full", file=sys.stderr)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="khaen-edge", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("run", _run, "run the agent until it is told to stop"),
        ("check", _check, "read the settings and say whether they are right"),
        ("status", _status, "say how the agent is, or what its outbox holds"),
        ("tail", _tail, "show frames as they are heard"),
        ("drain", _drain, "wait until all that was heard is receipted"),
        ("doctor", _doctor, "name what is wrong, and what to do about it"),
        ("units", _units, "write systemd's units for this machine"),
    ):
        sub = commands.add_parser(name, help=text)
        sub.add_argument("--config", type=Path, default=_CONFIG, help=f"default: {_CONFIG}")
        sub.set_defaults(command=partial(_with_settings, command))
        if name in _ARGUMENTS:
            _ARGUMENTS[name](sub)
    _add_record(commands.add_parser("record", help="carry datagrams to the agent, and record them"))
    return parser


def _add_print_config(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--print-config",
        action="store_true",
        help="print the settings in force, each with where it comes from, and end",
    )


def _add_json(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="for a program")


def _add_tail(sub: argparse.ArgumentParser) -> None:
    _add_json(sub)
    sub.add_argument("-n", type=_lines, dest="lines", default=10, metavar="N", help="begin N back")
    sub.add_argument("--once", action="store_true", help="do not wait for what is heard next")
    kinds = ("data", "join", "down", "other", "p2p", "event", "beat", "gone")
    sub.add_argument("--kind", action="append", choices=kinds, help="only such; may be repeated")
    sub.add_argument("--device", default="", help="a DevAddr or DevEUI, or how it begins")
    sub.add_argument("--waiting", action="store_true", help="only what has no receipt")


def _lines(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_LINES:
        raise argparse.ArgumentTypeError(f"{text!r} is not 0 to {_MOST_LINES}")
    return int(text)


def _add_drain(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="default: 600")


def _add_units(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--etc", type=Path, default=Path("/etc"), help="write below this folder")


_ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "run": _add_print_config,
    "check": _add_print_config,
    "status": _add_json,
    "tail": _add_tail,
    "drain": _add_drain,
    "doctor": _add_json,
    "units": _add_units,
}


def _add_record(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("out", type=Path, metavar="OUT", help="the capture to write: NAME.khcap")
    sub.add_argument("--listen", default="1700", metavar="[HOST:]PORT", help="default: 1700")
    sub.add_argument("--to", required=True, metavar="[HOST:]PORT", help="where the agent listens")
    sub.add_argument("--for", type=float, dest="seconds", metavar="SECONDS", help="then end")
    sub.add_argument("--part-mb", type=float, help="begin a new file after so many megabytes")
    sub.add_argument("--cap-mb", type=float, help="end when all files have so many megabytes")
    sub.add_argument("--drop-oldest", action="store_true", help="at the cap, drop the oldest file")
    sub.set_defaults(command=_record)


Command = Callable[[EdgeSettings, argparse.Namespace], int]


def _with_settings(command: Command, options: argparse.Namespace) -> int:
    from edge.desk import effective

    found = effective.look(options.config)
    if getattr(options, "print_config", False):
        print(effective.render(found), end="")
        return 0
    return command(found.settings, options)


def _run(loaded: EdgeSettings, options: argparse.Namespace) -> int:
    from edge.program import run

    os.umask(0o077)  # frames are people's: what we write is for nobody else
    log.configure(level=loaded.log_level, program="edge")
    if loaded.remote.enabled:
        from edge.remote import stations

        asyncio.run(stations.start(options.config))
    else:
        asyncio.run(run(loaded))
    return 0


def _check(loaded: EdgeSettings, options: argparse.Namespace) -> int:
    from edge.desk import check, effective

    findings = list(check.find(effective.look(options.config), SystemClock()))
    for finding in findings:
        print(f"khaen-edge: {finding.text}", file=sys.stderr if finding.grave else sys.stdout)
    if any(finding.grave for finding in findings):
        return 1
    print(f"gateway {loaded.gateway_eui} of site {loaded.site}: settings are right")
    print(f"configuration {loaded.fingerprint()}")
    return 0


def _status(loaded: EdgeSettings, options: argparse.Namespace) -> int:
    from edge.desk import terminal

    return terminal.show_status(loaded, options)


def _tail(loaded: EdgeSettings, options: argparse.Namespace) -> int:
    from edge.desk import terminal

    return terminal.show_tail(loaded, options)


def _drain(loaded: EdgeSettings, options: argparse.Namespace) -> int:
    from edge.desk import terminal

    return terminal.wait_for_drain(loaded, options)


def _doctor(loaded: EdgeSettings, options: argparse.Namespace) -> int:
    from edge.desk import terminal

    return terminal.call_doctor(loaded, options)


def _units(loaded: EdgeSettings, options: argparse.Namespace) -> int:
    from edge import units

    print(*units.install(options.etc, options.config, loaded), sep="\n")
    return 0


def _record(options: argparse.Namespace) -> int:
    from edge.tap import tap
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
