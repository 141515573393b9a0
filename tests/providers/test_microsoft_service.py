"""How Graph is asked: four at a time, patiently, with one renewal; who a login is; what refusals mean."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from attrs import evolve

from calsync_core.errors import (
    AuthExpired,
    InvalidValue,
    NotFound,
    ProviderError,
    RateLimited,
    ReadOnly,
    Rejected,
    Unavailable,
)
from calsync_core.models import Account, BearerToken, Credential, OperationKind, Password
from calsync_core.protocols import RequestMeter, Session
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.providers.microsoft.answers import Refusal, refusal_of
from calsync_core.providers.microsoft.gate import Gate
from calsync_core.system import StaticTokens
from calsync_core.testing import VirtualClock
from calsync_core.testing.provider_contract.bench import START, meeting
from calsync_core.testing.provider_contract.fixtures import BUSY, KEY, LATER
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.messages import Response
from calsync_core.transport import Answer
from graph_hands import ANA, bench_of, graph_of, session_of, simulator_of
from graph_scripts import Graph, answer, refusal
from planted import PASSWORD

WAIT = 20.0
"""Real seconds after which a thread that should have come through has not."""

# -- four at a time --------------------------------------------------------------------------------------------------


def test_never_more_than_four_at_a_time() -> None:  # I-33
    """Many threads with one login: single requests and batches, counted while they are held in flight."""
    bench = bench_of()
    graph = simulator_of(bench)
    for number in range(6):
        bench.hands.put(meeting(f"e{number}"))
    dice = random.Random(5)

    def meanwhile(_request: object) -> None:
        threading.Event().wait(dice.random() / 200)

    graph.meanwhile = meanwhile
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            bench.read()
            for turn in range(3):
                key = f"{number:016d}{turn:016d}"
                done = bench.writer.apply(
                    bench.session, bench.calendar, [bench.intent(OperationKind.CREATE, key, BUSY)]
                )
                assert [one.status for one in done] == ["done"]
                bench.provider.fetch_items(bench.session, bench.calendar, [f"x{number}-{each}" for each in range(9)])
        except BaseException as error:  # noqa: BLE001  (shown by the main thread)
            errors.append(error)

    _together([lambda number=number: work(number) for number in range(6)])  # type: ignore[misc]  # mypy can't infer a default
    assert errors == []
    assert graph.max_seen_concurrency(ANA) <= 4
    assert not [one for one in graph.log if one.status == 429]
    assert len(graph.events(bench.calendar.remote_id)) == 6 + 18


def test_the_gate_lets_no_batch_starve() -> None:  # I-33
    """First come, first served: small ones that keep coming don't overtake one that needs all the room."""
    gate = Gate()
    order: list[str] = []
    inside, release, lined_up = threading.Event(), threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        with gate.passing(1):
            inside.set()
            release.wait(WAIT)

    def pass_through(name: str, count: int) -> None:
        lined_up.release()
        with gate.passing(count):
            order.append(name)

    first = threading.Thread(target=hold)
    first.start()
    assert inside.wait(WAIT)
    waiting = []
    for place, (name, count) in enumerate([("batch", 20), ("one", 1), ("two", 1), ("three", 1)], start=1):
        waiting.append(threading.Thread(target=pass_through, args=(name, count)))
        waiting[-1].start()
        assert lined_up.acquire(timeout=WAIT)
        while len(gate._line) < place:
            threading.Event().wait(0.001)
    assert order == []
    release.set()
    for thread in (first, *waiting):
        thread.join(WAIT)
    assert order[0] == "batch"
    assert sorted(order[1:]) == ["one", "three", "two"]


def test_whoever_gives_up_or_fails_frees_the_gate() -> None:
    gate = Gate()
    for _ in range(9):
        with pytest.raises(KeyError), gate.passing(20):
            raise KeyError
    with gate.passing(4):
        pass


