"""Run the measurements, a process each, after this machine's facts: `bench.py [FILE ...]`."""

import os
import platform
import sqlite3
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def read_cpu_model() -> str:
    """The processor's name as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


def render_facts() -> str:
    """What a figure depends on, so that it can be compared."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"machine: {os.cpu_count()} x {read_cpu_model()}, {memory_gib:.1f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, load {load}"
    )


def main(files: list[str]) -> int:
    """Return the exit status: 1 where a measurement failed, 2 where there was none."""
    chosen = [Path(file) for file in files] or sorted(BENCHMARKS.glob("[!_]*.py"))
    if not chosen:
        print(f"no measurement in {BENCHMARKS}", file=sys.stderr)
        return 2
    print(render_facts(), flush=True)
    failed = []
    for file in chosen:
        print(f"\n== {file.stem}", flush=True)
        # -P: a measurement is named as the room that it measures, and must not stand before it.
        if subprocess.run([sys.executable, "-P", str(file)], check=False).returncode != 0:
            failed.append(file.stem)
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
