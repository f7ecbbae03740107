"""The names that expectations may use are those that the house's code says."""

import re
from collections.abc import Iterator
from pathlib import Path

from alarms import engine
from simulators.scenario.words import QUARANTINE_REASONS, TECHNICAL_RULES, care_rules

HOUSE = Path(__file__).parents[3]
REASON = re.compile(
    r"""(?x) (?: WireError\( | Unopened\( | _refused\(draft,\s | super\(\).__init__\( )
    \s*"(\w+)" | Refused\(\s*reason="(\w+)" """
)
RULE = re.compile(
    r"""(?x) \b(?: rule= | RULE\s=\s | PIPELINE\s=\s )"(\w+)"
    | gateway_alert\( [^"()]* "(\w+)" """
)
AGENTS_OWN = {"bad_configuration", "bad_configuration_state", "bad_priority", "bad_receipt"}
"""What agents refuse; it never comes to ingest."""


def find(pattern: re.Pattern[str], *folders: str) -> Iterator[str]:
    for folder in folders:
        for file in sorted((HOUSE / folder).rglob("*.py")):
            for groups in pattern.findall(file.read_text(encoding="utf-8")):
                yield from filter(None, groups)


def test_quarantine_reasons_are_those_of_ingest() -> None:
    assert set(find(REASON, "ingest", "khaen")) - AGENTS_OWN == QUARANTINE_REASONS


def test_technical_rules_are_those_that_are_raised() -> None:
    assert set(find(RULE, "ingest", "alarms")) - care_rules() == TECHNICAL_RULES


def test_rules_are_called_as_their_modules() -> None:
    assert {rule.id for rule in engine.rules()} == care_rules()
