"""Write the list of decision records from their titles: `decisions.py FILE`."""

import sys
from pathlib import Path

RECORDS = Path(__file__).resolve().parent.parent / "docs" / "decisions"
INTRODUCTION = """# Decisions

One page each; why they are kept is the first one. The unsurprising libraries are in
[libraries.md](libraries.md). This list is generated (`make generated`).
"""


def read_title(record: Path) -> str:
    """The first line of a record, without its mark. ValueError where it is no heading."""
    line = record.read_text().partition("\n")[0]
    if not line.startswith("# "):
        raise ValueError(f"{record.name}: the first line is not a heading")
    return line.removeprefix("# ")


def render_list(records: Path) -> str:
    """The page that lists every numbered record of a folder, in order."""
    files = sorted(records.glob("[0-9][0-9][0-9][0-9]-*.md"))
    lines = [f"- [{file.name[:4]}]({file.name}) {read_title(file)}" for file in files]
    return INTRODUCTION + "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_list(RECORDS))
