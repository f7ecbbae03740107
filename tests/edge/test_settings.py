"""The settings of several gateways behind one agent."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from edge.settings import EdgeSettings
from tests.edge.fixtures import GATEWAY

FIRST = {"gateway_eui": GATEWAY, "site": "kk"}
MQTT = {"username": "gateway-1", "password_file": "/etc/khaen/1", "ca_file": "/etc/khaen/ca"}
OTHER = "0016c001f153a14d"


def test_one_gateway_has_the_settings_as_they_are() -> None:
    settings = EdgeSettings.model_validate(FIRST)
    assert settings.of_each() == (settings,)


def test_each_has_its_own_outbox_and_account_and_the_rest_in_common() -> None:
    other = {"eui": OTHER.upper(), "username": "gateway-2", "password_file": "/etc/khaen/2"}
    settings = EdgeSettings.model_validate(
        FIRST
        | {
            "mqtt": MQTT,
            "outbox": {"path": "/data/outbox.sqlite", "hold_h": 1},
            "gateways": [other, {"eui": "0016c001f153a14e"}],
        }
    )
    first, second, third = settings.of_each()
    assert [own.gateway_eui for own in settings.of_each()] == [GATEWAY, OTHER, "0016c001f153a14e"]
    assert [str(own.outbox.path) for own in settings.of_each()] == [
        "/data/outbox.sqlite",
        f"/data/outbox-{OTHER}.sqlite",
        "/data/outbox-0016c001f153a14e.sqlite",
    ]
    assert [own.mqtt.username for own in (first, second, third)] == [
        "gateway-1",
        "gateway-2",
        "gateway-1",
    ]
    assert second.mqtt.password_file == Path("/etc/khaen/2")
    assert third.mqtt == first.mqtt
    for own in (second, third):
        assert own.mqtt.ca_file == Path("/etc/khaen/ca")
        assert own.outbox.hold_h == 1
        assert own.of_each() == (own,)


def test_a_gateway_is_named_once() -> None:
    with pytest.raises(ValidationError, match=f"gateway {GATEWAY} is named twice"):
        EdgeSettings.model_validate(FIRST | {"gateways": [{"eui": GATEWAY.upper()}]})
    with pytest.raises(ValidationError, match="is named twice"):
        EdgeSettings.model_validate(FIRST | {"gateways": [{"eui": OTHER}, {"eui": OTHER}]})


def test_what_is_no_eui_says_so() -> None:
    with pytest.raises(ValidationError, match=r"gateways.0.eui"):
        EdgeSettings.model_validate(FIRST | {"gateways": [{"eui": "roof"}]})
