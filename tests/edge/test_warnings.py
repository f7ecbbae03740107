"""Codes of what a person should know."""

from edge.warnings import Warnings


def test_they_are_sorted_and_the_listener_hears_of_each_change_once() -> None:
    heard: list[tuple[str, ...]] = []
    warnings = Warnings()
    warnings.listener = lambda: heard.append(tuple(warnings))
    warnings.add("twin_agent")
    warnings.add("twin_agent")
    warnings.put("disk_low", present=True)
    warnings.put("clock_untrue", present=False)
    assert "disk_low" in warnings
    warnings.discard("twin_agent")
    warnings.discard("twin_agent")
    assert heard == [("twin_agent",), ("disk_low", "twin_agent"), ("disk_low",)]
