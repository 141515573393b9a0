"""CalDAV servers that answer with nonsense, slowly, with limits, or with a way elsewhere."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from io import BufferedIOBase
from typing import Any

import pytest
from attrs import evolve

from caldav_hands import USER
from caldav_scripts import FILES, event, hang_up, serving
from calsync_core.errors import (
    AuthExpired,
    NotFound,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from calsync_core.models import (
    BearerToken,
    BlockContent,
    ChangePage,
    Credential,
    Cursor,
    OperationKind,
    OutcomeStatus,
    Password,
    Span,
)
from calsync_core.protocols import ReadRequest, Session, nothing_known
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.system import StaticTokens
from calsync_core.testing.provider_contract.bench import WINDOW
from calsync_core.testing.provider_contract.fixtures import BUSY
from calsync_core.transport import Connections, HttpxConnection
from planted import PASSWORD
from scripted_server import (
    COLLECTION,
    Dav,
    Reply,
    Request,
    Script,
    key_of,
    multistatus,
    prop,
    scripted,
)


def flood(wfile: BufferedIOBase) -> None:
    wfile.write(b"HTTP/1.1 207 Multi-Status\r\nContent-Length: 100000000\r\n\r\n")
    # Ends when the client hangs up.
    while True:
        wfile.write(b" " * 1000)


def drip(wfile: BufferedIOBase, opening: bytes = b"Content-Length: 100000000\r\n\r\n") -> None:
    """A byte at a time, each well inside any timeout between two of them, until the client hangs up."""
    wfile.write(b"HTTP/1.1 207 Multi-Status\r\n" + opening)
    pace = threading.Event()
    while not pace.wait(0.01):
        wfile.write(b"a")


def drip_headers(wfile: BufferedIOBase) -> None:
    drip(wfile, b"X-Endless: ")


def cut_off(wfile: BufferedIOBase) -> None:
    wfile.write(b"HTTP/1.1 207 Multi-Status\r\nContent-Length: 5000\r\n\r\n<multistatus xmlns='DAV:'><response>")


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + ']><multistatus xmlns="DAV:"><response><href>&j;</href></response></multistatus>'
)
ENTITY = (
    '<?xml version="1.0"?><!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    '<multistatus xmlns="DAV:"><response><href>&x;</href></response></multistatus>'
)
NONSENSE: dict[str, Reply] = {
    "empty": Reply(207),
    "garbage": Reply(207, b"\x00\xff\xfenot xml"),
    "half": Reply(207, "<multistatus xmlns='DAV:'><response><href>/x"),
    "html": Reply(200, "<html><body>Maintenance</body></html>"),
    "html-207": Reply(207, "<html><body>Maintenance</body></html>"),
    "no-content": Reply(204),
    "bomb": Reply(207, BOMB),
    "entity": Reply(207, ENTITY),
    "empty-multistatus": multistatus(),
    "no-status-line": Reply(raw=lambda wfile: wfile.write(b"nonsense\r\n\r\n")),
    "strange-status": Reply(raw=lambda wfile: wfile.write(b"HTTP/1.1 abc So\r\n\r\n")),
    "bad-encoding": Reply(207, b"\x1f\x8b garbage", {"Content-Encoding": "gzip"}),
    "bad-length": Reply(207, b"<a/>", {"Content-Length": "no"}),
    "cut-off": Reply(raw=cut_off),
    "hang-up": Reply(raw=hang_up),
    "400": Reply(400),
    "403": Reply(403),
    "500": Reply(500),
    "503": Reply(503),
    "redirect-nowhere": Reply(302),
    "redirect-nonsense": Reply(301, headers={"Location": "http://[::1"}),
    "redirect-itself": Reply(308, headers={"Location": COLLECTION}),
}


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nothing_foreign_escapes_and_nothing_is_concluded(nonsense: str) -> None:  # I-07, I-37
    """Every method on every nonsense: an error of ours, or an answer that claims nothing to be gone."""
    with serving(lambda _: NONSENSE[nonsense]) as (_, bench):
        provider, session, calendar = bench.provider, bench.session, bench.calendar
        cursor = Cursor('{"at": null, "mode": "sync", "token": "http://sync/1"}', "caldav:1:floating=-")
        reads: list[Callable[[], object]] = [
            lambda: provider.identify(session),
            lambda: provider.list_calendars(session),
            bench.read,
            lambda: bench.read(cursor),
            lambda: list(bench.writer.find_blocks(session, calendar)),
        ]
        for ask in reads:
            with pytest.raises(ProviderError):
                ask()
        try:
            found = bench.lookup("a.ics", "b.ics")
        except ProviderError:
            pass
        else:
            assert (found.items, found.gone) == ((), ())


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_a_write_that_got_nonsense_is_not_called_done(nonsense: str) -> None:  # I-04
    with serving(lambda _: NONSENSE[nonsense]) as (_, bench):
        for kind in OperationKind:
            intents = [
                bench.intent(kind, key, BUSY, etag=None if kind is OperationKind.CREATE else '"x"') for key in "ab"
            ]
            outcomes = []
            try:
                for outcome in bench.writer.apply(bench.session, bench.calendar, intents):
                    outcomes.append(outcome.status)
            except ProviderError:
                pass
            if kind is OperationKind.DELETE and NONSENSE[nonsense].status in {200, 204}:
                continue  # A server that says so has deleted it.
            assert set(outcomes) <= {OutcomeStatus.RETRY, OutcomeStatus.REJECTED}


@pytest.mark.parametrize("slow", [drip, drip_headers])
def test_a_drip_does_not_outlast_the_deadline(slow: Callable[[BufferedIOBase], None]) -> None:  # I-34
    """Each byte comes in time; all of them together don't."""
    provider = CalDAVProvider(timeout=0.2)
    with serving(lambda _: Reply(raw=slow), provider) as (_, bench):
        with pytest.raises(Unavailable):
            bench.lookup("a.ics")
        assert bench.create("a", BUSY).status is OutcomeStatus.RETRY


