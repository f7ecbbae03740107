"""DevAddr prefixes of NetIDs."""

import pytest

from khaen.site.addressing import net_id_prefix


# One of each type: LoRaWAN L2 1.0.4, section 6.1.1. 000013 is The Things Network's, whose public
# block is 26000000/7 (and 27); 000000 and 000001 are the experimental ones.
@pytest.mark.parametrize(
    ("net_id", "prefix"),
    [
        ("000000", "00000000/7"),
        ("000001", "02000000/7"),
        ("000013", "26000000/7"),
        ("200001", "81000000/8"),
        ("400001", "c0100000/12"),
        ("60002D", "e05a0000/15"),
        ("800001", "f0008000/17"),
        ("A00001", "f8002000/19"),
        ("C00001", "fc000400/22"),
        ("E00001", "fe000080/25"),
    ],
)
def test_prefix_of_each_type(net_id: str, prefix: str) -> None:
    assert net_id_prefix(net_id) == prefix
