"""The MQTT client with TLS, against a real broker: what is wrong is said in one line."""

import ssl
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from khaen.mqtt import MqttSettings, Session, Version, Will
from tests.khaen.test_mqtt import connected, until
from tests.support.authority import Authority, listen_with_tls
from tests.support.broker import Mosquitto

StartMosquitto = Callable[..., Mosquitto]
DAY = timedelta(days=1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.mark.parametrize("version", [Version.V5, Version.V311])
@pytest.mark.parametrize("mutual", [False, True], ids=["server only", "mutual"])
def test_both_versions_speak_tls_and_mutual_tls(
    mosquitto: StartMosquitto, authority: Authority, version: Version, mutual: bool
) -> None:
    server, own = authority.issue("broker"), authority.issue("gateway")
    lines = listen_with_tls(server, authority, mutual=mutual)
    settings = MqttSettings(
        port=mosquitto(settings=lines).port,
        version=version,
        ca_file=authority.ca,
        cert_file=own.cert if mutual else None,
        key_file=own.key if mutual else None,
    )
    with connected(settings, Session(client_id="a", subscriptions=("t",))) as party:
        party.client.publish("t", b"sealed", expiry=2.0, within=2.0)
        until(lambda: party.payloads() == [b"sealed"], "a message")


def say(settings: MqttSettings) -> str:
    """Why there is no connection."""
    with connected(settings, Session(client_id="a"), wait=False) as party:
        until(lambda: bool(party.ends), "a reason")
        assert not party.client.connected
        return party.ends[0]


def test_a_broker_of_another_authority_is_not_trusted(
    mosquitto: StartMosquitto, authority: Authority, tmp_path: Path
) -> None:
    port = mosquitto(settings=listen_with_tls(authority.issue("broker"), authority)).port
    another = Authority(tmp_path / "another", name="another").ca
    assert say(MqttSettings(port=port, ca_file=another)) == (
        f"the certificate of 127.0.0.1 is not signed by {another}:"
        " put the broker's CA into that file"
    )


@pytest.mark.parametrize(
    ("begins", "ends", "host", "reason"),
    [
        (-2 * DAY, -DAY, "", "has expired: renew it at the broker, or set this machine's clock"),
        (DAY, 2 * DAY, "", "is not yet valid: set this machine's clock"),
        (-DAY, DAY, "broker.example", "is for another name: set mqtt.host to one that is in it"),
    ],
)
def test_a_brokers_certificate_that_is_not_good_is_told(
    mosquitto: StartMosquitto,
    authority: Authority,
    begins: timedelta,
    ends: timedelta,
    host: str,
    reason: str,
) -> None:
    server = authority.issue("broker", begins=begins, ends=ends, host=host)
    port = mosquitto(settings=listen_with_tls(server, authority)).port
    said = say(MqttSettings(port=port, ca_file=authority.ca))
    assert said == f"the certificate of 127.0.0.1 {reason}"


def test_a_missing_certificate_of_ours_is_told(
    mosquitto: StartMosquitto, authority: Authority
) -> None:
    lines = listen_with_tls(authority.issue("broker"), authority, mutual=True)
    settings = MqttSettings(port=mosquitto(settings=lines).port, ca_file=authority.ca)
    said = say(settings)
    assert said.startswith("our certificate is missing: name one in mqtt.cert_file"), said


def test_a_certificate_of_ours_that_is_over_is_told(
    mosquitto: StartMosquitto, authority: Authority
) -> None:
    lines = listen_with_tls(authority.issue("broker"), authority, mutual=True)
    own = authority.issue("gateway", begins=-2 * DAY, ends=-DAY)
    settings = MqttSettings(
        port=mosquitto(settings=lines).port,
        ca_file=authority.ca,
        cert_file=own.cert,
        key_file=own.key,
    )
    assert say(settings).startswith(f"our certificate has expired: renew {own.cert}")


def test_a_file_that_is_no_certificate_is_named(authority: Authority, free_port: int) -> None:
    broken = authority.folder / "broken.pem"
    broken.write_text("no certificate\n")
    own = authority.issue("gateway")
    wrong = MqttSettings(port=free_port, ca_file=authority.ca, cert_file=broken, key_file=own.key)
    assert str(broken) in say(wrong)
    assert str(broken) in say(MqttSettings(port=free_port, ca_file=broken))


def test_a_broker_without_tls_is_told(mosquitto: StartMosquitto, authority: Authority) -> None:
    port = mosquitto().port
    said = say(MqttSettings(port=port, ca_file=authority.ca))
    assert "TLS" in said


def test_renewed_files_are_used_without_a_last_will(
    mosquitto: StartMosquitto, authority: Authority
) -> None:
    lines = listen_with_tls(authority.issue("broker"), authority, mutual=True)
    broker = mosquitto(settings=[*lines, "use_identity_as_username true", "log_type all"])
    own = authority.issue("old-name")
    settings = MqttSettings(
        port=broker.port, ca_file=authority.ca, cert_file=own.cert, key_file=own.key
    )
    will = Will(topic="state", payload=b"gone", retain=False)
    with (
        connected(settings, Session(client_id="w", subscriptions=("state",))) as watch,
        connected(settings, Session(client_id="g", will=will)) as party,
    ):
        new = authority.issue("new-name")
        own.cert.write_bytes(new.cert.read_bytes())
        own.key.write_bytes(new.key.read_bytes())
        party.client.renew()
        until(lambda: party.client.connection == 2 and party.client.connected, "a second one")
        assert party.ends == ["made anew on purpose"]
        until(lambda: "as g (p5, c1, k60, u'new-name')" in broker.log, "by the new certificate")
        assert watch.messages == []


def test_the_context_asks_for_tls_1_2_at_least(authority: Authority) -> None:
    context = MqttSettings(ca_file=authority.ca).tls()
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_renewal_that_went_wrong_cuts_nobody_off(
    mosquitto: StartMosquitto, authority: Authority
) -> None:
    """The connection is lost while a file is broken: it is made again with what the file said."""
    server, own = authority.issue("broker"), authority.issue("gateway")
    settings = MqttSettings(
        port=mosquitto(settings=listen_with_tls(server, authority, mutual=True)).port,
        ca_file=authority.ca,
        cert_file=own.cert,
        key_file=own.key,
    )
    with connected(settings, Session(client_id="a", subscriptions=("t",))) as party:
        own.cert.write_text("half a cert")
        party.client.drop()
        until(lambda: party.client.connection > 1 and party.client.connected, "a connection again")
        party.client.publish("t", b"sealed")
        until(lambda: party.payloads() == [b"sealed"], "a message")


def test_a_key_with_a_pass_phrase_asks_nobody(authority: Authority, free_port: int) -> None:
    own = authority.issue("gateway")
    sealed = authority.folder / "sealed.key"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", own.key, "-out", sealed, "-passout", "pass:secret"],
        check=True,
    )
    settings = MqttSettings(
        port=free_port, ca_file=authority.ca, cert_file=own.cert, key_file=sealed
    )
    assert f"mqtt.cert_file: cannot use {own.cert} with {sealed}" in say(settings)
