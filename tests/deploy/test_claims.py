"""Ports of sites that start at the same moment."""

import pytest

from deploy.claims import Claims
from khaen.errors import NotRunnable


def test_what_one_site_has_claimed_no_other_takes(free_port: int) -> None:
    one, other = Claims(), Claims()
    try:
        assert one.take("127.0.0.1", free_port, what="console", remedy="x") == free_port
        assert other.prefer("127.0.0.1", free_port) != free_port
        with pytest.raises(NotRunnable, match=rf"broker: 127.0.0.1:{free_port} is taken .* or x"):
            other.take("127.0.0.1", free_port, what="broker", remedy="x")
        one.release()
        assert other.take("127.0.0.1", free_port, what="broker", remedy="x") == free_port
    finally:
        one.release()
        other.release()


def test_a_site_is_given_different_ports(free_port: int) -> None:
    claims = Claims()
    try:
        taken = [claims.prefer("127.0.0.1", free_port) for _ in range(20)]
        taken += [claims.take("127.0.0.1", 0, what="x", remedy="x") for _ in range(20)]
        assert len(set(taken)) == 40
        assert taken[0] == free_port
    finally:
        claims.release()
