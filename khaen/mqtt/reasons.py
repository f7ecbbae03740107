"""Why a broker could not be reached: one line that names the thing and the remedy."""

from __future__ import annotations

import socket
import ssl

from khaen.mqtt.settings import MqttSettings

# Verify results, as OpenSSL's x509_vfy.h numbers them.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
_ANOTHER_NAME = frozenset({62, 64})
_ACCOUNT = frozenset({"Not authorized", "Bad user name or password"})
_OURS = {
    "CERTIFICATE_REQUIRED": "is missing: name one in mqtt.cert_file and mqtt.key_file",
    "CERTIFICATE_EXPIRED": "has expired: renew {cert}",
    "CERTIFICATE_REVOKED": "is revoked: renew {cert}",
    "UNKNOWN_CA": "is of a CA that the broker does not trust: renew {cert}",
    "BAD_CERTIFICATE": "is not taken by the broker: renew {cert}",
    "HANDSHAKE_FAILURE": "is not taken, or missing: look at mqtt.cert_file",
}
"""What a TLS alert of the broker says of our own certificate (RFC 8446, section 6.2)."""


def explain(error: OSError | ValueError, settings: MqttSettings) -> str:
    """Why a connection could not be made, or ended."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_theirs(error, settings)
    if isinstance(error, ssl.SSLError):
        return _explain_alert(error, settings)
    if isinstance(error, socket.gaierror):
        return f"mqtt.host: no address is known for {settings.host}: {error.strerror}"
    if isinstance(error, ConnectionResetError) and settings.ca_file is None:
        return (
            f"{settings.host}:{settings.port} ended it at once: if it speaks TLS, set"
            " mqtt.ca_file, or mqtt.port to the plain one (1883)"
        )
    if isinstance(error, ConnectionRefusedError):
        return f"ConnectionRefusedError: nothing listens on {settings.host}:{settings.port}"
    return f"{type(error).__name__}: {error}"


def explain_refusal(code: str) -> str:
    """Why the broker refused us, by the name of its reason code."""
    wrong = code in _ACCOUNT
    return f"refused: {code}" + (": see mqtt.username and mqtt.password_file" if wrong else "")


def _explain_theirs(error: ssl.SSLCertVerificationError, settings: MqttSettings) -> str:
    """What is wrong with the broker's certificate."""
    whose, code = f"the certificate of {settings.host}", error.verify_code
    if code == _EXPIRED:
        return f"{whose} has expired: renew it at the broker, or set this machine's clock"
    if code == _NOT_YET_VALID:
        return f"{whose} is not yet valid: set this machine's clock"
    if code in _UNTRUSTED:
        return f"{whose} is not signed by {settings.ca_file}: put the broker's CA into that file"
    if code in _ANOTHER_NAME:
        return f"{whose} is for another name: set mqtt.host to one that is in it"
    return f"{whose} is not trusted: {error.verify_message}"


def _explain_alert(error: ssl.SSLError, settings: MqttSettings) -> str:
    reason = error.reason or ""
    for alert, text in _OURS.items():
        if reason.endswith(alert):
            cert = settings.cert_file or "mqtt.cert_file"
            return f"our certificate {text.format(cert=cert)} ({reason})"
    if reason == "WRONG_VERSION_NUMBER":
        return f"{settings.host}:{settings.port} does not speak TLS: look at mqtt.port"
    return f"TLS: {reason or error}"
