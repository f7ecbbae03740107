"""Which hearings of an uplink are one and the same."""

import itertools
import uuid
from dataclasses import replace
from datetime import UTC, datetime

from khaen.clock import Rung
from khaen.ids import Epoch, GatewayEui, UplinkId
from khaen.uplink import Number, Reception, Way
from store.hearing import Hearing

EPOCH, NEXT = Epoch("00000000000000e1"), Epoch("00000000000000e2")
AT = datetime(2026, 7, 23, 1, 0, tzinfo=UTC)
ONE = Reception(
    gateway_eui=GatewayEui("0016c001f153a101"),
    way=Way.LIVE,
    received_at=AT,
    clock=Rung.SYNCED,
    number=Number(epoch=EPOCH, seq=1),
    context=b"\0\0\0\0",
)
ANTENNA = replace(ONE, number=Number(epoch=EPOCH, seq=2))
EVENT = replace(ONE, way=Way.NETWORK_SERVER, number=None)
TRACED = replace(ONE, way=Way.NETWORK_SERVER, context=b"")


def count(*receptions: Reception) -> int:
    """How many hearings these are."""
    hearing = Hearing(
        id=UplinkId(uuid.UUID(int=1)), seq=1, new=True, received_at=0, count=0, has_phy=False
    )
    for reception in receptions:
        hearing.add(reception, 0)
    rows = list(hearing.rows())
    assert len({row[:3] for row in rows}) == len(rows) == hearing.count
    return hearing.count


def test_two_antennas_are_two_in_any_order_and_what_a_server_tells_of_them_is_no_more() -> None:
    for order in itertools.permutations((ONE, ANTENNA, EVENT, TRACED, ONE)):
        assert count(*order) == 2, order


def test_a_new_number_in_a_new_epoch_is_the_same_hearing() -> None:
    assert count(ONE, replace(ONE, number=Number(epoch=NEXT, seq=9))) == 1


def test_a_retransmission_has_another_context() -> None:
    again = replace(ONE, context=b"\0\0\0\1", number=Number(epoch=EPOCH, seq=3))
    assert count(ONE, EVENT, again, replace(again, number=None, way=Way.NETWORK_SERVER)) == 2
