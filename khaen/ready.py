"""How a program tells whoever started it that it works: one line of JSON on standard output."""

from __future__ import annotations

import contextlib
import json
import sys


def announce(program: str, **addresses: str) -> None:
    """Say that `program` is ready at `addresses` (`url`, `metrics`, …), after ports are bound.

    A program whose output cannot be written (a file on a full disk) works all the same.
    """
    with contextlib.suppress(OSError):
        print(json.dumps({"ready": program, **addresses}), flush=True, file=sys.stdout)


def parse(line: str) -> dict[str, str] | None:
    """The announcement in a line of output; None when it is something else."""
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "ready" in document else None
