"""How a program tells whoever started it that it works: one line of JSON on standard output."""

from __future__ import annotations

import json
import sys


def announce(program: str, **addresses: str) -> None:
    """Say that `program` is ready at `addresses` (`url`, `metrics`, …), after ports are bound."""
    print(json.dumps({"ready": program, **addresses}), flush=True, file=sys.stdout)


def parse(line: str) -> dict[str, str] | None:
    """The announcement in a line of output; None when it is something else."""
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "ready" in document else None