# -- patience --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["seconds", "fraction", "date", "none"])
@pytest.mark.parametrize(("status", "code"), [(429, "ApplicationThrottled"), (503, "serviceNotAvailable")])
def test_a_short_wait_is_waited(style: Any, status: int, code: str) -> None:  # I-33
    """Seconds, fractions of them, a date; a 503 that does not say how long is a failure that passes."""
    bench = bench_of(retry_after=style)
    graph = simulator_of(bench)
    bench.hands.put(meeting("a"))
    graph.throttle(ANA, 2, status=status, code=code, seconds=None if style == "none" else 2.128)
    began = bench.session.clock.monotonic()
    assert len(bench.read().items) == 1
    waited = bench.session.clock.monotonic() - began
    if style != "none":
        assert 2 * 2.128 <= waited + 1e-6 <= 2 * 4.6


def test_a_long_wait_comes_through() -> None:  # I-33
    bench = bench_of()
    graph = simulator_of(bench)
    for style, wanted in (("fraction", 70.5), ("date", 71.0)):
        graph.habits.retry_after = style  # type: ignore[assignment]  # one of the words it knows
        graph.throttle(ANA, seconds=70.5)
        with pytest.raises(RateLimited) as limited:
            bench.read()
        assert limited.value.retry_after == pytest.approx(wanted, abs=1)


def test_throttling_of_one_mailbox_stalls_no_other() -> None:  # I-33
    graph = graph_of()
    ana, bo = session_of(graph), session_of(graph, user="bo@contoso.example")
    provider = MicrosoftProvider(transport=graph.transport())
    graph.throttle(ANA, 99, seconds=100)
    with pytest.raises(RateLimited):
        provider.list_calendars(ana)
    assert provider.list_calendars(bo)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_that_passes_is_read_again_and_not_written_again(status: int) -> None:  # I-04, I-34
    bench = bench_of()
    graph = simulator_of(bench)
    graph.fail(HttpFault(HttpFaultKind.ANSWER, refusal(status, "UnknownError"), method="GET", times=2))
    bench.read()
    graph.fail(HttpFault(HttpFaultKind.ANSWER, refusal(status, "UnknownError"), method="POST"))
    graph.clear_log()
    assert bench.create(KEY, BUSY).status == "retry"
    assert len(graph.log) == 1


# -- one renewal -----------------------------------------------------------------------------------------------------


class Renewing:
    """A token that has ended, and a better one."""

    def __init__(self, old: str, new: str) -> None:
        self.tokens = [old, new]
        self.renewed = 0

    def credential(self, *, renew: bool = False) -> Credential:
        if renew:
            self.renewed += 1
        return BearerToken(self.tokens[min(self.renewed, 1)])


@pytest.mark.parametrize("new", ["good", "bad"])
def test_an_ended_token_is_renewed_once(new: str) -> None:  # I-35
    """Of a whole request, and of the parts of a batch: those that were refused are sent again, the others not."""
    bench = bench_of()
    graph = simulator_of(bench)
    good = graph.token(ANA)
    tokens = Renewing("void", good if new == "good" else "void too")
    session = evolve(bench.session, tokens=tokens)
    if new == "bad":
        with pytest.raises(AuthExpired):
            bench.provider.identify(session)
    else:
        bench.provider.identify(session)
    assert tokens.renewed == 1
    tokens = Renewing(graph.token(ANA), good)
    unauthorised = refusal(401, "InvalidAuthenticationToken")
    graph.fail(HttpFault(HttpFaultKind.ANSWER, unauthorised, inner=True, method="POST", skip=1, times=2))
    graph.clear_log()
    ours = evolve(bench, session=evolve(bench.session, tokens=tokens))
    intents = [bench.intent(OperationKind.CREATE, f"{number:032d}", BUSY) for number in range(4)]
    assert {one.status for one in ours.apply(*intents)} == {"done"}
    assert tokens.renewed == 1
    assert len([one for one in graph.log if one.inner]) == 4 + 2


def test_parts_refused_for_good_are_the_login_s_end() -> None:  # I-35
    bench = bench_of()
    unauthorised = refusal(401, "InvalidAuthenticationToken")
    simulator_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, unauthorised, inner=True, times=99))
    with pytest.raises(AuthExpired):
        bench.lookup(*[f"x{number}" for number in range(4)])
    with pytest.raises(AuthExpired):
        bench.provider.identify(bench.session)


# -- who it is -------------------------------------------------------------------------------------------------------


