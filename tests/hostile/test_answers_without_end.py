"""Answers that never end, or grow while they are read: here each has an end, in time, bytes and requests (I-34)."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from io import BufferedIOBase
from itertools import count
from typing import Any

import httpx
import pytest

import google_scripts
import graph_scripts
from caldav_scripts import FILES, serving
from calsync_core.errors import ProviderError, Unavailable, UnreadableAnswer
from calsync_core.models import Account, BearerToken, OAuthGrant
from calsync_core.protocols import ReadRequest, RequestMeter, Session
from calsync_core.providers.caldav import CalDAVProvider, listing
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.google import auth as google_auth
from calsync_core.providers.google import service as google_service
from calsync_core.providers.google.batch import parse_batch
from calsync_core.providers.microsoft import auth as microsoft_auth
from calsync_core.providers.microsoft import service as microsoft_service
from calsync_core.providers.microsoft.batch import parse_batch as parse_json_batch
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock
from calsync_core.testing.provider_contract.bench import WINDOW
from calsync_core.transport import Answer, link, seconds_asked
from confined import confined
from scripted_server import COLLECTION, Dav, Reply, Script, multistatus, prop, response, scripted


def google_session(root: str) -> Session:
    account = Account("ana", "google", "ana-google", base_url=f"{root}/calendar/v3")
    return Session(account, StaticTokens(BearerToken("a-token")), RequestMeter(), VirtualClock())


def ways(script: Script) -> dict[str, list[str | int]]:
    """By kind of service, how a server that answers so is judged, and after how many requests."""
    found: dict[str, list[str | int]] = {}
    with serving(script) as (server, bench):
        with pytest.raises(ProviderError) as refused:
            bench.provider.identify(bench.session)
        found["caldav"] = [type(refused.value).__name__, len(server.requests)]
    with scripted(script) as server:
        with pytest.raises(ProviderError) as refused:
            GoogleProvider(timeout=20).identify(google_session(server.root))
        found["google"] = [type(refused.value).__name__, len(server.requests)]
    return found


REFUSED_AT_ONCE = {"caldav": ["UnreadableAnswer", 1], "google": ["UnreadableAnswer", 1]}


# -- packed answers ---------------------------------------------------------------------------------------------------


def zeros(megabytes: int) -> bytes:
    """So many, packed. One block, repeated: the check at the end is wrong, and nobody should get there."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.flush(zlib.Z_FULL_FLUSH)
    return head + (packer.compress(b"\0" * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)) * megabytes


def explode(times: str) -> str:
    """Two gigabytes of zeros, packed so often."""
    body = zeros(2_048)
    for _ in range(int(times) - 1):
        body = gzip.compress(body)
    packing = ", ".join(["gzip"] * int(times))
    return json.dumps(ways(lambda _: Reply(200, body, {"Content-Encoding": packing})))


def test_what_is_packed_is_not_unpacked_beyond_measure() -> None:
    told = confined("hostile/test_answers_without_end.py", "explode", ["1", "2", "3"], megabytes=1_000)
    assert [json.loads(end) for end in told.values()] == [REFUSED_AT_ONCE] * 3


@pytest.mark.parametrize("packing", ["gzip, gzip", "br", "zstd", "gzip,identity,gzip", "x" * 500, "aes128gcm"])
def test_an_answer_is_packed_as_asked_or_refused(packing: str) -> None:
    assert ways(lambda _: Reply(200, b"{}", {"Content-Encoding": packing})) == REFUSED_AT_ONCE


@pytest.mark.parametrize("packing", ["", "identity", "GZIP"])
def test_an_answer_packed_as_asked_is_read(packing: str) -> None:
    whole = json.dumps({"id": "ana@example.com", "accessRole": "owner"}).encode()
    body = gzip.compress(whole) if packing == "GZIP" else whole
    with scripted(lambda _: Reply(200, body, {"Content-Encoding": packing} if packing else {})) as server:
        assert GoogleProvider().identify(google_session(server.root)).subject == "ana@example.com"
        assert server.requests[0].headers["accept-encoding"] == "gzip"


