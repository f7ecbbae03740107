"""An agent's condition as Prometheus reads it."""

import math
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from edge.health import gauges
from khaen.ids import GatewayEui
from tests.edge.conditions import NOW, make_certificate, make_condition, make_gateway
from tests.edge.fixtures import GATEWAY

OTHER = GatewayEui("0016c001f153a1ff")


def test_every_gateway_has_its_figures() -> None:
    silent = make_gateway(
        OTHER,
        connected=False,
        backlog=12,
        oldest_s=90.0,
        receipt_s=None,
        last_frame=None,
        temperature=None,
        warnings=("disk_low", "twin_agent"),
        certificates=(make_certificate(12.5),),
    )
    heard = make_gateway(last_frame=NOW - timedelta(seconds=12), certificates=())
    condition = make_condition(heard, silent, faults=("it is a test",))
    found = {
        (sample.name.removeprefix("khaen_edge_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(gauges.render(condition).decode())
        for sample in family.samples
    }
    unknown = {key for key, value in found.items() if math.isnan(value)}
    assert unknown == {
        ("frame_age_seconds", OTHER),
        ("receipt_age_seconds", OTHER),
        ("temperature_celsius", OTHER),
    }
    expected = {
        ("healthy",): 0,
        ("clock_kept",): 1,
        ("clock_offset_seconds",): 0.00031,
        ("clock_error_seconds",): 0.012,
        ("frame_age_seconds", GATEWAY): 12,
        ("oldest_record_seconds", GATEWAY): 0,
        ("oldest_record_seconds", OTHER): 90,
        ("backlog_records", OTHER): 12,
        ("connected", GATEWAY): 1,
        ("connected", OTHER): 0,
        ("outbox_quota_bytes", OTHER): 1 << 30,
        ("warning", "disk_low", OTHER): 1,
        ("warning", "twin_agent", OTHER): 1,
        ("certificate_days", "/etc/khaen/gateway.pem", OTHER): 12.5,
    }
    assert expected.items() <= found.items()
    assert found["resident_bytes",] > 1_000_000
