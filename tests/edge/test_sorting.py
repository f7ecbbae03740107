"""What goes first, read from headers alone."""

import pytest

from edge.sorting import sort
from khaen.ids import DevAddr, DevEui
from khaen.lorawan.frame import MType, build_data, build_join_request
from khaen.priority import PriorityList

WANTED = PriorityList(prefixes=("26010000/16",), dev_addrs=(DevAddr("01020304"),), f_ports=(2, 85))
JOIN = build_join_request(join_eui="01" * 8, dev_eui=DevEui("02" * 8), dev_nonce=7) + bytes(4)


def data(dev_addr: str, f_port: int | None, mtype: MType = MType.UNCONFIRMED_DATA_UP) -> bytes:
    return build_data(mtype=mtype, dev_addr=DevAddr(dev_addr), f_cnt=1, f_port=f_port) + bytes(4)


@pytest.mark.parametrize(
    ("phy", "priority", "join"),
    [
        (JOIN, True, True),
        (b"\xc0" + bytes(18), True, True),
        (data("01020304", 9), True, False),
        (data("01020304", None), True, False),
        (data("26011234", 85), True, False),
        (data("26011234", 86), False, False),
        (data("26021234", 85), False, False),
        (data("01020304", 2, MType.UNCONFIRMED_DATA_DOWN), False, False),
        (b"\x20" + bytes(16), False, False),
        (b"\xe0proprietary", False, False),
        (b"", False, False),
        (b"\x40short", False, False),
    ],
)
def test_sort(phy: bytes, priority: bool, join: bool) -> None:
    sorted_as = sort(phy, WANTED)
    assert (sorted_as.priority, sorted_as.join) == (priority, join)
    assert sort(phy, None).priority, "before any list has come, everything goes first"
