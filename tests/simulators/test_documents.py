"""JSON objects out of files, however they are laid out and wherever they are cut."""

import io
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import documents as module
from simulators.documents import documents

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=6), VALUES, max_size=4), max_size=6)


def read(content: bytes) -> tuple[list[tuple[str, dict[str, Any]]], Counter[str]]:
    skipped: Counter[str] = Counter()
    return list(documents(io.BytesIO(content), skipped)), skipped


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that objects lie over the ends of what is read at once."""
    monkeypatch.setattr(module, "_CHUNK", 7)


def lay_out(found: list[dict[str, Any]], how: str, *, ascii_only: bool) -> str:
    def dump(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    match how:
        case "lines":
            return "\n".join(map(dump, found))
        case "list":
            return dump(found)
        case "pretty list":
            return dump(found, 2)
        case "pretty":
            return "\r\n\r\n".join(dump(each, 2) for each in found)
        case _:
            return "".join("\x1e" + dump(each) + "\n" for each in found)


@given(
    found=OBJECTS,
    how=st.sampled_from(["lines", "list", "pretty list", "pretty", "sequence"]),
    ascii_only=st.booleans(),
)
def test_objects_are_found_in_every_layout(
    found: list[dict[str, Any]], how: str, ascii_only: bool
) -> None:
    content = lay_out(found, how, ascii_only=ascii_only).encode("utf-8", "replace")
    expected = found if ascii_only else [json.loads(line) for line in _replaced(found)]
    assert read(content) == ([("", each) for each in expected], Counter())


def _replaced(found: list[dict[str, Any]]) -> list[str]:
    """What of surrogates UTF-8 can carry."""
    return [
        json.dumps(each, ensure_ascii=False).encode("utf-8", "replace").decode() for each in found
    ]


def test_what_is_no_json_costs_its_line() -> None:
    lines = ['a/b {"n": 1}', "words", '{"cut": "off', '{"n": 2}, {"n": 3}', '{"cut":', '{"n": 4}']
    found, skipped = read("\n".join(lines).encode())
    assert found == [("a/b", {"n": 1}), ("", {"n": 2}), ("", {"n": 3}), ("", {"n": 4})]
    assert skipped == {"not_json": 3}


def test_what_is_too_long_or_too_deep_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DOCUMENT", 100)
    long = '{"a": "' + "x" * 300 + '"}'
    found, skipped = read(f'{long}\n{{"n": 1}}\n'.encode())
    assert (found, skipped) == ([("", {"n": 1})], {"not_json": 1})
    deep = '{"a":' * 100_000
    monkeypatch.setattr(module, "MAX_DOCUMENT", 10**7)
    monkeypatch.setattr(module, "_CHUNK", 10**6)
    assert read(f'{deep}\n{{"n": 1}}'.encode())[0] == [("", {"n": 1})]


@given(content=st.binary(max_size=60) | st.text('{}[]",:\n a1\\', max_size=60).map(str.encode))
def test_any_bytes_end(content: bytes) -> None:
    found, _skipped = read(content)
    assert all(isinstance(each, dict) for _, each in found)
