"""Write what is generated, or say what of it is stale: `generated.py write | check`.

What there is stands in pyproject.toml, [tool.khaen.generated]: a target, and the arguments of the
interpreter that writes it; where to write is given as one argument more.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def read_targets(pyproject: Path) -> dict[str, list[str]]:
    """What is generated, by its path under the folder of `pyproject`."""
    tools = tomllib.loads(pyproject.read_text())["tool"]
    targets: dict[str, list[str]] = tools["khaen"]["generated"]
    return targets


def write(root: Path, arguments: list[str], into: Path) -> None:
    """Run one generator. Raises CalledProcessError where it fails."""
    into.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, *arguments, str(into)], cwd=root, check=True)


def read_tree(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of each file in a folder by relative path; missing: nothing."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def find_stale(root: Path, targets: dict[str, list[str]]) -> list[str]:
    """The targets that differ from what their generators would write now."""
    stale = []
    with tempfile.TemporaryDirectory() as scratch:
        for target, arguments in targets.items():
            fresh = Path(scratch) / target
            write(root, arguments, fresh)
            if read_tree(fresh) != read_tree(root / target):
                stale.append(target)
    return stale


def main(verb: str) -> int:
    """Return the exit status: 1 where something is stale."""
    targets = read_targets(ROOT / "pyproject.toml")
    if verb == "write":
        for target, arguments in targets.items():
            write(ROOT, arguments, ROOT / target)
        return 0
    stale = find_stale(ROOT, targets)
    for target in stale:
        print(f"stale: {target} (run: make generated)", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    if sys.argv[1:] not in (["write"], ["check"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
