"""Fixtures of all tests; what they are is in tests/support."""

from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.support.broker import mosquitto
from tests.support.leaks import forbid_abandoned_tasks, nothing_left_behind
from tests.support.network import only_loopback, watch_network
from tests.support.ports import free_port, free_udp_port

__all__ = [
    "free_port",
    "free_udp_port",
    "mosquitto",
    "no_abandoned_tasks",
    "nothing_left_behind",
    "only_loopback",
]


# A busy machine is slow for other reasons than the code under test.
settings.register_profile("khaen", deadline=None)
settings.load_profile("khaen")


def pytest_configure() -> None:
    """From the first test on, nobody leaves the machine."""
    watch_network()


@pytest.fixture(autouse=True, scope="session")
def no_abandoned_tasks() -> Iterator[None]:
    """Fail a test that ends while tasks of its loop are pending."""
    with pytest.MonkeyPatch.context() as patch:
        forbid_abandoned_tasks(patch)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a skipped test as failed: what a test needs, `make test` installs."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped; tests run or are deselected by their marker"
    return report
