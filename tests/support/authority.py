"""A certificate authority of a test, and what it signs: for brokers on loopback and gateways."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Files of a certificate and its key."""

    cert: Path
    key: Path


@dataclass(slots=True)
class Authority:
    """Signs for `folder`; `ca` is its own certificate's file."""

    folder: Path
    name: str = "authority"
    _key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        builder = self._build(self.name, self._key, -_DAY, 30 * _DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.ca.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    @property
    def ca(self) -> Path:
        """What a client must trust."""
        return self.folder / f"{self.name}.pem"

    def issue(
        self, name: str, *, begins: timedelta = -_DAY, ends: timedelta = 30 * _DAY, host: str = ""
    ) -> Identity:
        """A certificate for `name`, valid from now + `begins` to now + `ends`, also for the address
        127.0.0.1, or for `host` only where one is given; written over the last of that name.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = (
            [x509.DNSName(host)]
            if host
            else [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        )
        builder = self._build(name, key, begins, ends).add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
        identity = Identity(cert=self.folder / f"{name}.pem", key=self.folder / f"{name}.key")
        signed = builder.sign(self._key, hashes.SHA256())
        identity.cert.write_bytes(signed.public_bytes(Encoding.PEM))
        identity.key.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return identity

    def _build(
        self, name: str, key: ec.EllipticCurvePrivateKey, begins: timedelta, ends: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return x509.CertificateBuilder(
            issuer_name=_named(self.name),
            subject_name=_named(name),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now + begins,
            not_valid_after=now + ends,
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def listen_with_tls(server: Identity, authority: Authority, *, mutual: bool = False) -> list[str]:
    """Lines of mosquitto.conf that make its listener one of TLS."""
    lines = [f"certfile {server.cert}", f"keyfile {server.key}"]
    if mutual:
        lines += [f"cafile {authority.ca}", "require_certificate true"]
    return lines
