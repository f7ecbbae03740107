"""Conditions of an agent, well unless a test says otherwise."""

from datetime import UTC, datetime, timedelta
from typing import Any

from edge.health.condition import CertificateCondition, ClockCondition, Condition, GatewayCondition
from khaen.clock import Rung
from khaen.ids import Epoch, GatewayEui
from khaen.status import DiskStatus, GatewayStatus
from tests.edge.fixtures import GATEWAY

NOW = datetime(2026, 7, 23, 1, 2, 3, tzinfo=UTC)


def make_status(**over: Any) -> GatewayStatus:
    """A status; `over` are its fields."""
    facts: dict[str, Any] = {
        "at": NOW,
        "version": "0.1.0",
        "configuration": "0123456789abcdef",
        "epoch": Epoch("00112233445566aa"),
        "last_seq": 4711,
        "backlog": 0,
        "held": 4700,
        "disk": DiskStatus(free=12_300_000_000, used=45_000_000, quota=1 << 30),
        "temperature": 48.2,
        "clock": Rung.SYNCED,
        "clock_source": "chrony",
        "last_frame": NOW - timedelta(seconds=12),
        "last_receipt": NOW - timedelta(seconds=3),
        "broker": "connected since 2026-07-20T01:02:03.000000Z",
    }
    return GatewayStatus(**(facts | over))


def make_gateway(gateway: GatewayEui = GATEWAY, **over: Any) -> GatewayCondition:
    """A gateway; `over` are its fields, or those of its status."""
    facts: dict[str, Any] = {
        "gateway": gateway,
        "connected": True,
        "oldest_s": None,
        "receipt_s": 3.0,
        "pulled_s": 4.0,
        "forwarder": "10.0.0.2",
        "certificates": (),
    }
    own = {key: value for key, value in over.items() if key in facts}
    said = {key: value for key, value in over.items() if key not in facts}
    return GatewayCondition(**(facts | own | {"status": make_status(**said)}))


def make_condition(*gateways: GatewayCondition, **over: Any) -> Condition:
    """An agent of one gateway, where none are given."""
    facts: dict[str, Any] = {
        "at": NOW,
        "version": "0.1.0",
        "configuration": "0123456789abcdef",
        "uptime_s": 3 * 86_400 + 4 * 3600 + 5.0,
        "site": "kk",
        "region": "as923",
        "simulated": False,
        "faults": (),
        "gateways": gateways or (make_gateway(),),
        "clock": ClockCondition(kept=True, keeper="chrony", offset_ms=0.31, error_ms=12.0),
        "under_voltage": None,
        "stranger": "",
        "counts": {"datagrams": {"pull_data": 9}, "heard": {"lorawan": 5}, "refused": {}},
    }
    return Condition(**(facts | over))


def make_certificate(days_left: float | None) -> CertificateCondition:
    """A gateway's certificate."""
    return CertificateCondition(file="/etc/khaen/gateway.pem", days_left=days_left)
