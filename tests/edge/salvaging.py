"""A program: reads a damaged outbox for ever, in small steps, and says a line after each; to be
killed.
"""

import sys
from functools import partial
from pathlib import Path

from edge.outbox import salvage
from tests.edge.fixtures import make_outbox

if __name__ == "__main__":
    salvage.STEP = 50  # type: ignore[misc]
    salvage._MOMENT_S = 0.0  # type: ignore[misc]
    outbox = make_outbox(Path(sys.argv[1]))
    for after in range(0, 10_000, 128):  # the damage shows
        outbox.run([partial(outbox.page, priority=False, after=after, limit=128)])
    while True:
        outbox.run([outbox.prune])
        sys.stdout.write("\n")
        sys.stdout.flush()
