"""How a site is made fit for being simulated, and what is said of what is not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from commands.imitated import spread, tell_silent
from simulators.sites.demonstration import make_site
from simulators.sites.made_up import make_up
from simulators.traffic import Pace, Traffic


@pytest.mark.parametrize(
    ("elders", "interval", "first"),
    [(20, 300.0, 8.0), (90, 300.0, 30.0), (90, 12.0, 12.0), (90, 2.0, 8.0)],
)
def test_first_reports_are_spread_over_a_large_site_s_interval(
    elders: int, interval: float, first: float
) -> None:
    site = make_up(1, elders=elders, gateways=1, sensors=0).site
    pace = Pace(wristband=interval, sensor=interval)
    assert spread(pace, site) == Pace(wristband=interval, sensor=interval, first=first)


def test_each_silent_family_is_named_with_its_true_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = make_site(1)
    changes: tuple[dict[str, object], ...] = (
        {"position": None, "family": "milesight_em300_th"},
        {"dev_addr": None, "family": "milesight_ws101"},
        {"family": "nobody_knows"},
    )
    changed = [
        device.model_copy(update=change)
        for device, change in zip(made.site.devices, changes, strict=False)
    ]
    devices = (*changed, *made.site.devices[len(changed) :])
    site = made.site.model_copy(update={"devices": devices})
    tell_silent(site, Traffic(site, made.keys, seed=1, start=datetime(2026, 3, 1, tzinfo=UTC)))
    assert capsys.readouterr().err.splitlines() == [
        "silent, for they are not known to the simulator: nobody_knows",
        "silent, for they have no position: milesight_em300_th",
        "silent, for they have no session keys; --network-server lets them join: milesight_ws101",
    ]
