"""What holds for the whole test session: how hard Hypothesis searches, and which skips are not acceptable."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["leaks", "calsync_core.testing.fixtures"]

REQUIRE_SERVERS = "CALSYNC_REQUIRE_SERVERS"
"""Set (to anything but 0) where every server must start: there, a skipped server test is a failed one."""

# ci: the same search every time, so that a red build is about the change. dev: quick and different on every run.
# search: for an evening. torture: for a night. No deadline anywhere: a test never depends on how fast the machine is.
_SLOW_IS_FINE = [HealthCheck.too_slow]
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("dev", deadline=None, max_examples=30, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile(
    "search", deadline=None, max_examples=2_000, print_blob=True, suppress_health_check=_SLOW_IS_FINE
)
settings.register_profile(
    "torture", deadline=None, max_examples=20_000, print_blob=True, suppress_health_check=_SLOW_IS_FINE
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(autouse=True)
def _own_log_configuration() -> Iterator[None]:
    """Undo what a command run in this process told structlog: another test's log lines would be filtered by it."""
    yield
    structlog.reset_defaults()


def _servers_required() -> bool:
    return os.environ.get(REQUIRE_SERVERS, "0") not in {"", "0"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a server test that skipped itself where servers are required."""
    report = yield
    unwanted = report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("server") is not None
    if unwanted and _servers_required():
        report.outcome = "failed"
        report.longrepr = f"{REQUIRE_SERVERS} is set, but this server test was skipped: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skipped itself as a whole, since nobody can tell whether it holds server tests."""
    report = yield
    if report.skipped and _servers_required():
        report.outcome = "failed"
        report.longrepr = f"{REQUIRE_SERVERS} is set, but this module was skipped: {report.longrepr}"
    return report
