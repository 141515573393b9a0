"""The status page as a browser shows it that runs no script.

``CALSYNC_SCREENSHOTS=docs/_static pytest tests/web/test_status_browser.py`` takes the documentation's pictures again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from browser import asked, chromium, complaints, picture, prefer, resize
from calsync_core.web.wsgi import webhook_app
from status_world import StatusWorld
from web_bench import serve_wsgi

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

pytestmark = pytest.mark.server

WIDE, PHONE = 1040, 360


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    with chromium(scripts=False) as driver:
        yield driver


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    world = StatusWorld()
    world.day(world.office())
    with serve_wsgi(webhook_app(world.engine, drain=False, status=lambda _: True)) as url:
        yield f"{url}/status"


def shown(browser: WebDriver, address: str, width: int) -> None:
    """Go there; it must fit, ask for nothing else and complain of nothing."""
    asked(browser)
    complaints(browser)
    resize(browser, width)
    browser.get(address)
    assert asked(browser) == [address]
    assert complaints(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [WIDE, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_asks_for_nothing_else(
    browser: WebDriver, address: str, tmp_path: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    prefer(browser, scheme)
    shown(browser, address, width)
    ground = browser.find_element("css selector", "body").value_of_css_property("background-color")
    assert ("15, 20, 25" in ground) is (scheme == "dark")  # the policy let the style in
    plots = browser.find_elements("css selector", "svg.plot")
    assert len(plots) == 2
    assert all(plot.size["height"] > 100 for plot in plots)
    folder = Path(os.environ.get("CALSYNC_SCREENSHOTS") or tmp_path)
    path = folder / f"status-{scheme}{'-phone' if width == PHONE else ''}.png"
    picture(browser, path, height=900 if width == PHONE else 1280)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_no_heading_is_broken_within_a_word(browser: WebDriver, address: str) -> None:
    """Just above the width at which rows become cards."""
    shown(browser, address, 750)
    lines = browser.execute_script(
        "return [...document.querySelectorAll('thead th')].filter(th => th.checkVisibility()).map(th => {"
        " const whole = document.createRange(); whole.selectNodeContents(th);"
        " return [th.textContent, whole.getClientRects().length]; })"
    )
    assert ["Owner", 1] in lines
    assert [text for text, count in lines if count > len(text.split())] == []


def test_the_numbers_behind_a_chart_unfold(browser: WebDriver, address: str) -> None:
    shown(browser, address, WIDE)
    table = browser.find_element("css selector", "details table")
    assert not table.is_displayed()
    browser.find_element("css selector", "summary").click()
    assert table.is_displayed()


def test_a_screen_reader_finds_the_tables_of_a_narrow_page(browser: WebDriver, address: str) -> None:
    shown(browser, address, PHONE)
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [node["role"]["value"] for node in tree if not node.get("ignored")]
    assert {"banner", "main", "region", "status", "table", "rowheader", "columnheader"} <= set(roles)
    assert roles.count("image") + roles.count("img") == 3
    names = [node["name"]["value"] for node in tree if node["role"]["value"] == "table"]
    assert names == ["Enabled calendars, those in trouble first", "The last syncs, newest first"]


def test_names_of_any_kind_break_nothing(browser: WebDriver) -> None:
    world = StatusWorld()
    for name in ("<script>alert(1)</script>", "\u202eevil", "مرحبا", "w" * 5_000, "<svg onload=alert(1)>"):
        world.calendar(world.account(f"o{name}", f"p{name}", f"a{name}"), f"c{name}")
    with serve_wsgi(webhook_app(world.engine, drain=False, status=lambda _: True, status_names=True)) as url:
        for width in (PHONE, WIDE):
            shown(browser, f"{url}/status", width)