def test_a_body_without_end_is_not_read_to_the_end() -> None:
    """And the same question is not asked again."""
    with serving(lambda _: Reply(raw=flood)) as (server, bench):
        with pytest.raises(Unavailable, match="larger"):
            bench.provider.identify(bench.session)
        assert len(server.requests) == 1


def test_a_server_that_is_down_is_unavailable() -> None:
    with serving(Dav()) as (server, bench):
        server.close()
        server.close = lambda: None  # type: ignore[method-assign]  # it is closed already
        with pytest.raises(Unavailable):
            bench.read()


class Renewing:
    """A token source whose first password is outdated."""

    def __init__(self, *credentials: Credential) -> None:
        self.credentials = list(credentials)

    def credential(self, *, renew: bool = False) -> Credential:
        if renew and len(self.credentials) > 1:
            self.credentials.pop(0)
        return self.credentials[0]


def only(login: str) -> Script:
    good = Dav(FILES)
    return lambda request: good(request) if request.login == login else Reply(401)


def test_a_refused_login_is_renewed_once() -> None:  # I-35, I-36
    tokens = Renewing(Password(USER, "old"), Password(USER, "new"))
    with serving(only(f"{USER}:new")) as (server, bench):
        renewing = evolve(bench, session=evolve(bench.session, tokens=tokens))
        assert renewing.read().keys() == set(FILES)
        assert [request.login for request in server.requests] == [f"{USER}:old", f"{USER}:new"]


def test_a_password_that_can_t_be_renewed_is_tried_once() -> None:  # I-35
    """A second try with the same one only brings the lock-out nearer."""
    with serving(only("nobody")) as (server, bench):
        with pytest.raises(AuthExpired):
            bench.read()
        assert len(server.requests) == 1


def test_a_token_goes_out_as_bearer() -> None:
    with serving(only("secret-token")) as (server, bench):
        session = evolve(bench.session, tokens=Renewing(BearerToken("secret-token")))
        assert evolve(bench, session=session).read().keys() == set(FILES)
        assert server.requests[0].headers["authorization"] == "Bearer secret-token"


def test_the_login_goes_out_with_the_first_request() -> None:
    """A server that also answers strangers would show them an empty calendar."""
    with serving(Dav(FILES)) as (server, bench):
        bench.read()
        assert {request.login for request in server.requests} == {f"{USER}:{PASSWORD}"}


def test_a_principal_that_is_nobody_is_a_refused_login() -> None:
    nobody = multistatus(prop("/dav/", "<current-user-principal><unauthenticated/></current-user-principal>"))
    with serving(lambda _: nobody) as (_, bench), pytest.raises(AuthExpired):
        bench.provider.identify(bench.session)