def test_identity_is_the_user_and_the_mailbox_zone() -> None:  # I-46
    graph = graph_of(zone="W. Europe Standard Time")
    session = session_of(graph)
    who = MicrosoftProvider(transport=graph.transport()).identify(session)
    assert who.subject
    assert (who.email, who.timezone) == (ANA, "Europe/Berlin")
    assert session.meter.sent == 1


def test_identity_without_the_right_to_read_settings() -> None:
    graph = graph_of(zone="W. Europe Standard Time")
    session = session_of(graph, graph.token(ANA, ["User.Read", "Calendars.Read"]))
    who = MicrosoftProvider(transport=graph.transport()).identify(session)
    assert (who.email, who.timezone) == (ANA, None)


def test_a_login_that_may_not_say_who_it_is_lacks_a_permission() -> None:  # I-46
    graph = graph_of()
    session = session_of(graph, graph.token(ANA, ["Calendars.ReadWrite"]))
    with pytest.raises(AuthExpired, match="permission"):
        MicrosoftProvider(transport=graph.transport()).identify(session)


def test_a_proxy_that_says_no_is_not_graph() -> None:  # I-35, I-46
    """Without a code of Graph's nothing is known of the login: it is tried again, not given up."""
    graph = Graph(httpx.Response(403, text="<h1>Blocked by policy</h1>"))
    for ask in (graph.provider.identify, graph.provider.list_calendars):
        with pytest.raises(Unavailable):
            ask(graph.session)


def test_a_login_without_a_mailbox_is_told_so() -> None:  # I-44
    graph = graph_of()
    graph.add_user("cy@contoso.example", mailbox=False)
    session = session_of(graph, user="cy@contoso.example")
    provider = MicrosoftProvider(transport=graph.transport())
    with pytest.raises(Rejected, match="no mailbox"):
        provider.list_calendars(session)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 3}', b'{"responses": [{"id": "0", "status": 200}]}'])
def test_garbage_is_nobody(body: bytes) -> None:  # I-46
    graph = Graph(httpx.Response(200, content=body))
    with pytest.raises(ProviderError):
        graph.provider.identify(graph.session)


def test_an_application_reads_and_writes_the_mailbox_it_acts_for() -> None:
    """Through ``/users/ADDRESS``; ``/me`` is nobody without a person."""
    bench = bench_of()
    graph = simulator_of(bench)
    app = graph.token(None, ["Calendars.ReadWrite", "MailboxSettings.Read", "User.Read.All"])
    session = session_of(graph, BearerToken(app, acts_for=ANA))
    ours = evolve(bench, session=session)
    assert bench.provider.identify(session).email == ANA
    assert ours.create(KEY, BUSY).status == "done"
    assert ours.update(KEY, LATER, ours.block(KEY).etag).status == "done"
    assert ours.read().keys() == {ours.standing(KEY)}
    assert {one.path.split("/")[2] for one in graph.log if "$batch" not in one.path} == {"users"}
    with pytest.raises(ProviderError):
        bench.provider.list_calendars(session_of(graph, app))


def test_scopes_say_whether_blocks_may_be_written() -> None:  # I-42
    graph = graph_of()
    provider = MicrosoftProvider(transport=graph.transport())
    for scopes, writable in (
        (("Calendars.Read",), False),
        (("https://graph.microsoft.com/Calendars.ReadWrite",), True),
        (("Calendars.ReadWrite", "User.Read"), True),
        ((), True),
    ):
        session = session_of(graph, BearerToken(graph.token(ANA), scopes))
        assert [one.role.writable for one in provider.list_calendars(session)] == [writable]


def test_a_password_is_no_login_here() -> None:  # I-44
    graph = graph_of()
    session = evolve(session_of(graph), tokens=StaticTokens(Password("ana", PASSWORD)))
    with pytest.raises(InvalidValue, match="credentials"):
        MicrosoftProvider(transport=graph.transport()).identify(session)


@pytest.mark.parametrize("url", ["http://graph.example.com/v1.0", "ftp://x", "https://user:pw@x/v1.0", "https://"])
def test_a_bad_address_is_refused_before_any_request(url: str) -> None:  # I-44
    account = Account("ana", "microsoft", "ana", base_url=url)
    session = Session(account, StaticTokens(BearerToken("t")), RequestMeter(), VirtualClock())
    with pytest.raises(InvalidValue, match="base_url"):
        MicrosoftProvider().identify(session)
    assert session.meter.sent == 0