# -- without end ------------------------------------------------------------------------------------------------------


def chunks(wfile: BufferedIOBase) -> None:
    wfile.write(b"HTTP/1.1 207 Multi-Status\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        wfile.write(b"8000\r\n" + b" " * 0x8000 + b"\r\n")


def test_chunks_without_end_are_not_read_to_the_end() -> None:
    assert ways(lambda _: Reply(raw=chunks)) == REFUSED_AT_ONCE


def headers(wfile: BufferedIOBase) -> None:
    wfile.write(b"HTTP/1.1 207 Multi-Status\r\n")
    for number in count():
        wfile.write(f"X-{number}: {'x' * 1_000}\r\n".encode())


def interim(wfile: BufferedIOBase) -> None:
    while True:
        wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


@pytest.mark.parametrize("flood", [headers, interim])
def test_headers_without_end_are_not_read_to_the_end(flood: Callable[[BufferedIOBase], None]) -> None:
    """However fast they come: the deadline is for all of them."""
    script: Script = lambda _: Reply(raw=flood)  # noqa: E731  (named for its type)
    with serving(script, CalDAVProvider(timeout=1)) as (_, bench), pytest.raises(Unavailable):
        bench.provider.identify(bench.session)
    with scripted(script) as server, pytest.raises(Unavailable):
        GoogleProvider(timeout=1).identify(google_session(server.root))


# -- lists without end ------------------------------------------------------------------------------------------------


def test_google_s_pages_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:  # I-13
    monkeypatch.setattr(google_service, "MAX_PAGES", 20)
    numbers = count()
    endless = google_scripts.Google(lambda _: google_scripts.page(following=f"page-{next(numbers)}"))
    repeated = google_scripts.Google(google_scripts.page(following="again"))
    for google, most in ((endless, 20), (repeated, 2)):
        for ask in (
            lambda google=google: list(
                google.provider.fetch_changes(google.session, ReadRequest(google_scripts.WORK, WINDOW))
            ),
            lambda google=google: google.provider.list_calendars(google.session),
        ):
            before = len(google.asked)
            with pytest.raises(Unavailable, match="page"):
                ask()
            assert len(google.asked) - before == most


def test_graph_s_pages_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:  # I-13
    monkeypatch.setattr(microsoft_service, "MAX_PAGES", 20)
    numbers = count()
    endless = graph_scripts.Graph(lambda _: graph_scripts.page(following=f"page-{next(numbers)}"))
    repeated = graph_scripts.Graph(graph_scripts.page(following="again"))
    for graph, most in ((endless, 20), (repeated, 2)):
        before = len(graph.asked)
        with pytest.raises(Unavailable, match="page"):
            list(graph.provider.fetch_changes(graph.session, ReadRequest(graph_scripts.WORK, WINDOW)))
        assert len(graph.asked) - before <= most + 1


def test_all_pages_together_have_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever service, and however small each page."""
    monkeypatch.setattr(link, "MAX_RECEIVED", 10_000)
    numbers = count()
    google = google_scripts.Google(lambda _: google_scripts.page({"id": "x" * 900}, following=f"{next(numbers)}"))
    graph = graph_scripts.Graph(lambda _: graph_scripts.page({"id": "x" * 900}, following=f"{next(numbers)}"))
    for service, work in ((google, google_scripts.WORK), (graph, graph_scripts.WORK)):
        with pytest.raises(UnreadableAnswer, match="together"):
            list(service.provider.fetch_changes(service.session, ReadRequest(work, WINDOW)))
        assert 5 < len(service.asked) < 12
    with serving(lambda _: endless_sync(next(numbers))) as (server, bench):
        with pytest.raises(UnreadableAnswer, match="together"):
            bench.read()
        assert 5 < len(server.requests) < 12


def endless_sync(number: int) -> Reply:
    """A page of changes, and more to come."""
    more = response(COLLECTION, status=507)
    return multistatus(response(f"{number}.ics", etag='"1"', data="x" * 500), more, token=f"http://sync/{number}")


def test_a_calendar_has_only_so_many_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_MEMBERS", 20)
    numbers = count()
    with serving(lambda _: endless_sync(next(numbers))) as (server, bench):
        with pytest.raises(UnreadableAnswer, match="20 resources"):
            bench.read()
        assert len(server.requests) == 21


def test_data_that_is_too_much_to_keep_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks: a listing of a large calendar is read all the same."""
    monkeypatch.setattr(listing, "MAX_INLINE", len(FILES["a.ics"]) + 10)
    with serving(Dav(FILES)) as (server, bench):
        assert bench.read().keys() == set(FILES)
        assert ["calendar-multiget" in request.body for request in server.requests] == [False, True]
        assert server.requests[1].body.count("<D:href>") == len(FILES) - 1


def test_a_server_with_homes_without_end_is_not_asked_for_all_of_them() -> None:
    homes = "".join(f"<href>/dav/home{number}/</href>" for number in range(10_000))
    told = (
        "<current-user-principal><href>/dav/</href></current-user-principal>"
        f"<C:calendar-home-set>{homes}</C:calendar-home-set>"
    )
    with serving(lambda _: multistatus(prop("/dav/", told))) as (server, bench):
        with pytest.raises(UnreadableAnswer, match="homes"):
            bench.provider.list_calendars(bench.session)
        assert len(server.requests) == 1


# -- waits and lifetimes beyond all calendars -------------------------------------------------------------------------

WISHES = {
    "1e300": 366 * 86_400.0,
    "1e999": None,
    "nan": None,
    "9" * 5_000: None,
    "-5": 0.0,
    "Mon, 01 Jan 99999999999 00:00:00 GMT": None,
    "Mon, 02 Mar 2026 10:00:00 +9999999999999999": None,
    "Fri, 31 Dec 9999 23:59:59 -0500": 366 * 86_400.0,
    "Mon, 02 Mar 2026 10:00:00": None,
}


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish[:40])
def test_nobody_waits_longer_than_a_year(wish: str) -> None:  # I-33
    """A date that a clock can't tell would fail the sync that has to remember it."""
    assert seconds_asked(Answer(429, {"retry-after": wish}, b"", "http://h/"), VirtualClock()) == WISHES[wish]


