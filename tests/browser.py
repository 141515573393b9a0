"""A real browser without a window: Chromium, driven by selenium. Where either is missing, tests skip by name."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

__all__ = ["WAIT_SECONDS", "asked", "chromium", "complaints", "picture", "prefer", "press", "resize"]

WAIT_SECONDS = 20
"""Never reached where all is well."""

_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=900,1100"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@contextmanager
def chromium(*, scripts: bool = True) -> Iterator[WebDriver]:
    """A browser with a profile of its own, whose user prefers light pages.

    Args:
        scripts: Whether pages may run any.
    """
    pytest.importorskip("selenium", reason="selenium is not installed")
    from selenium.webdriver import Chrome, ChromeOptions  # noqa: PLC0415  (may be missing)
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415  (may be missing)

    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    for name, path in zip(("chromium", "chromedriver"), paths, strict=True):
        if path is None:
            pytest.skip(f"{name} is not installed")
    options = ChromeOptions()
    options.binary_location = str(paths[0])
    for argument in _OPTIONS:
        options.add_argument(argument)
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(str(paths[1])))
    try:
        driver.set_page_load_timeout(WAIT_SECONDS)
        yield driver
    finally:
        driver.quit()


def prefer(driver: WebDriver, scheme: Literal["light", "dark"]) -> None:
    """Have its user prefer pages to be light or dark, from now on."""
    wish = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [wish]})


def press(driver: WebDriver, css: str) -> None:
    """Press what leads to another page, and wait for that."""
    from selenium.common.exceptions import WebDriverException  # noqa: PLC0415  (may be missing)
    from selenium.webdriver.support.wait import WebDriverWait  # noqa: PLC0415  (may be missing)

    def document(driver: WebDriver) -> str:
        return str(driver.find_element("css selector", "html").id)

    old = document(driver)
    driver.find_element("css selector", css).click()
    # Between two pages the driver may find a node of neither, and says so in many ways.
    patience = WebDriverWait(driver, WAIT_SECONDS, ignored_exceptions=[WebDriverException])
    patience.until(lambda driver: document(driver) != old)


def _told(driver: WebDriver, kind: str) -> Any:
    untyped: Any = driver
    return untyped.get_log(kind)


def asked(driver: WebDriver) -> list[str]:
    """Every address that its pages asked for since this was last asked."""
    told = [json.loads(entry["message"])["message"] for entry in _told(driver, "performance")]
    return [each["params"]["request"]["url"] for each in told if each["method"] == "Network.requestWillBeSent"]


def complaints(driver: WebDriver) -> list[str]:
    """What its console says since this was last asked."""
    return [entry["message"] for entry in _told(driver, "browser")]


def resize(driver: WebDriver, width: int, height: int = 900) -> None:
    """Have pages that wide from now on, without the width of a scroll bar."""
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})


def picture(driver: WebDriver, path: Path, height: int | None = None) -> None:
    """The page as PNG: all of it, or so many pixels from its top."""
    whole = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {**whole, "height": min(height or whole["height"], whole["height"]), "scale": 1}
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path.write_bytes(base64.b64decode(taken["data"]))