def test_timeouts_are_positive() -> None:  # I-44
    with pytest.raises(InvalidValue, match="timeout"):
        MicrosoftProvider(timeout=0)
    with pytest.raises(InvalidValue, match="base_url"):
        MicrosoftProvider(base_url="http://elsewhere.example")


# -- what refusals mean ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "reading", "writing"),
    [
        (401, "InvalidAuthenticationToken", AuthExpired, AuthExpired),
        (403, "ErrorAccessDenied", NotFound, ReadOnly),
        (403, "Authorization_RequestDenied", NotFound, ReadOnly),
        (403, "", Unavailable, Unavailable),
        (404, "ErrorItemNotFound", NotFound, NotFound),
        (404, "ErrorFolderNotFound", NotFound, NotFound),
        (404, "Request_ResourceNotFound", NotFound, NotFound),
        (404, "MailboxNotEnabledForRESTAPI", Rejected, Rejected),
        (403, "MailboxNotEnabledForRESTAPI", Rejected, Rejected),
        (404, "", Unavailable, Unavailable),
        (410, "syncStateNotFound", NotFound, NotFound),
        (400, "ErrorInvalidIdMalformed", Rejected, Rejected),
        (400, "", Unavailable, Unavailable),
        (409, "ErrorIrresolvableConflict", Rejected, Rejected),
        (429, "TooManyRequests", RateLimited, RateLimited),
        (429, "activityLimitReached", RateLimited, RateLimited),
        (429, "", RateLimited, RateLimited),
        (500, "ErrorInternalServerError", Unavailable, Unavailable),
        (503, "serviceNotAvailable", Unavailable, Unavailable),
        (504, "UnknownError", Unavailable, Unavailable),
        (302, "", Unavailable, Unavailable),
    ],
)
def test_what_status_and_code_mean(
    status: int, code: str, reading: type[ProviderError], writing: type[ProviderError]
) -> None:
    told = Refusal(status, (code.lower(),) if code else ())
    for error, wanted in ((told.as_error(reading=True), reading), (told.as_error(reading=False), writing)):
        assert type(error) is wanted
        assert str(status) in str(error)


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ({"error": {"code": "A", "innerError": {"code": "B", "innererror": {"code": "C"}}}}, ("a", "b", "c")),
        ({"error": {"code": "Title of a dentist"}}, ()),
        ({"error": {"code": "x" * 100}}, ()),
        ({"error": {"code": 3, "innerError": [1]}}, ()),
        ({"error": "no"}, ()),
        ([], ()),
        (3, ()),
        (None, ()),
    ],
)
def test_codes_are_read_and_prose_is_not(body: Any, codes: tuple[str, ...]) -> None:  # I-39
    """However deep and in whatever spelling; a message may quote a title."""
    response = Response.of(body, 400)
    made = refusal_of(Answer(400, {}, response.body, "http://x"), VirtualClock())
    assert made.codes == codes
    assert "dentist" not in f"{made!r} {made}".lower()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2", 2.0), ("2.128", 2.128), ("0", 0.0), ("-3", 0.0), ("soon", None), ("", None), ("inf", None)],
)
def test_retry_after_in_every_spelling(text: str, seconds: float | None) -> None:  # I-33
    made = refusal_of(Answer(429, {"retry-after": text}, b"", "http://x"), VirtualClock())
    assert made.wait == seconds
    assert made.too_fast


def test_retry_after_as_a_date() -> None:  # I-33
    date = format_datetime(START + timedelta(seconds=90), usegmt=True)
    made = refusal_of(Answer(503, {"retry-after": date}, b"", "http://x"), VirtualClock(START))
    assert made.wait == 90
    assert isinstance(made.as_error(reading=False), RateLimited)


def test_no_secret_is_shown() -> None:  # I-39
    graph = Graph(answer(refusal(400, "ErrorInvalidRequest")))
    with pytest.raises(Rejected) as refused:
        graph.provider.list_calendars(graph.session)
    for text in (str(refused.value), repr(refused.value), repr(graph.session), repr(graph.provider)):
        assert "a-token" not in text
        assert "Dentist" not in text


def _together(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT * 3)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
