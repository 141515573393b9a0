"""The fixtures for hosts, in a host's own test run, and what its browser does with pages that are not ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from calsync_core.testing import GoogleSimulator
from calsync_core.testing.browser import Browser, BrowserError, client_for
from documented import find_blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "connecting.md"

FORM = """
<form action="/take" method="post">
  <input name="named" value="as it was"><input name="typed"><input type="hidden" name="a-b" value="1">
  <input type="checkbox" name="on" value="yes" checked><input type="checkbox" name="off" value="yes">
  <input type="radio" name="which" value="one"><input type="radio" name="which" value="two" checked>
  <button name="pressed" value="1">Go</button><input type="submit" value="Go">
</form>
<form action="/search"><input name="q" value="x"></form>
"""


def test_the_documented_tests_pass_in_a_run_of_its_own(tmp_path: Path) -> None:
    """With nothing of this repository's test setup."""
    [plugin] = [block.text for block in find_blocks(PAGE, "text") if "pytest_plugins" in block.text]
    tests = [block.text for block in find_blocks(PAGE, "python") if "def test_" in block.text]
    (tmp_path / "conftest.py").write_text(plugin)
    (tmp_path / "test_host.py").write_text("\n".join(tests))
    command = (sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", ".")
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, "2 passed" in run.stdout) == (0, True), run.stdout + run.stderr


def site(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Shows what it was sent."""
    path = environ["PATH_INFO"]
    moves = {"/round": "/round", "/away": "https://elsewhere.example/", "/home": "/"}
    if path in moves:
        start_response("303 See Other", [("Location", moves[path])])
        return []
    start_response("200 OK", [("Content-Type", "text/html")])
    if path == "/":
        return [FORM.encode()]
    body = environ["wsgi.input"].read() or environ["QUERY_STRING"].encode()
    return [body, b" ", str(environ.get("HTTP_ORIGIN")).encode()]


@pytest.fixture
def browser() -> Browser:
    return Browser(client_for(site, "https://app.example.com"), google=GoogleSimulator())


def test_a_form_is_sent_as_browsers_send_it(browser: Browser) -> None:
    browser.open("/home")
    browser.submit(typed="ä&", off=True, on=False, a_b="2")
    assert browser.text == "named=as+it+was&which=two&typed=%C3%A4%26&off=yes&a-b=2 https://app.example.com"
    browser.open("/")
    browser.submit(1)
    assert browser.text == "q=x None"


def test_what_can_t_be_done_is_said(browser: Browser) -> None:
    browser.open("/take")
    with pytest.raises(BrowserError, match="0 forms"):
        browser.submit()
    with pytest.raises(BrowserError, match="nobody"):
        browser.consent("ana@example.com")
    with pytest.raises(BrowserError, match="redirects"):
        browser.open("/round")
    browser.open("/away")
    assert browser.waiting_at == "https://elsewhere.example/"
    with pytest.raises(BrowserError, match=r"elsewhere\.example"):
        browser.consent("ana@example.com")
