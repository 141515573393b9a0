"""The example project, started for real: gunicorn or uvicorn, a scheduler, people with browsers, and pushes by HTTP."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import pytest

from browser import WAIT_SECONDS, chromium
from calsync_core.credentials import new_key
from django_bench import EVERYWHERE, SEARCHING
from planner_world import ANA, PASSWORD, Planner, planner
from planted import secret

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "django"


LOGIN = """
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
User.objects.create_user("ana", password="x")
browser = Client(enforce_csrf_checks=True, headers={"Host": "calendar.example.com"})
browser.get("/accounts/login/")
form = {"username": "ana", "password": "x", "csrfmiddlewaretoken": browser.cookies["csrftoken"].value}
answer = browser.post("/accounts/login/", form, headers={"Origin": "https://calendar.example.com"})
print(answer.status_code, sorted(name for name, cookie in browser.cookies.items() if cookie["secure"]))
"""


def test_behind_a_proxy_people_log_in_and_their_cookies_go_by_https_alone(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(EXAMPLE), *sys.path]),
        "DJANGO_SETTINGS_MODULE": "planner.settings",
        "PLANNER_URL": "https://calendar.example.com",
        "PLANNER_DATABASE": str(tmp_path / "planner.db"),
        "PLANNER_SECRET_KEY": secret("of-the-planner"),
        "CALSYNC_SECRET": secret("of-its-calendars"),
        "CALSYNC_KEY": new_key(),
    }
    said = subprocess.check_output([sys.executable, "-c", LOGIN], env=environment, text=True)
    assert said == "302 ['csrftoken', 'sessionid']\n"


def a_block_by_push(project: Planner, speaks: Literal["wsgi", "asgi"]) -> None:  # I-28, I-40
    """From an empty project to the first block, and an end that was asked for."""
    project.serve(speaks)
    page = project.ana_connects()
    assert f"{ANA} / {ANA}" in page
    assert "Home" in page
    scheduler = project.schedule()
    project.until(lambda: project.google.channels)
    project.until(lambda: project.health() == "healthy")
    start = project.book()
    project.until(project.blocks)
    [block] = project.blocks()
    assert f"{start:%Y%m%dT%H%M%S}" in block
    assert "untoldtitle" not in block
    assert "ATTENDEE" not in block
    assert f"{start.astimezone(ZoneInfo('Europe/Berlin')):%H:%M} –" in project.anas_page()
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(timeout=30) == 0
    assert "Traceback" not in project.logs()


if SEARCHING:

    @pytest.mark.server
    @pytest.mark.parametrize("speaks", ["wsgi", "asgi"])
    @pytest.mark.parametrize("kind", EVERYWHERE)
    def test_a_block_by_push(kind: str, speaks: Literal["wsgi", "asgi"], tmp_path: Path) -> None:
        with planner(kind, tmp_path) as project:
            a_block_by_push(project, speaks)
            assert "push active until" in project.manage("manage_subscriptions", "health")


# -- the admin, in Chromium -------------------------------------------------------------------------------------------


def press(driver: WebDriver, css: str) -> None:
    """Press what leads to another page, and wait for that."""
    from selenium.webdriver.support.expected_conditions import staleness_of  # noqa: PLC0415  (may be missing)
    from selenium.webdriver.support.wait import WebDriverWait  # noqa: PLC0415  (may be missing)

    old = driver.find_element("css selector", "body")
    driver.find_element("css selector", css).click()
    WebDriverWait(driver, WAIT_SECONDS).until(staleness_of(old))


def texts(driver: WebDriver, css: str) -> list[str]:
    return [each.text for each in driver.find_elements("css selector", css)]


def do(driver: WebDriver, project: Planner, page: str, action: str) -> str:
    """Choose all rows of an admin page, and an action; what the page says then."""
    driver.get(f"{project.url}/admin/calsync/{page}/")
    driver.find_element("css selector", "#action-toggle").click()
    driver.find_element("css selector", f"select[name=action] option[value={action}]").click()
    press(driver, "button[name=index]")
    return " ".join(texts(driver, ".messagelist li"))


@pytest.mark.server
def test_a_project_from_the_first_block_to_the_admin_in_a_browser(tmp_path: Path) -> None:  # I-08, I-39
    with chromium() as driver, planner("sqlite", tmp_path) as project:
        a_block_by_push(project, "asgi")
        driver.set_window_size(1400, 620)
        project.book_a_month()
        driver.get(f"{project.url}/admin/")
        driver.find_element("css selector", "input[name=username]").send_keys("ana")
        driver.find_element("css selector", "input[name=password]").send_keys(PASSWORD)
        press(driver, "input[type=submit]")
        assert {"Calendars", "Push health", "Notifications", "Runs", "Held deletions"} <= set(
            texts(driver, "#content-main th a")
        )
        driver.save_screenshot(str(tmp_path / "index.png"))
        assert do(driver, project, "calendar", "sync_now") == "2 calendars synced"
        assert do(driver, project, "calendar", "sync_now") == "2 calendars synced"
        assert texts(driver, ".field-state") == ["ok", "ok"]
        driver.save_screenshot(str(tmp_path / "calendars.png"))
        assert len(project.blocks()) == 30
        # The other one is CalDAV's, which can't push.
        assert do(driver, project, "watch", "renew") == "1 subscriptions renewed"
        driver.save_screenshot(str(tmp_path / "push.png"))
        project.clear_the_month()
        do(driver, project, "calendar", "sync_now")
        driver.get(f"{project.url}/admin/calsync/helddeletion/")
        driver.save_screenshot(str(tmp_path / "held.png"))
        assert len(texts(driver, "#result_list tbody tr")) == 30
        assert do(driver, project, "helddeletion", "approve") == "30 deletions approved"
        do(driver, project, "calendar", "sync_now")
        assert project.blocks() == []
        for page in ("calendar", "watch", "run"):
            driver.get(f"{project.url}/admin/calsync/{page}/")
            press(driver, "#result_list tbody th a")
            assert driver.find_elements("css selector", "input[name=_save]") == []
            driver.save_screenshot(str(tmp_path / f"one-{page}.png"))
            assert not re.search("untold", driver.page_source)
