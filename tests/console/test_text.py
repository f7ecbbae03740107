"""Every alarm that the code can raise has its sentence and its next action, in both languages."""

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from alarms import engine, falling
from console.text import TEXTS

ROOT = Path(__file__).parents[2]
RAISERS = {
    "Alert": None,
    "raise_technical": None,
    "gateway_alert": (2, 3),
    "_gateway_alert": (1, 2),
}
"""What raises technical alarms, and where a call has rule and reason, if not by keyword."""


def raised() -> Iterator[tuple[str, str | None]]:
    """Rule and reason of every technical alarm; a reason that is put together is None."""
    for room in ("alarms", "ingest"):
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text())
            names = {
                target.id: node.value
                for node in tree.body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    yield from _of_call(node, names)


def _of_call(call: ast.Call, names: dict[str, ast.expr]) -> Iterator[tuple[str, str | None]]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    name = call.func.id if isinstance(call.func, ast.Name) else name
    if name not in RAISERS:
        return
    given: dict[str, ast.expr] = {k.arg: k.value for k in call.keywords if k.arg}
    for key, place in zip(("rule", "reason"), RAISERS[name] or (), strict=False):
        if key not in given and place < len(call.args):
            given[key] = call.args[place]
    rule, reason = (_constant(given.get(key), names) for key in ("rule", "reason"))
    if rule is not None:
        yield rule, reason


def _constant(node: ast.expr | None, names: dict[str, ast.expr]) -> str | None:
    if isinstance(node, ast.Name):
        node = names.get(node.id)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def test_the_rules_are_found() -> None:
    found = {rule for rule, _ in raised()}
    assert {"channel", "clock", "conflict", "outbox", "origin", "pipeline"} <= found
    assert {"replay", "unreachable"} <= found


@pytest.mark.parametrize(
    "rule", sorted({rule for rule, _ in raised()} | {rule.id for rule in engine.rules()})
)
def test_every_rule_has_a_sentence_and_a_next_action(rule: str) -> None:
    assert f"alarm.{rule}" in TEXTS
    assert f"next.{rule}" in TEXTS


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("sos", "press_counter_not_fresh"),
        ("fall", "fall_counter_not_fresh"),
        *(("fall", falling.reason(still)) for still in (True, False, None)),
        ("pipeline", "gateways_silent"),
        ("pipeline", "ingest_silent"),
        *((r, why) for r, why in sorted(set(raised()), key=str) if r == "pipeline" and why),
    ],
)
def test_reasons_that_differ_have_sentences_that_differ(rule: str, reason: str) -> None:
    assert TEXTS[f"alarm.{rule}.{reason}"] != TEXTS[f"alarm.{rule}"]


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_both_languages_are_there_and_name_the_same_values(key: str) -> None:
    text = TEXTS[key]
    assert text.th.strip()
    assert text.en.strip()
    th, en = ({name for _, name, *_ in Formatter().parse(t) if name} for t in text)
    assert th == en
