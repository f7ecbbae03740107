"""What an engineer reads on a phone."""

import pytest

from edge.desk import summary
from khaen.ids import GatewayEui
from khaen.status import DiskStatus
from tests.edge.conditions import make_certificate, make_condition, make_gateway


def test_a_gateway_that_is_well() -> None:
    assert list(summary.render(make_condition())) == [
        "agent     version 0.1.0, up 3 d 4 h, site kk, configuration 0123456789abcdef",
        "clock     kept by chrony, 0.3 ms off (at most 12 ms)",
        "",
        "gateway   0016c001f153a14c",
        "broker    connected since 2026-07-20T01:02:03.000000Z",
        "radio     heard 12 s ago; forwarder asked 4 s ago from 10.0.0.2",
        "outbox    0 without receipt; 4700 held; numbers to 4711",
        "receipt   3 s ago",
        "disk      45 MB of 1.1 GB used, 12.3 GB free",
        "dates by  chrony",
        "warmth    48 °C",
    ]


def test_two_gateways_that_are_not() -> None:
    ill = make_gateway(
        GatewayEui("0016c001f153a1ff"),
        connected=False,
        broker="not connected: " + "the certificate of broker.example has expired, " * 3,
        backlog=12,
        oldest_s=7384.0,
        pulled_s=None,
        forwarder="",
        receipt_s=None,
        last_frame=None,
        volatile=True,
        disk=DiskStatus(free=0, used=999, quota=1 << 30),
        warnings=("disk_low", "forwarder_silent"),
        certificates=(make_certificate(None), make_certificate(3.2)),
    )
    fault = "0016c001f153a1ff: the disk refuses, frames are in memory only"
    lines = list(summary.render(make_condition(make_gateway(), ill, faults=(fault,))))
    assert max(map(len, lines)) <= 79
    text = "\n".join(lines)
    for part in (
        "gateway   0016c001f153a1ff\n",
        "heard nothing since the start; forwarder never asked",
        "12 without receipt, the oldest for 2 h 3 min",
        "receipt   never",
        "REFUSES",
        "cert      cannot be read: /etc/khaen/gateway.pem",
        "cert      3 days left: /etc/khaen/gateway.pem",
        "WARNS     disk_low, forwarder_silent (khaen-edge doctor says more)",
        f"NOT WELL  {fault}",
    ):
        assert part in text


def test_a_simulated_one_says_so_first() -> None:
    lines = list(summary.render(make_condition(simulated=True)))
    assert lines[1] == "SIMULATED nothing that this agent hears is real"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_061, "1 d 1 h")],
)
def test_a_duration_has_two_units(seconds: float, text: str) -> None:
    assert summary.span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "2 kB"), (2_500_000_000, "2.5 GB")]
)
def test_a_size_has_one(count: int, text: str) -> None:
    assert summary.size(count) == text
