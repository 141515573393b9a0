"""Ways that lead elsewhere: no login goes to a host that was not allowed, however its name is written (I-38)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

import httpx
import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3_future.exceptions import LocationParseError
from urllib3_future.util.url import parse_url

import google_scripts
import graph_scripts
from caldav_scripts import FILES, serving
from calsync_core.errors import CursorExpired, ProviderError, Unavailable
from calsync_core.models import Cursor, OAuthGrant, OperationKind
from calsync_core.protocols import ReadRequest
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.providers.google import auth as google_auth
from calsync_core.providers.microsoft import auth as microsoft_auth
from calsync_core.providers.microsoft.cursor import Position, ahead
from calsync_core.testing import VirtualClock
from calsync_core.testing.provider_contract.bench import WINDOW, Bench
from calsync_core.testing.provider_contract.fixtures import BUSY
from calsync_core.transport import Answer, Connection, Connections, Permitted, problem_with
from scripted_server import COLLECTION, Dav, Reply, Request, ScriptedServer, multistatus, prop, response, scripted

# -- names of hosts ---------------------------------------------------------------------------------------------------

PERMITTED = Permitted("https://dav.example.com/", ("*.icloud.com", "calendar.example.com:8443"))

TRICKS = [
    "https://evil.example/",
    "//evil.example/",
    "https://evil.example\\.icloud.com/",
    "https://evil.example\\@dav.example.com/",
    "https://dav.example.com\\@evil.example/",
    "https://dav.example.com@evil.example/",
    "https://dav.example.com:443@evil.example/",
    "https://evil.example#.icloud.com/",
    "https://evil.example?.icloud.com/",
    "https://evil.example;.icloud.com/",
    "https://evil.example&.icloud.com/",
    "https://evil.example%2f.icloud.com/",
    "https://evil.example%5c.icloud.com/",
    "https://evil.example%00.icloud.com/",
    "https://evil.example%23.icloud.com/",
    "https://evil.example\x00.icloud.com/",
    "https://evil.example\t.icloud.com/",
    "https://evil.example\n.icloud.com/",
    "https://evil.example .icloud.com/",
    "https://evil.example\u2044.icloud.com/",
    "https://evil.example\uff0f.icloud.com/",
    "https://evil.example\u3002x.icloud.com/",
    "https://evil.example,.icloud.com/",
    "https://[evil.example].icloud.com/",
    "https://[::1].icloud.com/",
    "https://icloud.com.evil.example/",
    "https://evilicloud.com/",
    "https://dav.example.com.evil.example/",
    "https://dav.example.com./",
    "https://.icloud.com/",
    "https://a..icloud.com/",
    "https://dav.example.com:8443/",
    "https://dav.example.com:0443/",
    "https://dav.example.com:/",
    "https://dav.example.com:443:80/",
    "https://dav.example.com:99999/",
    "https://calendar.example.com/",
    "https://calendar.example.com:8443.evil.example/",
    "http://dav.example.com/",
    "http://dav.example.com:443/",
    "http://evil.icloud.com/",
    "ftp://dav.example.com/",
    "file://dav.example.com/etc/passwd",
    "https:dav.example.com",
    "https:/dav.example.com/",
    "https:///dav.example.com/",
    "https:\\\\dav.example.com/",
    " https://dav.example.com/",
    "https://\u24d3av.example.com/",
    "https://DAV.EXAMPLE.COM/",
    "https://d\u00e4v.icloud.com/",
    "",
    "//[",
]


def hosts_read(url: str) -> set[str]:
    """Where the libraries that carry our requests would send one with this address."""
    readers: tuple[Callable[[], str], ...] = (lambda: httpx.URL(url).host, lambda: parse_url(url).host or "")
    read = set()
    for host_in in readers:
        try:
            read.add(host_in().lower())
        except (httpx.InvalidURL, LocationParseError, ValueError):
            continue  # It sends nothing.
    return read


def in_ascii(host: str) -> str:
    """As it is asked for in the DNS; what has no such form is asked for by nobody."""
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


PARTS = st.sampled_from(
    [
        *"\\/@:;?#%&,.[]<>|^`{}\"' \t\x00",
        "%2f",
        "%5c",
        "evil.example",
        ".icloud.com",
        "dav.example.com",
        "443",
        "x",
        "ä",
        "\uff0f",
    ]
)


@given(st.sampled_from(TRICKS) | st.lists(PARTS, max_size=7).map(lambda parts: "https://" + "".join(parts)))
@example("https://evil.example\\.icloud.com/")
def test_what_is_allowed_is_read_alike_by_everybody(url: str) -> None:
    """A check that reads an address otherwise than whoever sends the request checks nothing."""
    if PERMITTED.allows(url):
        host = (urlsplit(url).hostname or "").lower()
        assert host in {"dav.example.com", "calendar.example.com"} or host.endswith(".icloud.com")
        assert {in_ascii(name) for name in hosts_read(url)} <= {in_ascii(host)}


@pytest.mark.parametrize("url", TRICKS, ids=ascii)
def test_only_the_hosts_named_are_allowed(url: str) -> None:
    fine = {
        "https://dav.example.com:0443/",
        "https://dav.example.com:/",
        "https://DAV.EXAMPLE.COM/",
        "https://d\u00e4v.icloud.com/",
    }
    assert PERMITTED.allows(url) is (url in fine)


def test_addresses_that_people_have_are_still_fine() -> None:
    for url in (
        "https://caldav.icloud.com/",
        "https://p42-caldav.icloud.com:443/1/",
        "http://127.0.0.1:5232/ana/",
        "http://[::1]:5232/",
        "https://[2001:db8::1]/",
        "https://büro.example/dav/",
        "https://my_nas.local:8443/caldav.php/ana%40example.com/",
        "http://localhost/",
    ):
        assert problem_with(url) is None


# -- CalDAV -----------------------------------------------------------------------------------------------------------


@contextmanager
def two_servers(
    script: Callable[[ScriptedServer], Callable[[Request], Reply]],
) -> Iterator[tuple[Bench, ScriptedServer]]:
    """A server that is asked, and a stranger that no request may reach."""
    with scripted(Dav(FILES)) as stranger, serving(script(stranger)) as (_, bench):
        yield bench, stranger
        assert stranger.requests == []


def everything(bench: Bench) -> None:
    """Whatever can be asked; only errors of ours come out."""
    provider, session, calendar = bench.provider, bench.session, bench.calendar
    kinds = [bench.intent(kind, "a", BUSY, etag='"1"') for kind in OperationKind]
    asks: list[Callable[[], object]] = [
        lambda: provider.identify(session),
        lambda: provider.list_calendars(session),
        bench.read,
        lambda: bench.lookup("a.ics", "b.ics"),
        lambda: list(bench.writer.find_blocks(session, calendar)),
        *(partial(bench.apply, intent) for intent in kinds),
    ]
    for ask in asks:
        try:
            ask()
        except ProviderError:
            continue


def homes(*, principal: str = "/dav/", home: str = "/dav/", calendar: str = COLLECTION) -> Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        if request.method != "PROPFIND":
            return Reply(404)
        if request.headers.get("depth") == "1":
            kind = "<resourcetype><collection/><C:calendar/></resourcetype>"
            default = f"<C:schedule-default-calendar-URL><href>{calendar}</href></C:schedule-default-calendar-URL>"
            return multistatus(prop(calendar, kind + default))
        found = f"<current-user-principal><href>{principal}</href></current-user-principal>"
        return multistatus(prop("/dav/", f"{found}<C:calendar-home-set><href>{home}</href></C:calendar-home-set>"))

    return answer


ELSEWHERE: dict[str, Callable[[ScriptedServer], str]] = {
    "another port": lambda stranger: f"{stranger.root}/dav/",
    "no scheme": lambda stranger: f"{stranger.root.removeprefix('http:')}/dav/",
    "another name": lambda stranger: f"{stranger.root.replace('127.0.0.1', 'localhost')}/dav/",
    "a user": lambda stranger: f"{stranger.root.replace('http://', 'http://ana:right@')}/dav/",
    "a backslash": lambda stranger: f"{stranger.root}\\.icloud.com/dav/",
    "a backslash first": lambda stranger: f"\\\\{stranger.root.removeprefix('http://')}/dav/",
    "another number": lambda stranger: f"{stranger.root.replace('127.0.0.1', '127.1')}/dav/",
    "no address": lambda _: "http://[::1/dav/",
    "a port that is none": lambda _: "http://127.0.0.1:99999/dav/",
    "another protocol": lambda stranger: f"{stranger.root.replace('http:', 'ftp:')}/dav/",
    "a file": lambda _: "file:///etc/passwd",
    "a script": lambda _: "javascript:alert(1)",
}


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
@pytest.mark.parametrize("place", ["principal", "home", "calendar"])
def test_no_name_in_a_multistatus_takes_the_login_elsewhere(place: str, elsewhere: str) -> None:
    with two_servers(lambda stranger: homes(**{place: ELSEWHERE[elsewhere](stranger)})) as (bench, stranger):
        everything(bench)
        calendar = evolve(bench.calendar, remote_id=ELSEWHERE[elsewhere](stranger))
        if elsewhere not in {
            "no address",
            "a port that is none",
            "a backslash",
        }:  # These no discovery could have named.
            everything(evolve(bench, calendar=calendar))


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_takes_the_login_elsewhere(status: int, elsewhere: str) -> None:
    with two_servers(
        lambda stranger: lambda _: Reply(status, headers={"Location": ELSEWHERE[elsewhere](stranger)})
    ) as (
        bench,
        _,
    ):
        everything(bench)


class Redirecting(Connection):
    """An HTTP library that reports a redirect without having looked at where it leads."""

    def __init__(self, target: str) -> None:
        self._target = target

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        del method, headers, body, timeout
        return Answer(302, {"location": self._target}, b"", url)

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    "target", ["//[", "http://[::1/", "http://a\u2100b/", "http://h:x/", "http://h:99999/", "\x00"]
)
def test_a_redirect_to_what_is_no_address_is_a_failure_of_the_server_s(target: str) -> None:
    with serving(Dav(FILES)) as (server, bench):
        assert isinstance(bench.provider, CalDAVProvider)
        bench.provider._connections = Connections(lambda _credential, _timeout: Redirecting(target))
        with pytest.raises(Unavailable):
            bench.provider.identify(bench.session)
        assert server.requests == []


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_no_member_s_name_takes_the_login_elsewhere(elsewhere: str) -> None:
    """Only the last part of it counts; the request goes to the calendar's own address."""

    def script(stranger: ScriptedServer) -> Callable[[Request], Reply]:
        def twist(request: Request) -> Reply | None:
            if request.method == "REPORT" and "calendar-multiget" not in request.body:
                return multistatus(response(f"{ELSEWHERE[elsewhere](stranger)}a.ics", etag='"1"'), token=stranger.root)
            return multistatus() if "multiget" in request.body else None

        return Dav(FILES, twist)

    with two_servers(script) as (bench, _):
        everything(bench)
        bench.lookup("a.ics")


