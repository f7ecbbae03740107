"""Figures and what they say is wrong."""

from typing import Any

import pytest

from edge.health.symptoms import Signs, find

WELL: dict[str, Any] = {
    "uptime_s": 5000.0,
    "pulled_s": 5.0,
    "connected_s": 4000.0,
    "receipt_s": 20.0,
}


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({}, set()),
        ({"temperature": 79.9, "under_voltage": False, "certificate_days": 28.0}, set()),
        ({"pulled_s": None}, {"forwarder_silent"}),
        ({"pulled_s": 61.0}, {"forwarder_silent"}),
        ({"pulled_s": None, "uptime_s": 30.0}, set()),
        ({"pulled_s": None, "semtech": False}, set()),
        ({"receipt_s": 151.0}, {"receipts_absent"}),
        ({"receipt_s": None}, {"receipts_absent"}),
        ({"receipt_s": None, "connected_s": 100.0}, set()),
        ({"receipt_s": 9999.0, "connected_s": 100.0}, set()),
        ({"receipt_s": 9999.0, "connected_s": None}, set()),
        ({"receipt_s": None, "puback": True}, set()),
        ({"oldest_s": 3601.0}, {"backlog_stays"}),
        ({"oldest_s": 99999.0, "connected_s": 3000.0}, set()),
        ({"oldest_s": 99999.0, "connected_s": None}, set()),
        ({"dated": False}, {"clock_untrue"}),
        ({"dated": False, "uptime_s": 599.0}, set()),
        ({"disk_spare": 0}, {"disk_low"}),
        ({"temperature": 80.0}, {"hot"}),
        ({"under_voltage": True}, {"under_voltage"}),
        ({"certificate_days": 27.9}, {"certificate_expires"}),
        ({"certificate_days": -0.1}, {"certificate_expired"}),
        ({"certificate_unreadable": True}, {"certificate_unreadable"}),
    ],
)
def test_figures_and_what_they_say(over: dict[str, Any], expected: set[str]) -> None:
    assert set(find(Signs(**(WELL | over)))) == expected
