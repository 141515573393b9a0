"""A person connects each kind of account, over both kinds of application."""

from __future__ import annotations

from typing import Any

import pytest

from calsync_core.engine import SyncEngine
from calsync_core.testing.fixtures import ANA_AT_GOOGLE, ANA_AT_MICROSOFT, Browsers, Clients
from calsync_core.web import asgi, wsgi

pytest_plugins = ["calsync_core.testing.fixtures"]

URL = "https://app.example.com"


@pytest.mark.parametrize("connect_app", [wsgi.connect_app, asgi.connect_app], ids=["wsgi", "asgi"])
@pytest.mark.parametrize(("provider", "address"), [("google", ANA_AT_GOOGLE), ("microsoft", ANA_AT_MICROSOFT)])
def test_a_person_connects(
    calsync_engine: SyncEngine,
    calsync_clients: Clients,
    calsync_browser: Browsers,
    connect_app: Any,
    provider: str,
    address: str,
) -> None:
    app = connect_app(
        calsync_engine, public_url=URL, owner=lambda _: "ana", clients=calsync_clients(URL), done="/?done"
    )
    browser = calsync_browser(app)
    browser.open(f"/{provider}")
    browser.submit()
    browser.consent(address)
    [account] = calsync_engine.accounts("ana")
    assert (account.name, browser.path) == (address, f"/accounts/{account.id}/calendars")
    browser.submit()
    assert str(browser.response.url) == f"{URL}/?done"
    assert [calendar.receives for calendar in calsync_engine.calendars("ana") if calendar.primary] == [True]
