"""What a mapping leaves aside and waits for in vain is listed, and made-up keys have an end."""

from __future__ import annotations

from decoders.javascript.coverage import LONGEST_RAW, MOST_KEYS, MOST_RAW, Coverage
from decoders.javascript.mapping import parse

MAPPING = parse("""
maker = "A"
model = "B"
source = "https://example.org"
version = 1
raw = ["meta"]
measured_at = {path = "at"}
readings = [
  {path = "t", quantity = "air_temperature"},
  {path = "list[*].v", quantity = "distance", channel_key = "id"},
  {path = "never.here", quantity = "steps"},
]
events = [{path = "sos", kinds = {"1" = "sos"}, press = "n", detail = {f = "force"}}]
""")


def test_keys_are_listed() -> None:
    coverage = Coverage(MAPPING)
    coverage.note({"t": 1, "at": 2, "odd": 3, "meta": {"a": {"b": 1}}, "air": {"co2": 400}})
    coverage.note({"list": [{"v": 1, "id": 2, "w": 3}, {"w": 4}], "odd": 3, "n": 1, "force": 1})
    assert coverage.unmapped() == {"odd": 2, "air.co2": 1, "list[*].w": 1}
    assert coverage.absent() == ("never.here", "sos")
    assert coverage.objects == 2


def test_what_no_entry_names_is_given_back() -> None:
    coverage = Coverage(MAPPING)
    said = {"t": 1, "odd": "ก", "list": [{"w": 3}, {"w": 4}], "long": "x" * 999, "meta": {"a": 1}}
    left = coverage.note(said)
    assert left[:3] == (("odd", '"ก"'), ("list[*].w", "3"), ("list[*].w", "4"))
    assert (left[3][0], len(left[3][1]), len(left)) == ("long", LONGEST_RAW, 4)
    assert len(coverage.note({f"key{i}": i for i in range(999)})) == MOST_RAW


def test_made_up_keys_have_an_end() -> None:
    coverage = Coverage(MAPPING)
    for i in range(3 * MOST_KEYS):
        coverage.note({f"key{i}": 1})
    assert len(coverage.unmapped()) == MOST_KEYS


def test_depth_has_an_end() -> None:
    data: dict[str, object] = {"leaf": 1}
    for _ in range(5000):
        data = {"d": data}
    coverage = Coverage(MAPPING)
    coverage.note(data)
    assert coverage.unmapped() == {}