LIFETIMES: list[Any] = [10**400, -(10**400), 1e300, float("nan"), float("inf"), "9" * 5_000, [], {}, None]


@pytest.mark.parametrize("lasts", LIFETIMES, ids=lambda value: repr(value)[:20])
def test_a_login_lasts_a_year_at_the_most(lasts: Any) -> None:
    def told(request: httpx.Request) -> httpx.Response:
        at = "https://localhost/t/oauth2/v2.0"
        if request.method == "GET":
            paths = {"authorization_endpoint": f"{at}/authorize", "token_endpoint": f"{at}/token", "issuer": at}
            return httpx.Response(200, json=paths)
        return httpx.Response(200, content=json.dumps({"access_token": "t", "expires_in": lasts}).encode())

    clock = VirtualClock()
    grant = OAuthGrant("client", "secret", "refresh", token_url="http://localhost/t/oauth2/v2.0/token")
    for renew in (google_auth.renew, microsoft_auth.renew):
        try:
            renewed = renew(grant, clock, httpx.MockTransport(told))
        except ProviderError:
            continue
        assert isinstance(renewed, OAuthGrant)
        assert renewed.expires_at is not None
        assert 0 <= (renewed.expires_at - clock.now()).total_seconds() <= 366 * 86_400


# -- batches ----------------------------------------------------------------------------------------------------------


def part(inner: bytes, name: bytes = b"<response-call-0>") -> bytes:
    return b"--b\r\nContent-Type: application/http\r\nContent-ID: " + name + b"\r\n\r\n" + inner + b"\r\n"


