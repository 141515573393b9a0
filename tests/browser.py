"""A real browser without a window: Chromium, driven by selenium. Where either is missing, tests skip by name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

__all__ = ["WAIT_SECONDS", "chromium", "prefer"]

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
