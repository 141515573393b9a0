"""The test session's own rules, tried on a small session of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = """
import pytest

@pytest.mark.server
def test_skipped_inside():
    pytest.skip("no server")

@pytest.mark.server
@pytest.mark.skipif(True, reason="no server")
def test_skipped_by_mark():
    pass

@pytest.fixture
def server():
    pytest.skip("no server")

@pytest.mark.server
def test_skipped_by_fixture(server):
    pass

@pytest.mark.server
@pytest.mark.xfail
def test_expected_to_fail():
    assert False

def test_needs_no_server():
    pytest.skip("another reason")
"""
WHOLE_MODULE = 'import pytest\npytest.skip("no server", allow_module_level=True)\n'


def run_session(folder: Path, cases: str, **environment: str) -> str:
    (folder / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text("utf-8"), "utf-8")
    (folder / "pytest.ini").write_text(f"[pytest]\nmarkers = server\npythonpath = {Path(__file__).parent}\n", "utf-8")
    (folder / "test_cases.py").write_text(cases, "utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CALSYNC_"))}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", folder],
        env=inherited | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.splitlines()[-1]


def test_a_server_test_may_be_skipped_on_a_developers_machine(tmp_path: Path) -> None:
    assert run_session(tmp_path, CASES).startswith("4 skipped, 1 xfailed")


def test_a_skipped_server_test_fails_where_servers_are_required(tmp_path: Path) -> None:
    closing_line = run_session(tmp_path, CASES, CALSYNC_REQUIRE_SERVERS="1")
    assert closing_line.startswith("1 failed, 1 skipped, 1 xfailed, 2 errors")


@pytest.mark.parametrize(("required", "closing"), [("0", "1 skipped"), ("1", "1 error")])
def test_a_module_that_skips_itself_hides_no_server_test(tmp_path: Path, required: str, closing: str) -> None:
    assert run_session(tmp_path, WHOLE_MODULE, CALSYNC_REQUIRE_SERVERS=required).startswith(closing)
