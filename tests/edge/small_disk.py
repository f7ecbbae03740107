"""A program: an outbox on a small file system, which fills up and is read-only at times.

To be run in a mount namespace of its own (`run`), for which nobody needs to be root; prints what it
saw as one line of JSON.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from edge.outbox.outbox import Outbox
from khaen.clock import ManualClock
from tests.edge.agent import REPOSITORY
from tests.edge.fixtures import BOUNDS, START, make_arrival, make_outbox

MIB = 1 << 20
SIZE = 24 * MIB
KEEP_FREE = 8 * MIB
_PAYLOAD = bytes(20_000)


def run(scenario: str, folder: Path) -> dict[str, Any]:
    """Run a scenario on a file system of SIZE bytes that is mounted for it alone."""
    mount = f'mount -t tmpfs -o size={SIZE} none "$1" && exec "$0" -m {__name__} {scenario} "$1"'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, sys.executable, str(folder)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def hear(outbox: Outbox, count: int = 1) -> bool:
    """Whether all of it was durable."""
    durable = True
    for _ in range(count):
        stored = outbox.run([partial(outbox.append, [make_arrival(_PAYLOAD)])])[0]
        durable = durable and stored.durable
    return durable


def count_held(outbox: Outbox) -> int:
    """Frames on disk and in memory."""
    return int(outbox.run([outbox.count])[0].held)


def keep_free(folder: Path) -> dict[str, Any]:
    """More is heard than there is room for."""
    outbox = make_outbox(folder / "outbox.sqlite", bounds=replace(BOUNDS, keep_free=KEEP_FREE))
    durable = hear(outbox, 1_500)
    free = os.statvfs(folder)
    return {"durable": durable, "shed": outbox.shed, "free": free.f_bavail * free.f_frsize}


def fill(folder: Path) -> dict[str, Any]:
    """Somebody else fills the disk, and goes away again."""
    clock = ManualClock(START)
    outbox = make_outbox(folder / "outbox.sqlite", clock)
    before = hear(outbox, 10)
    with (folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))
    during = hear(outbox, 300)
    held_then = count_held(outbox)
    (folder / "filler").unlink()
    clock.advance(6)
    after = hear(outbox)
    return {
        "before": before,
        "during": during,
        "after": after,
        "held_then": held_then,
        "held": count_held(outbox),
        "volatile": outbox.volatile,
    }


def read_only(folder: Path) -> dict[str, Any]:
    """A card that is mounted read-only, until somebody mends it."""
    clock = ManualClock(START)
    remount = ["mount", "-o", "remount,ro", str(folder)]
    subprocess.run(remount, check=True)
    outbox = make_outbox(folder / "outbox.sqlite", clock)
    during = hear(outbox, 3)
    subprocess.run([*remount[:2], "remount,rw", str(folder)], check=True)
    clock.advance(6)
    return {"during": during, "after": hear(outbox), "volatile": outbox.volatile}


SCENARIOS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "keep_free": keep_free,
    "fill": fill,
    "read_only": read_only,
}

if __name__ == "__main__":
    print(json.dumps(SCENARIOS[sys.argv[1]](Path(sys.argv[2]))))
