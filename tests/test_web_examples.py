"""The web examples, each started as its documentation says, with Ana in a browser.

``CALSYNC_SCREENSHOTS=docs/_static pytest tests/test_web_examples.py`` takes the documentation's pictures again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from browser import chromium, picture, press, resize
from calsync_core.credentials import new_key
from calsync_core.testing.playground import Playground
from waiting import until
from web_bench import listening

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = {"fastapi": ["app.py"], "flask": ["app.py", "worker.py"]}


def free_address() -> str:
    """One that nobody listens on now."""
    with listening() as (_, url):
        return url


@contextmanager
def running(
    name: str, programs: Sequence[str], folder: Path, **environment: str
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The example's programs, until the block ends."""
    with ExitStack() as stack, (folder / "log").open("wb") as log:
        processes = [
            subprocess.Popen(
                [sys.executable, "-W", "error", program],
                cwd=EXAMPLES / name,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )
            for program in programs
        ]
        for process in processes:
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        yield processes


@pytest.fixture(scope="module")
def driver() -> Iterator[WebDriver]:
    with chromium() as opened:
        resize(opened, 720, 540)
        yield opened


@pytest.mark.server
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_hour_booked_on_one_calendar_blocks_the_other(name: str, driver: WebDriver, tmp_path: Path) -> None:
    url = free_address()
    driver.delete_all_cookies()  # they go by host, whatever the port
    with Playground(f"{url}/connect") as playground:
        environment = {
            "URL": url,
            "PLAYGROUND": playground.origin,
            "CALSYNC_SECRET": "a secret for tests only",
            "CALSYNC_KEY": new_key(),
            "DATABASE": f"sqlite:///{tmp_path}/planner.db",
        }
        with running(name, PROGRAMS[name], tmp_path, **environment) as processes:
            until(lambda: answers(url), seconds=90)  # what it imports is much
            show = Screens(driver, name, tmp_path)
            log_in(driver, url, "ana")
            for provider in ("google", "microsoft"):
                press(driver, 'a[href="/connect/"]')
                show("connect")
                press(driver, f'a[href="/connect/{provider}"]')
                press(driver, "form button")
                press(driver, 'button[value="allow"]')
                press(driver, "form button")
                assert driver.current_url == f"{url}/"
                assert f"{provider}, " in driver.find_element("css selector", "#calendars").text
            until(lambda: playground.google.channels and playground.microsoft.subscriptions)
            driver.get(playground.origin)
            press(driver, "#google button")
            until(lambda: "Busy elsewhere" in titles(playground, "microsoft"))
            driver.get(playground.origin)
            show("playground")
            until(lambda: "blocks on it: 1" in text_at(driver, url))
            show("calendars")
            assert len(driver.find_elements("css selector", "#busy li")) == 1
            assert "there is nothing here" in text_at(driver, f"{url}/webhooks/status")
            log_in(driver, f"{url}/login", "operator")
            until(lambda: "push" in text_at(driver, f"{url}/webhooks/status", "[aria-labelledby=runs] tbody"))
            playground.cancel("google", playground.events("google")[0][0])
            until(lambda: titles(playground, "microsoft") == [])
            for process in processes:
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) in {0, -signal.SIGTERM}


def test_both_examples_have_the_same_engine() -> None:
    """Each is complete by itself, so it is there twice."""
    assert len({(EXAMPLES / name / "planner.py").read_text("utf-8") for name in PROGRAMS}) == 1


def titles(playground: Playground, service: str) -> list[str]:
    return [title for _, _, title in playground.events(service)]


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/login", trust_env=False).is_success
    except httpx.TransportError:
        return False


def text_at(driver: WebDriver, url: str, css: str = "body") -> str:
    driver.get(url)
    return driver.find_element("css selector", css).text


def log_in(driver: WebDriver, url: str, name: str) -> None:
    driver.get(url)
    driver.find_element("css selector", "input[name=name]").send_keys(name)
    press(driver, "form button")


class Screens:
    """Takes pictures: of one example for the documentation, of others to be looked at after a failure."""

    def __init__(self, driver: WebDriver, example: str, folder: Path) -> None:
        self._driver = driver
        self._folder = Path(os.environ.get("CALSYNC_SCREENSHOTS") or folder) if example == "fastapi" else folder

    def __call__(self, name: str) -> None:
        picture(self._driver, self._folder / f"example-{name}.png", height=360)