@pytest.mark.parametrize(("everywhere", "error"), [(True, AuthExpired), (False, NotFound)])
def test_403_is_asked_about_at_the_account_s_own_address(everywhere: bool, error: type[ProviderError]) -> None:
    """On iCloud 403 means a revoked password, elsewhere a calendar no longer shared (I-35, I-42)."""

    def forbidding(request: Request) -> Reply:
        return Reply(403) if everywhere or "work" in request.path else multistatus(prop("/", ""))

    with serving(forbidding) as (_, bench), pytest.raises(error):
        bench.read()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("write", [False, True])
def test_a_short_limit_is_waited_out(status: int, write: bool) -> None:  # I-33
    """Of writes too: the server said that it did not take them."""
    replies = [Reply(status, headers={"Retry-After": "2.5"})]
    with serving(Dav(FILES, lambda _: replies.pop() if replies else None)) as (_, bench):
        if write:
            assert bench.create("a", BUSY).status is OutcomeStatus.DONE
        else:
            assert bench.read().keys() == set(FILES)
        assert bench.session.clock.monotonic() >= 2.5
        assert bench.session.meter.sent == 2


@pytest.mark.parametrize("wish", ["3600", "Mon, 02 Mar 2026 10:00:00 GMT"])
def test_a_long_limit_is_handed_to_the_caller(wish: str) -> None:  # I-33
    """In seconds, also where the server gave a date."""
    with serving(lambda _: Reply(429, headers={"Retry-After": wish})) as (server, bench):
        for ask in (bench.read, lambda: bench.create("a", BUSY)):
            server.requests.clear()
            with pytest.raises(RateLimited) as limited:
                ask()
            assert limited.value.retry_after == 3600
            assert len(server.requests) == 1


@pytest.mark.parametrize("wish", ["soon", ""])
def test_a_limit_without_a_time_is_tried_a_few_times(wish: str) -> None:  # I-34
    with serving(lambda _: Reply(429, headers={"Retry-After": wish})) as (server, bench):
        with pytest.raises(RateLimited) as limited:
            bench.read()
        assert limited.value.retry_after is None
        assert bench.session.meter.sent == len(server.requests) == 3


def test_a_failed_read_is_repeated_and_a_failed_write_is_not() -> None:  # I-34
    with serving(lambda _: Reply(500)) as (server, bench):
        with pytest.raises(Unavailable):
            bench.lookup("a.ics")
        # Then whether the server answers anything at all: it might have choked on what touches this one resource.
        assert server.methods == ["REPORT"] * 3 + ["PROPFIND"] * 3
        server.requests.clear()
        assert bench.create("a", BUSY).status is OutcomeStatus.RETRY
        assert server.methods == ["PUT"]


@pytest.mark.parametrize("sync", [True, False])
def test_a_calendar_that_moved_is_read_where_it_is(sync: bool) -> None:
    """What it lists there is no calendar inside the calendar, and the way is asked for once."""
    dav = Dav(FILES, lambda request: Reply(301, headers={"Location": COLLECTION}) if "/old" in request.path else None)
    dav.sync = sync
    with serving(dav, CalDAVProvider(data_in_sync=False)) as (server, bench):
        old = evolve(bench, calendar=evolve(bench.calendar, remote_id=f"{server.root}/old/"))
        assert old.read().keys() == set(FILES)
        assert [request.path for request in server.requests].count("/old/") == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_keep_method_and_body(status: int) -> None:
    """Each one counted. HTTP libraries drop the body, or ask with GET."""
    moved = Reply(status, headers={"Location": COLLECTION})
    with serving(Dav(FILES, lambda request: moved if request.path.startswith("/old/") else None)) as (server, bench):
        old = evolve(bench, calendar=evolve(bench.calendar, remote_id=f"{server.root}/old/"))
        assert old.read().keys() == set(FILES)
        assert server.methods == ["REPORT", "REPORT"]
        assert server.requests[0].body == server.requests[1].body
        assert bench.session.meter.sent == 2


def test_no_redirect_takes_the_login_to_another_host() -> None:  # I-38
    with scripted(Dav(FILES)) as elsewhere:
        away = Reply(307, headers={"Location": elsewhere.root + COLLECTION})
        with serving(lambda _: away) as (_, bench):
            for ask in (bench.read, lambda: bench.provider.identify(bench.session)):
                with pytest.raises(Unavailable, match="allowed"):
                    ask()
        assert elsewhere.requests == []


def test_an_allowed_host_is_followed() -> None:  # I-38
    with scripted(Dav(FILES)) as elsewhere:
        away = Reply(307, headers={"Location": elsewhere.root + COLLECTION})
        provider = CalDAVProvider(allowed_hosts=[elsewhere.root.removeprefix("http://")])
        with serving(lambda _: away, provider) as (_, bench):
            assert bench.read().keys() == set(FILES)
        assert [request.login for request in elsewhere.requests] == [f"{USER}:{PASSWORD}"]


