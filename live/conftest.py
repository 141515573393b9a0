"""The frame of a live run: which services have accounts, what is printed, and what is cleaned up."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator

import pytest

from calsync_core.errors import CalsyncError
from calsync_core.models import Calendar
from calsync_core.system import SystemClock
from live.environment import Missing, Setup, read_setup
from live.findings import Finding, Unanswered
from live.scratch import Scratch
from live.service import LiveService
from live.summary import Redaction, Summary

VERBOSE = "CALSYNC_LIVE_VERBOSE"
"""Set: failures are shown whole, with whatever stands in the account's calendars."""

_SUMMARY = pytest.StashKey[Summary]()
_REDACTION = pytest.StashKey[Redaction]()


def pytest_configure(config: pytest.Config) -> None:
    """Let a terminated run clean up like one that is interrupted."""
    config.stash[_SUMMARY] = Summary()
    config.stash[_REDACTION] = Redaction()
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave one test, skipped by name, of each service without an account; begin with the calendar that must be new."""
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    skipped: set[str] = set()
    for item in items:
        kind = getattr(getattr(item, "module", None), "SERVICE", None)
        found = read_setup(kind.name, os.environ) if kind is not None else None
        if not isinstance(found, Missing):
            kept.append(item)
        elif found.reason in skipped:
            dropped.append(item)
        else:
            skipped.add(found.reason)
            item.add_marker(pytest.mark.skip(reason=found.reason))
            kept.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = sorted(kept, key=lambda item: (item.path, "empty_calendar" not in item.name))


# -- what every service's tests use --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(request: pytest.FixtureRequest) -> Iterator[LiveService]:
    """The account of the module's ``SERVICE``."""
    kind: type[LiveService] = request.module.SERVICE
    setup = read_setup(kind.name, os.environ)
    assert isinstance(setup, Setup)
    request.config.stash[_REDACTION].hide(setup.secrets)
    made = kind(setup, SystemClock())
    try:
        yield made
    finally:
        request.config.stash[_SUMMARY].note_requests(kind.name, made.sent)
        made.wire.close()


@pytest.fixture(scope="module")
def scratch(request: pytest.FixtureRequest, service: LiveService) -> Iterator[Scratch]:
    """Scratch calendars, which disappear whatever happens."""
    made = Scratch(service, service.clock)
    made.sweep()
    try:
        yield made
    finally:
        made.remove_all()
        request.config.stash[_SUMMARY].note_calendars(service.name, made.made, made.swept)


@pytest.fixture(scope="module")
def common_calendar(scratch: Scratch) -> Calendar:
    """The scratch calendar that most tests share, one after the other."""
    return scratch.new()


@pytest.fixture(scope="module")
def gone_calendar(service: LiveService, scratch: Scratch) -> Calendar:
    """A scratch calendar that exists no more."""
    made = scratch.new()
    service.drop_calendar(made.remote_id)
    return made


@pytest.fixture
def report(request: pytest.FixtureRequest, service: LiveService) -> Callable[[Finding], None]:
    """Takes a ``Finding`` and has it printed."""

    def take(finding: Finding) -> None:
        request.node.user_properties.append((service.name, finding))

    return take


# -- what is printed -----------------------------------------------------------------------------------------------

_terminal: pytest.TerminalReporter | None = None
_dotted = False
"""Something stands on the terminal's last line."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Find the terminal."""
    global _terminal  # noqa: PLW0603  (a report carries no configuration)
    found = session.config.pluginmanager.get_plugin("terminalreporter")
    _terminal = found if isinstance(found, pytest.TerminalReporter) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say where a test failed and how, without what it compared: that may be a person's."""
    report = yield
    if report.failed and call.excinfo is not None and not os.environ.get(VERBOSE):
        error = call.excinfo.value
        told = f": {error}" if isinstance(error, CalsyncError | Unanswered) else ""
        place = call.excinfo.traceback[-1]
        line = f"{place.path}:{place.lineno + 1}: {type(error).__name__}{told}\n  {str(place.statement).strip()}"
        report.longrepr = item.config.stash[_REDACTION].apply(line)
        report.sections = []
    return report


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Print what was found as soon as it is."""
    global _dotted  # noqa: PLW0603  (as above)
    if report.when != "call" or _terminal is None:
        return
    config = _terminal.config
    found = _findings(report)
    for name, finding in found:
        config.stash[_SUMMARY].note_finding(name, finding)
        _terminal.write("\n" if _dotted else "")
        _terminal.write_line(config.stash[_REDACTION].apply(finding.line))
        _dotted = False
    _dotted = _dotted or not found


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """The line is enough: no dot before it."""
    return ("passed", "", "") if report.when == "call" and report.passed and _findings(report) else None


def _findings(report: pytest.TestReport) -> list[tuple[str, Finding]]:
    return [(name, found) for name, found in report.user_properties if isinstance(found, Finding)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What each service's run came to."""
    lines = config.stash[_SUMMARY].lines()
    if lines:
        terminalreporter.section("live run")
        for line in lines:
            terminalreporter.write_line(line)
