"""Calendar servers that take their time: how long a page waits, and how many of a person's pages at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BufferedIOBase

import pytest
from attrs import evolve

from caldav_scripts import serving
from calsync_core.errors import Unreachable
from calsync_core.models import Account, Password
from calsync_core.testing.browser import Browser
from calsync_core.web.connect.desk import PATIENCE_SECONDS
from connect_bench import Host
from planted import PASSWORD
from scripted_server import COLLECTION, Reply, Request, Script, ScriptedServer, multistatus, prop, scripted


def good(request: Request) -> Reply:
    """As a server does that has one calendar."""
    if "current-user-principal" in request.body:
        href = "<href>/dav/</href>"
        names = f"<current-user-principal>{href}</current-user-principal>"
        return multistatus(prop("/dav/", f"{names}<C:calendar-home-set>{href}</C:calendar-home-set>"))
    return multistatus(prop(COLLECTION, "<resourcetype><collection/><C:calendar/></resourcetype>"))


def filled_in(host: Host, server: ScriptedServer) -> Browser:
    """A browser that has sent the form for a calendar server."""
    browser = host.browser(private_servers=True)
    browser.open("/caldav")
    browser.submit(username="ana", password=PASSWORD, address=f"{server.root}/dav/")
    return browser


def slow(host: Host, seconds: float, reply: Reply | None = None) -> Script:
    """Takes so long for every answer, on the host's clock."""

    def answer(_: Request) -> Reply:
        host.clock.advance(timedelta(seconds=seconds))
        return reply or Reply(500)

    return answer


@pytest.mark.parametrize(("seconds", "asked"), [(PATIENCE_SECONDS + 1, 1), (PATIENCE_SECONDS / 2 + 1, 2)])
def test_a_page_does_not_wait_for_one_more_attempt(host: Host, seconds: float, asked: int) -> None:  # I-34
    with scripted(slow(host, seconds)) as server:
        began = host.clock.monotonic()
        browser = filled_in(host, server)
        assert len(server.requests) == asked
        assert host.clock.monotonic() - began < 2 * seconds + 1
    assert browser.status == 400
    assert host.nothing_kept()


def test_redirects_do_not_begin_the_time_anew(host: Host) -> None:  # I-34
    steps = iter(range(9))

    def onward(_: Request) -> Reply:
        host.clock.advance(timedelta(seconds=PATIENCE_SECONDS * 0.6))
        return Reply(301, headers={"Location": f"/dav/{next(steps)}/"})

    with scripted(onward) as server:
        browser = filled_in(host, server)
        assert len(server.requests) == 2
    assert "does not answer" in browser.text


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time() -> None:  # I-34
    """However long the provider would wait: here a minute, for a server that answers after three seconds."""
    over = threading.Event()

    def silent(wfile: BufferedIOBase) -> None:
        over.wait(3)
        wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    with serving(lambda _: Reply(raw=silent)) as (server, bench):
        clock = bench.session.clock
        hurried = evolve(bench.session, ends=clock.monotonic() + 0.1)
        try:
            with pytest.raises(Unreachable):
                bench.provider.identify(hurried)
        finally:
            over.set()
        assert {request.path for request in server.requests} == {"/dav/"}


def test_the_list_of_calendars_is_waited_for_no_longer(host: Host) -> None:  # I-34
    with scripted(good) as server:
        account = connected(host, server)
        server.script = slow(host, PATIENCE_SECONDS + 1)
        before = len(server.requests)
        browser = host.browser()
        browser.open(f"/accounts/{account.id}/calendars")
        assert len(server.requests) == before + 1
    assert browser.status == 503


def connected(host: Host, server: ScriptedServer) -> Account:
    account = Account(owner="ana", provider="caldav", name="dav", base_url=f"{server.root}/dav/")
    return host.engine.connect(account, Password("ana", PASSWORD))


@contextmanager
def held(server: ScriptedServer, ask: Callable[[], object]) -> Iterator[None]:
    """While a page waits for a server that does not answer yet."""
    asked, over = threading.Event(), threading.Event()

    def wait(request: Request) -> Reply:
        asked.set()
        over.wait(10)
        return good(request)

    server.script = wait
    waiting = threading.Thread(target=ask)
    waiting.start()
    try:
        assert asked.wait(10)
        server.script = good
        yield
    finally:
        over.set()
        waiting.join(10)


def test_a_person_has_one_page_at_a_time_that_waits_for_a_server(host: Host) -> None:
    """Others' go on, and so does hers when it is done; whichever process is asked, since the store knows."""
    with scripted(good) as server:
        account = connected(host, server)
        with held(server, lambda: filled_in(host, server)):
            before = len(server.requests)
            browser = filled_in(host, server)
            assert (browser.status, len(server.requests)) == (400, before)
            assert "Another page of yours" in browser.text
            assert host.browser().open(f"/accounts/{account.id}/calendars").status_code == 429
            assert len(server.requests) == before
            host.who = "bo"
            assert filled_in(host, server).path.endswith("/calendars")
            host.who = "ana"
        assert filled_in(host, server).path == f"/accounts/{account.id}/calendars"
        with held(server, lambda: host.browser().open(f"/accounts/{account.id}/calendars")):
            assert "Another page of yours" in filled_in(host, server).text