def test_a_calendar_on_a_host_not_allowed_is_refused_without_a_request() -> None:  # I-38
    with scripted(Dav(FILES)) as elsewhere, serving(Dav(FILES)) as (server, bench):
        away = evolve(bench, calendar=evolve(bench.calendar, remote_id=elsewhere.root + COLLECTION))
        for ask in (away.read, lambda: away.lookup("a.ics"), lambda: away.create("a", BUSY)):
            with pytest.raises(Rejected, match="allowed"):
                ask()
        assert elsewhere.requests == server.requests == []


def test_redirects_end() -> None:  # I-34
    def on(request: Request) -> Reply:
        return Reply(302, headers={"Location": f"{request.path}x/"})

    with serving(on) as (server, bench):
        with pytest.raises(Unavailable, match="redirected"):
            bench.lookup("a.ics")
        assert len(server.requests) == 2 * 3 * 6, "five redirects, three times, and so the look at the server itself"
        assert bench.create("a", BUSY).status is OutcomeStatus.RETRY


def test_no_error_names_a_title_or_a_secret() -> None:  # I-39
    title = "Divorce lawyer"
    content = BlockContent(Span(datetime(2026, 3, 3, 9, tzinfo=UTC), datetime(2026, 3, 3, 10, tzinfo=UTC)), title)
    said: list[str] = []
    for reply in NONSENSE.values():
        with serving(lambda _, reply=reply: reply) as (_, bench):  # type: ignore[misc]  # mypy can't infer a default
            asks: list[Callable[[], Any]] = [bench.read, lambda: bench.create("a", content), lambda: bench.lookup("a")]
            for ask in asks:
                try:
                    said.append(repr(ask()))
                except ProviderError as error:
                    said.append(f"{error!r} {error.__cause__!r}")
    assert not [text for text in said if title in text or PASSWORD in text]


def test_pages_say_nothing_of_titles_in_their_repr() -> None:  # I-39
    with serving(Dav({"a.ics": event("a", "SUMMARY:Divorce lawyer")})) as (_, bench):
        pages: list[ChangePage] = list(
            bench.provider.fetch_changes(bench.session, ReadRequest(bench.calendar, WINDOW, None, nothing_known))
        )
    assert pages[0].items[0].events[0].title == "Divorce lawyer"
    assert "Divorce" not in repr(pages)


def test_sessions_of_one_account_share_their_connections() -> None:
    """And one that lost its token source leaves nothing behind."""
    provider = CalDAVProvider()
    with serving(Dav(FILES), provider) as (_, bench):
        bench.read()
        assert len(provider._connections._idle) == 1
        session: Session = evolve(bench.session, tokens=Renewing(Password(USER, PASSWORD)))
        evolve(bench, session=session).read()
        assert len(provider._connections._idle) == 2
        del session
        assert len(provider._connections._idle) == 1


def test_a_sweep_over_many_accounts_does_not_end_with_a_socket_open_for_each() -> None:
    closed: list[int] = []

    class Numbered(HttpxConnection):
        def __init__(self, credential: Credential, timeout: float) -> None:
            super().__init__(credential, timeout)
            self.number = next(numbers)

        def close(self) -> None:
            closed.append(self.number)
            super().close()

    numbers = itertools.count()
    connections = Connections(Numbered, most_idle=2)
    password = Password(USER, PASSWORD)
    logins = [StaticTokens(password) for _ in range(4)]
    made = []
    for login in (*logins[:2], logins[0], *logins[2:]):
        with connections.borrow(login, password, 5) as connection:
            made.append(connection)
    # The one that was used again is younger than the one after it; what is kept is used again.
    assert closed == [1, 0]
    with connections.borrow(logins[3], password, 5) as connection:
        assert connection is made[-1]


def test_connections_share_what_they_trust() -> None:
    one, other = (HttpxConnection(Password(name, PASSWORD), 5) for name in ("ana", "bo"))
    contexts = {id(each._client._transport._pool._ssl_context) for each in (one, other)}  # type: ignore[attr-defined]  # httpx's own
    assert len(contexts) == 1


def test_keys_come_from_requests_as_written() -> None:
    """The script under these tests reads names as servers do."""
    assert key_of(Request("GET", f"{COLLECTION}a%20b.ics", {}, "")) == "a b.ics"