# -- Google and Graph -------------------------------------------------------------------------------------------------

LINKS = [
    "https://evil.example/v1.0/x",
    "//evil.example/v1.0/x",
    "http://localhost.evil.example/v1.0",
    "http://localhost@evil.example/v1.0",
    "http://localhost:80@evil.example/v1.0",
    "http://evil.example\\@localhost/v1.0",
    "http://localhost\\@evil.example/v1.0",
    "http://localhost:8080/v1.0",
    "https://localhost/v1.0",
    "http://127.0.0.1/v1.0",
    "http://localhost\t.evil.example/",
    "http://loc\u24d0lhost/v1.0",
    "http://[localhost]/v1.0",
    "http://localhost:99999/",
    "ftp://localhost/v1.0",
    "/v1.0/me",
    "\\\\evil.example\\v1.0",
    "data:text/plain,{}",
    "x" * 100_000,
]


@pytest.mark.parametrize("link", LINKS, ids=lambda link: ascii(link)[:40])
def test_graph_s_links_are_followed_on_its_own_host_only(link: str) -> None:
    """As next link, as delta link, and out of a cursor that was kept."""
    for first in ({"@odata.nextLink": link, "value": []}, {"@odata.deltaLink": link, "value": []}):
        graph = graph_scripts.Graph(httpx.Response(200, json=first), graph_scripts.page(delta="t"))
        request = ReadRequest(graph_scripts.WORK, WINDOW)
        try:
            pages = list(graph.provider.fetch_changes(graph.session, request))
            cursor = pages[-1].cursor
            assert cursor is not None
            with pytest.raises(CursorExpired):
                list(graph.provider.fetch_changes(graph.session, evolve(request, cursor=cursor)))
        except Unavailable:
            pass
        assert [one.url.host for one in graph.asked] == ["localhost"]
    graph = graph_scripts.Graph(graph_scripts.page(delta="t"))
    kept: Cursor = Position(link, ahead(graph_scripts.WORK.remote_id, WINDOW)).write("graph/1 /me AAMkWork=")
    with pytest.raises(CursorExpired):
        list(graph.provider.fetch_changes(graph.session, ReadRequest(graph_scripts.WORK, WINDOW, kept)))
    assert graph.asked == []


