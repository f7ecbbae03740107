"""Days without a network, in virtual time: what a card kept arrives whole, in order, rightly dated.

The gateway's clock may be wrong meanwhile, and right later or never.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from khaen.clock import Rung
from simulators.acts.vocabulary import Press
from simulators.sites.demonstration import CALLER
from tests.support.days import HOUR, days

OUTAGE: Final = 72 * HOUR
CALL_S: Final = 1.0
"""From a press to the alarm, of which the airtime is a good part."""
NEVER_SET: Final = datetime(1970, 1, 1, tzinfo=UTC)
OTHER_CALLER: Final = "R-0011"


def live_through(folder: Path, *, every_s: float) -> None:
    with days(folder, gateways=2, devices=slice(8, 13), every_s=every_s) as world:
        world.advance(every_s)
        world.cut()
        world.advance(30 * HOUR)
        world.perform(Press(resident=CALLER))
        world.advance(OUTAGE)
        assert world.rows("SELECT * FROM alarm WHERE rule = 'sos'") == []
        held, before = world.acked(), world.received()
        assert held - before > 3 * OUTAGE / every_s

        world.restore()
        world.perform(Press(resident=OTHER_CALLER))
        world.advance(world.now + CALL_S)
        calls = "SELECT subject, late FROM alarm WHERE rule = 'sos' ORDER BY late"
        assert world.rows(calls) == [(f"person:{OTHER_CALLER}", 0), (f"person:{CALLER}", 1)]
        assert world.received() < held - 100, "neither call has waited for the rest"

        world.advance(OUTAGE + HOUR)
        for row in world.check_whole():
            assert row.gone == 0
            assert row.late > OUTAGE / every_s
        assert set(world.check_dates()) == {Rung.SYNCED}
        world.check_live()
        world.check_order()


def test_three_days_without_a_network_cost_nothing(tmp_path: Path) -> None:
    live_through(tmp_path, every_s=900.0)


@pytest.mark.soak
def test_three_busy_days_without_a_network_cost_nothing(tmp_path: Path) -> None:
    live_through(tmp_path, every_s=60.0)


def test_a_clock_at_1970_dates_frames_afterwards(tmp_path: Path) -> None:
    """Three boots in one outage: the first knew the time, the second never did, the third does once
    the network is back.
    """
    with days(tmp_path) as world:
        world.advance(0.5 * HOUR)
        world.cut()
        world.advance(10 * HOUR)
        world.reboot(clock=NEVER_SET)
        world.advance(30 * HOUR)
        world.reboot(clock=NEVER_SET)
        world.advance(50 * HOUR)
        world.perform(Press(resident=CALLER))
        world.advance(OUTAGE)
        world.restore()
        world.advance(OUTAGE + HOUR)

        (account,) = world.check_whole()
        assert account.gone == 0
        rungs = world.check_dates()
        assert set(rungs) <= {Rung.SYNCED, Rung.BOOT, Rung.BETWEEN, Rung.ARRIVAL}
        per_hour = account.heard / 73
        assert rungs[Rung.SYNCED] > 5 * per_hour, "the first boot's, and what is heard today"
        assert rungs[Rung.BETWEEN] > 10 * per_hour, "the second boot's"
        assert rungs[Rung.BOOT] > 20 * per_hour, "the third boot's"
        assert world.rows("SELECT subject, late FROM alarm WHERE rule = 'sos'") == [
            (f"person:{CALLER}", 1)
        ]
        world.check_live()
        world.check_order()
