"""Dates of certificates, against what a cryptographic library made."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from edge import certificates
from khaen.errors import DecodeError

BEGINS, ENDS = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2027, 6, 7, 8, 9, 10, tzinfo=UTC)


def make(begins: datetime = BEGINS, ends: datetime = ENDS, name: str = "gateway") -> bytes:
    """A certificate, signed by itself, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=begins,
        not_valid_after=ends,
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


DER = x509.load_pem_x509_certificate(make()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (BEGINS, ENDS),
        (datetime(1970, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        # From 2050 on dates are written in another type (RFC 5280, section 4.1.2.5).
        (datetime(2050, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_file_tells_its_dates(begins: datetime, ends: datetime, tmp_path: Path) -> None:
    file = tmp_path / "gateway.pem"
    # What openssl writes before it, and the rest of the chain behind it.
    file.write_bytes(b"subject=CN = \xe0\xb8\x81\n" + make(begins, ends, "ก" * 20) + make())
    validity = certificates.read(file)
    assert (validity.begins, validity.ends) == (begins, ends)


def test_days_are_counted_from_now_and_below_nothing(tmp_path: Path) -> None:
    file = tmp_path / "gateway.pem"
    assert certificates.count_days(file, BEGINS) is None
    file.write_bytes(make())
    assert certificates.count_days(file, datetime(2027, 6, 6, 8, 9, 10, tzinfo=UTC)) == 1
    assert certificates.count_days(file, datetime(2027, 6, 8, 8, 9, 10, tzinfo=UTC)) == -1
    file.write_bytes(b"")
    assert certificates.count_days(file, BEGINS) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_file_without_a_certificate_is_refused(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "gateway.pem"
    file.write_bytes(text)
    with pytest.raises(DecodeError):
        certificates.read(file)


@given(st.binary(max_size=80) | st.integers(0, len(DER) - 1).map(lambda size: DER[:size]))
def test_what_is_cut_or_garbage_is_refused(der: bytes) -> None:
    with pytest.raises(DecodeError):
        certificates.parse(der)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_dates_or_is_refused(place: int, value: int) -> None:
    try:
        validity = certificates.parse(DER[:place] + bytes((value,)) + DER[place + 1 :])
    except DecodeError:
        return
    assert validity.ends.tzinfo is UTC
