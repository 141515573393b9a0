"""The watch over secrets, titles and attendees, tried on a session that leaks through every channel (I-39)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

CASES = """
import base64, logging, subprocess, sys
from datetime import UTC, datetime

import pytest, structlog
from click.testing import CliRunner

from calsync_core import OAuthGrant, Password
from calsync_core.errors import CalsyncError, Rejected, StoreError
from calsync_core.models import Event, Notice, NoticeKind, Outcome, OutcomeStatus, Span, SyncFailure, SyncReport
from calsync_core.models import SyncType, Unreadable
from planted import DETAIL, GUEST, LUNCH, PASSWORD

NOW = datetime(2026, 3, 2, tzinfo=UTC)

def leaking(words):
    try:
        raise KeyError(words)
    except KeyError as error:
        return error

def test_log_line():
    structlog.get_logger().debug("told", title=LUNCH)

def test_log_line_of_a_bound_logger():
    structlog.get_logger().bind(who=GUEST).info("told")

def test_log_line_with_its_traceback():
    try:
        raise KeyError(LUNCH)
    except KeyError:
        structlog.get_logger().exception("failed")

def test_log_line_whatever_is_configured():
    structlog.configure(processors=[lambda *_args: ""], cache_logger_on_first_use=True)
    structlog.get_logger().error("told", password=PASSWORD)

def test_log_record():
    logging.getLogger("some.library").debug("asked with %s", PASSWORD)

def test_log_record_of_a_library_that_was_silenced():
    logging.getLogger("httpcore").debug("answered %s", LUNCH)

def test_header_in_a_log_record():
    logging.getLogger("some.library").info(base64.b64encode(f"ana:{PASSWORD}".encode()).decode())

def test_exception():
    with pytest.raises(CalsyncError):
        raise Rejected(f"{LUNCH} is in the way")

def test_exception_that_was_caught():
    try:
        raise StoreError(DETAIL)
    except StoreError:
        pass

def test_traceback():
    with pytest.raises(StoreError):
        try:
            raise KeyError(LUNCH)
        except KeyError:
            raise StoreError("not now")

def test_notice():
    Notice(NoticeKind.SYNC_FAILED, "ana", NOW, detail={"title": LUNCH})

def test_failure():
    SyncFailure("home", None, "Rejected", LUNCH)

def test_outcome():
    Outcome(1, OutcomeStatus.REJECTED, message=LUNCH)

def test_unreadable():
    Unreadable("a.ics", f"unreadable: {LUNCH}")

def test_report():
    failed = SyncReport(SyncType.POLLING, NOW, owner=GUEST)
    failed.as_dict()

def test_printed():
    print(LUNCH)

def test_printed_and_read(capsys):
    print(LUNCH)
    capsys.readouterr()

def test_process():
    command = [sys.executable, "-c", f"import sys; sys.stderr.write({LUNCH!r})"]
    subprocess.run(command, capture_output=True)

def test_command():
    from click import command, echo
    CliRunner().invoke(command()(lambda: echo(LUNCH)), [])

def test_command_that_fails():
    from click import command
    def fail():
        raise ValueError(PASSWORD)
    CliRunner().invoke(command()(fail), [])

def test_database(tmp_path):
    (tmp_path / "calsync.db-wal").write_bytes(b"..." + DETAIL.encode())

def test_stream_of_a_process(tmp_path):
    (tmp_path / "log").write_text(f"level=info {LUNCH}")

def test_learnt_password():
    structlog.get_logger().info("told", what=Password("ana", "hunter2-correct-horse").password)

def test_learnt_token():
    grant = OAuthGrant("app", "s3cr3t-0f-th3-4pp", "r3fr3sh-t0k3n")
    structlog.get_logger().info("told", what=grant.refresh_token)

def test_learnt_title():
    event = Event("a", None, Span(NOW, NOW.replace(hour=1)), title="Divorce lawyer")
    structlog.get_logger().info("told", what=event.title)

@pytest.fixture
def telling():
    yield
    structlog.get_logger().info("told", title=LUNCH)

def test_while_it_is_torn_down(telling):
    pass

def test_silent_repr():
    structlog.get_logger().info("held", login=Password("ana", PASSWORD))

def test_silent_from_none():
    with pytest.raises(StoreError):
        try:
            raise KeyError(LUNCH)
        except KeyError:
            raise StoreError("not now") from None

def test_silent_database_with_titles(tmp_path):
    (tmp_path / "calsync.db").write_bytes(LUNCH.encode())

@pytest.mark.fiction
def test_silent_fiction(capsys):
    print(LUNCH)
    capsys.readouterr()
    print(LUNCH)

def test_silent_everyday_words():
    structlog.get_logger().info("told", what=Password("ana", "changed").password)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each test of the session failed with, and under "" everything the session printed."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "test_cases.py").write_text(CASES, "utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "leaks",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "--show-capture=no",
            folder,
        ],
        env=inherited | {"PYTHONPATH": paths},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^_+ (?:ERROR at teardown of )?(\w+) _+\n((?:leaked: .*\n)+)", run.stdout, re.MULTILINE)
    return {"": run.stdout, **dict(found)}


CHANNELS = {
    "log_line": "a title in a log line",
    "log_line_of_a_bound_logger": "an attendee in a log line",
    "log_line_with_its_traceback": "a title in a log line",
    "log_line_whatever_is_configured": "a secret in a log line",
    "log_record": "a secret in a log record (some.library DEBUG",
    "log_record_of_a_library_that_was_silenced": "a title in a log record (httpcore DEBUG",
    "header_in_a_log_record": "a secret in a log record",
    "exception": "a title in an exception",
    "exception_that_was_caught": "a description or place in an exception",
    "traceback": "a title in an exception's traceback (KeyError behind StoreError",
    "notice": "a title in a Notice",
    "failure": "a title in a SyncFailure",
    "outcome": "a title in a Outcome",
    "unreadable": "a title in a Unreadable",
    "report": "an attendee in SyncReport.as_dict",
    "printed": "a title in Captured stdout call",
    "printed_and_read": "a title in standard output",
    "process": "a title in standard error",
    "command": "a title in standard output",
    "command_that_fails": "a secret in a command's exception",
    "database": "a description or place in a database's bytes (calsync.db-wal)",
    "stream_of_a_process": "a title in a process's stream (log)",
    "learnt_password": "Password.password in a log line",
    "learnt_token": "OAuthGrant.refresh_token in a log line",
    "learnt_title": "Event.title in a log line",
    "while_it_is_torn_down": "a title in a log line",
}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_leak_fails_the_test_it_happened_in(told: dict[str, str], channel: str) -> None:
    assert f"leaked: {CHANNELS[channel]}" in told[f"test_{channel}"]


def test_what_leaks_nothing_passes(told: dict[str, str]) -> None:
    assert not [name for name in told if name.startswith("test_silent")], told
    assert len(told) == 1 + len(CHANNELS) == CASES.count("def test_") - CASES.count("def test_silent") + 1


def test_no_leak_is_told_with_its_value(told: dict[str, str]) -> None:
    lines = [line for line in told[""].splitlines() if line.startswith("leaked: ")]
    assert len(lines) >= len(CHANNELS)
    assert not [line for line in lines if re.search("untold|hunter2|s3cr3t|Divorce|Lunch", line)]