GOOD = b"HTTP/1.1 200 OK\r\nETag: x\r\n\r\n{}"
MULTIPART = "multipart/mixed; boundary=b"
NESTED = b"".join(b"--b\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5_000))
BATCHES: dict[str, tuple[bytes, list[int | None]]] = {
    "good": (part(GOOD) + part(GOOD, b"<response-call-1>") + b"--b--", [200, 200]),
    "in another order": (part(GOOD, b"<response-call-1>") + part(b"HTTP/1.1 404 x\r\n\r\n"), [404, 200]),
    "one is missing": (part(GOOD), [200, None]),
    "one too many": (part(GOOD, b"<response-call-2>") + part(GOOD, b"<response-call-99999>"), [None, None]),
    "no names": (part(GOOD, b"") + part(GOOD, b"<"), [None, None]),
    "a number nobody can read": (part(GOOD, b"<response-call-" + b"9" * 5_000 + b">"), [None, None]),
    "a status of 5,000 digits": (part(b"HTTP/1.1 " + b"9" * 5_000 + b" x\r\n\r\n"), [None, None]),
    "a status that is none": (part(b"HTTP/1.1\r\n\r\n") + part(b"SMTP 250 x", b"<response-call-1>"), [None, None]),
    "dates beyond all calendars": (
        part(b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 99999999999 00:00:00 GMT\r\n\r\n"),
        [200, None],
    ),
    "addresses that are none": (part(b'HTTP/1.1 200 OK\r\nTo: <\r\nMessage-ID: <\r\nFrom: "\r\n\r\n{}'), [200, None]),
    "parts in parts": (NESTED, [None, None]),
    "nothing": (b"", [None, None]),
    "another boundary": (part(GOOD).replace(b"--b", b"--c"), [None, None]),
    "cut off": (part(GOOD)[:-20], [200, None]),
    "after the end": (b"--b--\r\n" + part(GOOD), [None, None]),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_s_answer_says_for_each_call_what_became_of_it_or_that_nobody_knows(name: str) -> None:  # I-04
    body, statuses = BATCHES[name]
    answers = parse_batch(Answer(200, {"content-type": MULTIPART}, body, "http://h/"), 2)
    assert [answer and answer.status for answer in answers] == statuses


@pytest.mark.parametrize(
    "kind",
    ["", "text/html", "multipart/mixed", "multipart/mixed; boundary=", "multipart/mixed; boundary=\udcff;", ";" * 9],
)
def test_what_is_no_batch_is_unreadable(kind: str) -> None:
    answer = Answer(200, {"content-type": kind}, part(GOOD), "http://h/")
    with suppress(UnreadableAnswer):
        assert parse_batch(answer, 1) == [None]


JSON_BATCHES: dict[str, tuple[str, list[int | None]]] = {
    "twice": ('[{"id":"0","status":200},{"id":"0","status":404}]', [404, None]),
    "foreign": ('[{"id":"7","status":200},{"id":"٠","status":200},{"id":"-0","status":200}]', [200, None]),
    "a number nobody can read": (f'[{{"id":"{"9" * 5_000}","status":200}}]', [None, None]),
    "no statuses": ('[{"id":"0"},{"id":"1","status":"200"},{"id":"1","status":2e2}]', [None, None]),
    "strange": ('[null,[],"0",{"id":["0"],"status":200},{"id":{},"status":1}]', [None, None]),
    "a text for a body": ('[{"id":"0","status":200,"body":"{}"},{"id":"1","status":200,"body":7}]', [200, 200]),
    "odd headers": (
        '[{"id":"0","status":429,"headers":{"Retry-After":["1e300"]}},{"id":"1","status":1,"headers":3}]',
        [429, 1],
    ),
}


@pytest.mark.parametrize("name", JSON_BATCHES)
def test_a_json_batch_says_so_too(name: str) -> None:  # I-04
    body, statuses = JSON_BATCHES[name]
    answers = parse_json_batch(Answer(200, {}, f'{{"responses":{body}}}'.encode(), "http://h/"), 2)
    assert [answer and answer.status for answer in answers] == statuses
