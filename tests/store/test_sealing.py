"""Keys at rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretBytes

from khaen.errors import SettingsError
from store.sealing import digest, seal, unseal

KEY, OTHER = SecretBytes(b"k" * 32), SecretBytes(b"o" * 32)


@given(plain=st.binary(max_size=200), context=st.binary(max_size=20))
def test_what_is_sealed_opens_again(plain: bytes, context: bytes) -> None:
    sealed = seal(KEY, plain, context=context)
    assert unseal(KEY, sealed, context=context) == plain
    assert len(plain) < 8 or plain not in sealed


def test_sealing_twice_shows_nothing_in_common() -> None:
    one, other = seal(KEY, b"secret"), seal(KEY, b"secret")
    assert one[1:13] != other[1:13]
    assert one[13:] != other[13:]


@pytest.mark.parametrize("damage", ["key", "context", "bit", "short", "format"])
def test_nothing_else_opens_it(damage: str) -> None:
    sealed = seal(KEY, b"secret", context=b"a")
    key = OTHER if damage == "key" else KEY
    context = b"b" if damage == "context" else b"a"
    given = {
        "bit": sealed[:-1] + bytes([sealed[-1] ^ 1]),
        "short": sealed[:9],
        "format": b"\x02" + sealed[1:],
    }.get(damage, sealed)
    with pytest.raises(SettingsError, match="newer Khaen" if damage == "format" else "key_file"):
        unseal(key, given, context=context)


def test_a_digest_tells_secrets_apart_and_depends_on_the_key() -> None:
    assert digest(KEY, b"a") == digest(KEY, b"a")
    assert len({digest(KEY, b"a"), digest(KEY, b"b"), digest(OTHER, b"a")}) == 3


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(SettingsError, match="32 bytes"):
        seal(SecretBytes(b"short"), b"secret")
