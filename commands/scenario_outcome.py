"""What came of scenarios: as a table, as JSON and as JUnit's XML, always said to be simulated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import typer

if TYPE_CHECKING:
    from simulators.scenario.judging import Line

_WIDTH: Final = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One scenario that was run, and how long that took."""

    name: str
    way: str
    lines: Sequence[Line]
    seconds: float

    @property
    def missed(self) -> int:
        """How many expectations were not met."""
        return sum(not line.met for line in self.lines)


def show_table(ran: Ran) -> None:
    """Print what was expected, what was seen, and after how long."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from simulators.acts.duration import show

    table = Table("", "expected", "seen", "after", box=None, header_style="bold", pad_edge=False)
    for line in ran.lines:
        style = "" if line.met else "bold red"
        table.add_row(
            Text("✓" if line.met else "✗"),
            Text(line.expectation.words()),
            Text(line.seen),
            Text("" if line.after_s is None else show(line.after_s)),
            style=style,
        )
    console = Console()
    console.width = max(console.width, _WIDTH)
    console.print(table)
    outcome = f"{ran.missed} not as expected" if ran.missed else "all as expected"
    typer.echo(f"{ran.name}: {outcome}, in {ran.seconds:.1f} s")


def to_json(ran: Sequence[Ran]) -> str:
    """A list with one object for each scenario."""
    return json.dumps([_document(each) for each in ran], indent=2) + "\n"


def _document(ran: Ran) -> dict[str, Any]:
    return {
        "name": ran.name,
        "way": ran.way,
        "simulated": True,
        "met": not ran.missed,
        "seconds": round(ran.seconds, 3),
        "expectations": [
            {
                "expected": line.expectation.words(),
                "seen": line.seen,
                "after_s": line.after_s,
                "met": line.met,
            }
            for line in ran.lines
        ],
    }


def to_junit(ran: Sequence[Ran]) -> str:
    """As most build servers read it: a suite for each scenario, a case for each expectation."""
    root = ET.Element("testsuites")
    for each in ran:
        suite = ET.SubElement(
            root,
            "testsuite",
            name=f"{each.name} ({each.way})",
            tests=str(len(each.lines)),
            failures=str(each.missed),
            time=f"{each.seconds:.3f}",
        )
        properties = ET.SubElement(suite, "properties")
        ET.SubElement(properties, "property", name="simulated", value="true")
        for line in each.lines:
            case = ET.SubElement(
                suite, "testcase", classname=each.name, name=line.expectation.words()
            )
            if not line.met:
                ET.SubElement(case, "failure", message=line.seen)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
