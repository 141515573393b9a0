"""The whole walk over real HTTP, mounted in a host's application, and in a browser that people have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from wsgiref.util import shift_path_info

import httpx
import pytest

from browser import chromium, prefer, press
from calsync_core.testing.browser import Browser
from calsync_core.testing.fixtures import ANA_AT_GOOGLE, ANA_AT_MICROSOFT, ANA_AT_RADICALE, Clients
from calsync_core.testing.servers import RadicaleServer
from calsync_core.web import asgi, wsgi
from connect_bench import Host
from web_bench import listening, serve_asgi, serve_wsgi

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

BACKGROUNDS: dict[Literal["light", "dark"], str] = {"light": "246, 247, 249", "dark": "17, 20, 24"}

DONE = b"<!doctype html><title>Done</title><h1>Done</h1>"


def site_under_wsgi(pages: Any) -> Any:
    """A host's application with the pages mounted at /connect."""

    def site(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith("/connect/"):
            shift_path_info(environ)
            return pages(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/html")])
        return [DONE]

    return site


def site_under_asgi(pages: Any) -> Any:
    async def site(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or scope["path"].startswith("/connect/"):
            await pages({**scope, "root_path": "/connect"}, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": DONE})

    return site


@contextmanager
def served(host: Host, clients: Clients, kind: Literal["wsgi", "asgi"]) -> Iterator[str]:
    """The host's site, and every simulator, over HTTP on this machine; its address."""
    with host.google, host.graph, listening() as (listener, url):
        settings = host.settings(
            public_url=f"{url}/connect", clients=clients(f"{url}/connect"), done="/done", private_servers=True
        )
        if kind == "wsgi":
            with serve_wsgi(site_under_wsgi(wsgi.connect_app(host.engine, **settings)), at=listener):
                yield url
        else:
            with serve_asgi(site_under_asgi(asgi.connect_app(host.engine, **settings)), at=listener):
                yield url


@pytest.mark.server
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_every_provider_s_walk_over_http(
    host: Host, calsync_clients: Clients, calsync_radicale: RadicaleServer, kind: Literal["wsgi", "asgi"]
) -> None:
    with served(host, calsync_clients, kind) as url, httpx.Client(base_url=url) as client:
        browser = Browser(client, google=host.google, microsoft=host.graph)
        for provider, address in (("google", ANA_AT_GOOGLE), ("microsoft", ANA_AT_MICROSOFT)):
            browser.open(f"/connect/{provider}")
            browser.submit()
            browser.consent(address)
            browser.submit()
            assert browser.path == "/done"
        user, password = ANA_AT_RADICALE
        browser.open("/connect/caldav")
        browser.submit(username=user, password=password, address=calsync_radicale.base_url)
        [calendar] = host.engine.calendars(account_id=host.engine.accounts("ana")[-1].id)
        browser.submit(**{f"publish_{calendar.id}": True, f"receive_{calendar.id}": True})
        assert browser.path == "/done"
        assert len([each for each in host.engine.calendars("ana") if each.receives]) == 3
        head = client.head("/connect/google")
        assert (head.status_code, head.content) == (200, b"")


# -- in Chromium ------------------------------------------------------------------------------------------------------


def heading(driver: WebDriver) -> str:
    return driver.find_element("css selector", "h1").text


def looks(driver: WebDriver) -> str:
    """The background, which is what the style gives it only where the policy lets it in."""
    return driver.find_element("css selector", "body").value_of_css_property("background-color")


@pytest.mark.server
def test_a_person_in_chromium(host: Host, calsync_clients: Clients, tmp_path: Path) -> None:
    """Without a script; the consent page is a page; the browser itself keeps the cookies and sends the origins."""
    host.google.habits.asks_for_consent = True
    host.google.add_calendar(ANA_AT_GOOGLE, "Choir")
    with chromium(scripts=False) as driver, served(host, calsync_clients, "wsgi") as url:

        def picture(name: str) -> None:
            for scheme, background in BACKGROUNDS.items():
                prefer(driver, scheme)
                assert background in looks(driver)
                driver.save_screenshot(str(tmp_path / f"{name}-{scheme}.png"))

        driver.get(f"{url}/connect/")
        picture("home")
        press(driver, 'a[href="/connect/caldav"]')
        picture("password")
        driver.back()
        press(driver, 'a[href="/connect/google"]')
        picture("start")
        press(driver, "form button")
        assert heading(driver) == "Consent"
        press(driver, 'button[value="deny"]')
        assert heading(driver) == "That did not work"
        picture("problem")
        press(driver, "a.button")
        press(driver, "form button")
        press(driver, 'button[value="allow"]')
        assert heading(driver) == "Choose calendars"
        picture("calendars")
        press(driver, "form button")
        assert heading(driver) == "Done"
        driver.get(f"{url}/connect/")
        picture("connected")
        assert driver.get_cookies() == []
    assert [calendar.receives for calendar in host.engine.calendars("ana") if calendar.primary] == [True]