@pytest.mark.parametrize("link", LINKS, ids=lambda link: ascii(link)[:40])
def test_no_redirect_of_google_s_or_graph_s_leads_elsewhere(link: str) -> None:
    answer = httpx.Response(307, headers=[(b"Location", link.encode())])
    for service in (google_scripts.Google(answer), graph_scripts.Graph(answer)):
        for ask in (service.provider.identify, service.provider.list_calendars):
            with pytest.raises(Unavailable):
                ask(service.session)
        assert {one.url.host for one in service.asked} == {"localhost"}
        assert {one.url.port for one in service.asked} == {None}


@pytest.mark.parametrize(
    "key", ["..", "../..", "a/b", "a?b=c", "a#b", "//evil.example", "\r\nHost: evil.example", "\ud83d", "%2e%2e"]
)
def test_an_id_stays_one_part_of_a_path(key: str) -> None:
    """Ids come from a server, or from whoever pushes."""
    for service, work in (
        (google_scripts.Google(google_scripts.page()), google_scripts.WORK),
        (graph_scripts.Graph(graph_scripts.page()), graph_scripts.WORK),
    ):
        service.provider.fetch_items(service.session, work, [key])
        (request,) = service.asked[:1]
        assert request.url.host == "localhost"
        assert "host: evil" not in str(request.headers).lower()
        before = b"/events/"
        assert request.url.raw_path.partition(before)[2].partition(b"?")[0].count(b"/") == 0


@pytest.mark.parametrize("target", ["https://evil.example/token", "//evil.example/token", "http://localhost:99999/"])
def test_no_token_server_sends_a_secret_elsewhere(target: str) -> None:
    asked: list[httpx.Request] = []

    def redirecting(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.method == "GET":
            names = dict.fromkeys(("authorization_endpoint", "token_endpoint", "issuer"), target)
            return httpx.Response(200, json=names)
        return httpx.Response(307, headers={"Location": target})

    grant = OAuthGrant("client", "secret", "refresh", token_url="http://localhost/t/oauth2/v2.0/token")
    for renew in (google_auth.renew, microsoft_auth.renew):
        with pytest.raises(ProviderError) as refused:
            renew(grant, VirtualClock(), httpx.MockTransport(redirecting))
        assert "evil" not in str(refused.value)
    assert {one.url.host for one in asked} == {"localhost"}
