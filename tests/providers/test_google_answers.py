"""What Google refuses, what stands in its way and says so in HTML, and ways that lead elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from attrs import evolve

from calsync_core.errors import (
    AuthExpired,
    Conflict,
    CursorExpired,
    InvalidValue,
    NotFound,
    ProviderError,
    RateLimited,
    ReadOnly,
    Rejected,
    Unavailable,
)
from calsync_core.models import BearerToken, OperationKind, OutcomeStatus, Password
from calsync_core.protocols import Push, PushKind, PushRequest
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.google.push import parse_push
from calsync_core.system import StaticTokens
from calsync_core.testing import GoogleSimulator, VirtualClock
from calsync_core.testing.provider_contract.fixtures import BUSY, KEY
from calsync_core.testing.provider_kit import Bench
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.messages import Response
from google_hands import ANA, Endpoint, bench_of, google_of, session_of
from google_scripts import WORK, Google, refusal

HTML = b"<html><title>Blocked</title>The proxy says no to Dentist.</html>"


@pytest.fixture
def bench() -> Bench:
    return bench_of()


def failing(bench: Bench, response: Response, *, times: int = 99) -> None:
    google_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, response, times=times))


READING = [
    (400, "invalid", Rejected),
    (400, "badRequest", Rejected),
    (401, "authError", AuthExpired),
    (403, "rateLimitExceeded", RateLimited),
    (403, "userRateLimitExceeded", RateLimited),
    (429, "rateLimitExceeded", RateLimited),
    (403, "quotaExceeded", RateLimited),
    (403, "calendarUsageLimitsExceeded", RateLimited),
    (403, "dailyLimitExceeded", RateLimited),
    (403, "insufficientPermissions", AuthExpired),
    (403, "forbidden", NotFound),
    (403, "requiredAccessLevel", NotFound),
    (404, "notFound", NotFound),
    (500, "backendError", Unavailable),
    (503, "backendError", Unavailable),
]


@pytest.mark.parametrize(("status", "reason", "kind"), READING)
def test_what_a_refused_read_means(bench: Bench, status: int, reason: str, kind: type[ProviderError]) -> None:  # I-33
    """By status and reason, and the message is not passed on (I-39)."""
    failing(bench, refusal(status, reason, "no Dentist for you"))
    for ask in (bench.read, lambda: list(bench.writer.find_blocks(bench.session, bench.calendar))):
        with pytest.raises(ProviderError) as refused:
            ask()
        assert type(refused.value) is kind
        assert "Dentist" not in str(refused.value)


WRITING = [
    (400, "invalid", OutcomeStatus.REJECTED),
    (400, "timeRangeEmpty", OutcomeStatus.REJECTED),
    (409, "duplicate", OutcomeStatus.TAKEN),
    (404, "notFound", OutcomeStatus.RETRY),
    (410, "deleted", OutcomeStatus.RETRY),
    (412, "conditionNotMet", OutcomeStatus.CHANGED),
    (500, "backendError", OutcomeStatus.RETRY),
    (403, "forbidden", ReadOnly),
    (403, "requiredAccessLevel", ReadOnly),
    (403, "insufficientPermissions", ReadOnly),
    (403, "quotaExceeded", RateLimited),
    (403, "rateLimitExceeded", RateLimited),
    (401, "authError", AuthExpired),
]


@pytest.mark.parametrize(("status", "reason", "meaning"), WRITING)
def test_what_a_refused_write_means(
    bench: Bench, status: int, reason: str, meaning: OutcomeStatus | type[ProviderError]
) -> None:  # I-41, I-42
    response = refusal(status, reason, "no Dentist for you")
    google_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, response, method="POST", times=9))
    if isinstance(meaning, OutcomeStatus):
        outcome = bench.create(KEY, BUSY)
        assert outcome.status is meaning
        assert "Dentist" not in str(outcome.message)
    else:
        with pytest.raises(meaning) as refused:
            bench.create(KEY, BUSY)
        assert "Dentist" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "reason", "kind", "status_of_delete"),
    [
        (404, "notFound", OutcomeStatus.MISSING, OutcomeStatus.DONE),
        (410, "deleted", OutcomeStatus.MISSING, OutcomeStatus.DONE),
    ],
)
def test_gone_is_said_in_two_ways(
    bench: Bench, status: int, reason: str, kind: OutcomeStatus, status_of_delete: OutcomeStatus
) -> None:  # I-41
    etag = bench.create(KEY, BUSY).etag
    google_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, refusal(status, reason), method="PUT"))
    google_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, refusal(status, reason), method="DELETE"))
    assert bench.update(KEY, BUSY, etag).status is kind
    assert bench.delete(KEY, BUSY, etag).status is status_of_delete


def test_404_of_a_vanished_calendar_is_no_deletion(bench: Bench) -> None:  # I-41, I-42
    etag = bench.create(KEY, BUSY).etag
    google_of(bench).remove_calendar(bench.calendar.remote_id)
    for kind in OperationKind:
        with pytest.raises(NotFound):
            bench.apply(bench.intent(kind, KEY, BUSY, etag=etag))


@pytest.mark.parametrize("status", [301, 400, 402, 403, 404, 407, 410, 418, 451, 500, 502, 503, 504])
@pytest.mark.parametrize("inner", [False, True])
def test_a_proxy_s_answers_conclude_nothing(bench: Bench, status: int, *, inner: bool) -> None:  # I-07
    """No event is gone, no block is rejected for ever, no login is refused, because somebody in between says so."""
    etag = bench.create(KEY, BUSY).etag
    other = "v" * 32
    response = Response(status, {"Content-Type": "text/html"}, HTML)
    google_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, response, times=99, inner=inner))
    intents = [
        bench.intent(OperationKind.UPDATE, KEY, BUSY, etag=etag),
        bench.intent(OperationKind.CREATE, other, BUSY),
        bench.intent(OperationKind.DELETE, "1" * 32, BUSY, etag='"1"'),
    ]
    asks: list[Callable[[], object]] = [lambda: bench.lookup(bench.native_id(KEY), "x")]
    if not inner:
        asks += [bench.read, lambda: bench.lookup("x"), lambda: bench.apply(intents[0])]
    asks.append(lambda: bench.apply(*intents))
    for ask in asks:
        found, error = answer_or_error(ask)
        assert error is None or isinstance(error, Unavailable | CursorExpired), error
        assert "Dentist" not in str(error)
        assert not getattr(found, "gone", ())
        if isinstance(found, list):
            assert {outcome.status for outcome in found} == {OutcomeStatus.RETRY}


def answer_or_error(ask: Callable[[], object]) -> tuple[object, ProviderError | None]:
    try:
        return ask(), None
    except ProviderError as error:
        return None, error


# -- waiting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "told"), [("120", 120.0), ("11.5", 11.5), ("Mon, 02 Mar 2026 09:05:00 GMT", 300.0)])
def test_retry_after_is_passed_on(bench: Bench, asked: str, told: float) -> None:  # I-33
    failing(bench, refusal(429, "rateLimitExceeded", Retry_After=asked))
    with pytest.raises(RateLimited) as limited:
        bench.read()
    assert limited.value.retry_after == told


def test_the_pause_for_abuse_is_long_whatever_is_asked(bench: Bench) -> None:  # I-33
    failing(bench, refusal(403, "quotaExceeded", Retry_After="5"))
    with pytest.raises(RateLimited) as limited:
        bench.read()
    assert (limited.value.retry_after or 0) > timedelta(hours=1).total_seconds()
    assert bench.session.meter.sent == 1


def test_a_read_that_fails_in_passing_is_repeated(bench: Bench) -> None:  # I-34
    failing(bench, refusal(503, "backendError"), times=2)
    assert bench.read().snapshot
    google_of(bench).fail(HttpFault(HttpFaultKind.REFUSED))
    google_of(bench).fail(HttpFault(HttpFaultKind.LOST_ANSWER))
    assert bench.read().snapshot


# -- ways elsewhere -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", ["https://evil.example/calendar/v3", "http://localhost.evil.example/", "//evil.example"]
)
def test_no_redirect_takes_the_login_to_another_host(target: str) -> None:  # I-38
    google = Google(httpx.Response(307, headers={"Location": target}))
    with pytest.raises(Unavailable, match="not an allowed host"):
        google.provider.list_calendars(google.session)
    assert {request.url.host for request in google.asked} == {"localhost"}


def test_a_redirect_on_the_same_host_is_followed_with_the_login() -> None:
    google = Google(
        httpx.Response(307, headers={"Location": "/calendar/v4/users/me/calendarList"}),
        httpx.Response(200, json={"items": []}),
    )
    assert google.provider.list_calendars(google.session) == []
    assert google.asked[-1].headers["authorization"] == "Bearer a-token"


@pytest.mark.parametrize(
    "url", ["ftp://x", "http://calendar.example.com/v3", "https://", "https://u:hunter2@x.example/"]
)
def test_a_bad_base_url_is_named_before_any_request(url: str) -> None:  # I-39, I-44
    google = Google(httpx.Response(200), base_url=url)
    with pytest.raises(InvalidValue, match=r"^base_url") as refused:
        google.provider.identify(google.session)
    assert "hunter2" not in str(refused.value)
    assert google.asked == []


def test_a_slash_at_the_end_of_the_address_does_no_harm() -> None:
    google = Google(httpx.Response(200, json={"items": []}), base_url="http://localhost/calendar/v3/")
    google.provider.list_calendars(google.session)
    assert google.asked[0].url.path == "/calendar/v3/users/me/calendarList"


@pytest.mark.parametrize(
    ("name", "value"), [("timeout", 0.0), ("writes_per_minute", 0), ("base_url", "http://elsewhere.example")]
)
def test_bad_settings_are_named(name: str, value: Any) -> None:  # I-44
    with pytest.raises(InvalidValue, match=f"^{name}"):
        GoogleProvider(**{name: value})


# -- logins ---------------------------------------------------------------------------------------------------------


def test_the_login_is_its_primary_calendar() -> None:  # I-46
    google = GoogleSimulator(VirtualClock())
    google.add_user(ANA, timezone="Europe/Berlin")
    who = GoogleProvider(transport=google.transport()).identify(session_of(google))
    assert (who.subject, who.email, who.timezone) == (ANA, ANA, "Europe/Berlin")


def test_a_password_is_no_login_for_google(bench: Bench) -> None:  # I-44
    wrong = evolve(bench.session, tokens=StaticTokens(Password("ana", "hunter2")))
    with pytest.raises(InvalidValue, match=r"^credentials") as refused:
        bench.provider.identify(wrong)
    assert "hunter2" not in str(refused.value)


PREFIX = "https://www.googleapis.com/auth/"


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ([], []),
        (["calendar"], []),
        (["calendar.readonly"], []),
        (["calendar.calendarlist.readonly", "calendar.events"], []),
        (["calendar.calendarlist", "calendar.events.owned.readonly"], []),
        (["calendar.events"], ["calendar.calendarlist.readonly"]),
        (["calendar.calendarlist.readonly"], ["calendar.events.readonly"]),
        (["openid"], ["calendar.calendarlist.readonly", "calendar.events.readonly"]),
    ],
)
def test_scopes_that_were_not_granted_are_named(bench: Bench, granted: list[str], missing: list[str]) -> None:
    """A person may untick a box, and the token comes all the same: said at once, and by name."""
    google = google_of(bench)
    scopes = tuple(PREFIX + scope for scope in granted)
    token = BearerToken(google.issue_token(ANA, scopes or ("calendar",)), scopes)
    session = session_of(google, token)
    if not missing:
        assert bench.provider.identify(session).subject == ANA
        return
    with pytest.raises(AuthExpired) as refused:
        bench.provider.identify(session)
    assert [name for name in missing if name in str(refused.value)] == missing
    assert session.meter.sent == 0


def test_a_login_that_may_only_read_has_readers_roles(bench: Bench) -> None:  # I-42
    google = google_of(bench)
    scopes = ("calendar.calendarlist.readonly", "calendar.events.readonly")
    token = BearerToken(google.issue_token(ANA, scopes), tuple(PREFIX + scope for scope in scopes))
    listed = bench.provider.list_calendars(session_of(google, token))
    assert {str(one.role) for one in listed} == {"reader"}
    with pytest.raises(ReadOnly):
        evolve(bench, session=session_of(google, token)).create(KEY, BUSY)


def test_an_address_without_a_calendar_service_is_rejected(bench: Bench) -> None:
    failing(bench, Response(404, {}, HTML))
    with pytest.raises(Rejected):
        bench.provider.identify(bench.session)


@pytest.mark.parametrize("body", [b"[]", b'{"items": [{"summary": "x"}]}', b'{"items": [3]}', b"{", b'{"items": {}}'])
def test_a_list_of_calendars_that_is_none(body: bytes) -> None:  # I-07
    google = Google(httpx.Response(200, content=body))
    with pytest.raises(Unavailable):
        google.provider.list_calendars(google.session)
    with pytest.raises(Unavailable):
        google.provider.identify(google.session)


def test_a_service_account_s_requests_are_the_person_s_own() -> None:
    """Otherwise all people it acts for would share one quota. The header names nobody."""
    google = Google(httpx.Response(200, json={"items": []}))
    tokens = StaticTokens(BearerToken("t", acts_for=ANA))
    google.provider.list_calendars(evolve(google.session, tokens=tokens))
    quota = google.asked[0].headers["x-goog-quota-user"]
    assert 0 < len(quota) <= 40
    assert "ana" not in quota
    google.provider.list_calendars(google.session)
    assert "x-goog-quota-user" not in google.asked[1].headers


# -- channels -------------------------------------------------------------------------------------------------------


def test_a_refused_push_address_is_the_operator_s_to_mend(bench: Bench) -> None:  # I-30, I-35
    """Also where Google says it with 401: the login is well, and stays in use."""
    ask = {"subscription_id": "c-1", "secret": "s", "url": "http://host.example.com/push"}
    with pytest.raises(Rejected, match="webhookUrlNotHttps"):
        bench.provider.subscribe(bench.session, bench.calendar, **ask)  # type: ignore[attr-defined]  # Google pushes
    failing(bench, refusal(401, "push.webhookUrlUnauthorized"), times=1)
    with pytest.raises(Rejected, match="webhookUrlUnauthorized"):
        bench.provider.subscribe(bench.session, bench.calendar, **ask)  # type: ignore[attr-defined]  # Google pushes


def test_a_channel_id_is_used_once(bench: Bench) -> None:
    google = google_of(bench)
    endpoint = Endpoint(google)
    ask = {"subscription_id": "c-1", "secret": "s", "url": endpoint.url}
    made = bench.provider.subscribe(bench.session, bench.calendar, **ask)  # type: ignore[attr-defined]  # Google pushes
    bench.provider.unsubscribe(bench.session, made)  # type: ignore[attr-defined]  # Google pushes
    with pytest.raises(Conflict):
        bench.provider.subscribe(bench.session, bench.calendar, **ask)  # type: ignore[attr-defined]  # Google pushes


def test_the_first_message_may_come_before_the_answer(bench: Bench) -> None:  # I-29
    google = google_of(bench)
    came: list[Push] = []
    endpoint = Endpoint(google)
    google.habits.early_sync = True
    made = bench.provider.subscribe(  # type: ignore[attr-defined]  # Google pushes
        bench.session, bench.calendar, subscription_id="c-1", secret="s", url=endpoint.url
    )
    came += [push for request in endpoint.arrived() for push in parse_push(request)]
    assert [(push.subscription_id, push.kind, push.resource) for push in came] == [
        ("c-1", PushKind.CREATED, made.resource)
    ]


@pytest.mark.parametrize(
    "answer", [{}, {"resourceId": "r"}, {"resourceId": "r", "expiration": "soon"}, {"expiration": "1"}]
)
def test_an_end_that_is_not_told_is_not_assumed(answer: dict[str, str]) -> None:  # I-30
    google = Google(httpx.Response(200, json=answer))
    with pytest.raises(Unavailable):
        google.provider.subscribe(google.session, WORK, subscription_id="c", secret="s", url="https://host.example.com")


def test_a_longer_life_is_not_believed(bench: Bench) -> None:  # I-30
    google = google_of(bench)
    google.habits.longest_watch = timedelta(hours=3)
    made = bench.provider.subscribe(  # type: ignore[attr-defined]  # Google pushes
        bench.session, bench.calendar, subscription_id="c-1", secret="s", url=Endpoint(google).url
    )
    assert made.expires_at == bench.session.clock.now() + timedelta(hours=3)


GOOD = {"x-goog-channel-id": "c", "x-goog-resource-id": "r", "x-goog-resource-state": "exists"}


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, PushKind.CHANGED),
        ({"x-goog-resource-state": "sync"}, PushKind.CREATED),
        ({"x-goog-resource-state": "not_exists"}, PushKind.ENDED),
    ],
)
def test_what_a_push_says(headers: dict[str, str], kind: PushKind) -> None:
    (push,) = parse_push(PushRequest({**GOOD, **headers}))
    assert (push.kind, push.secret, push.message, push.expires_at) == (kind, None, None, None)


@pytest.mark.parametrize("end", ["never", "", "Mon, 99 Mar 2026 09:00:00 GMT", "1772442000000"])
def test_an_odd_end_of_a_channel_is_none(end: str) -> None:  # I-26
    (push,) = parse_push(PushRequest({**GOOD, "x-goog-channel-expiration": end}))
    assert push.expires_at is None


@pytest.mark.parametrize("lost", sorted(GOOD))
def test_a_push_without_what_every_push_has_is_none(lost: str) -> None:  # I-26
    for value in (None, "", "other"):
        headers = {**GOOD, lost: value} if value is not None else {k: v for k, v in GOOD.items() if k != lost}
        if value == "other" and lost != "x-goog-resource-state":
            continue
        with pytest.raises(InvalidValue):
            parse_push(PushRequest(headers))
