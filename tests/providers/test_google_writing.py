"""Blocks on Google: batches that go wrong in part, quiet writes, and the pace of many."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import timedelta

import httpx
import pytest
from attrs import evolve

from calsync_core.errors import AuthExpired, InvalidValue, ProviderError, RateLimited, ReadOnly, Unavailable
from calsync_core.models import BearerToken, Intent, OperationKind, Outcome, OutcomeStatus, Tag
from calsync_core.protocols import Clock
from calsync_core.providers.google.bodies import build_block
from calsync_core.providers.google.pace import Pace
from calsync_core.testing import VirtualClock
from calsync_core.testing.provider_contract.bench import TAG
from calsync_core.testing.provider_contract.fixtures import BUSY, CONTENTS, KEY, LATER
from calsync_core.testing.provider_kit import Bench
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.messages import Response
from google_hands import ANA, bench_of, google_of
from google_scripts import refusal

KEYS = [f"{number:032d}" for number in range(6)]


@pytest.fixture
def bench() -> Bench:
    return bench_of()


def creates(bench: Bench, count: int = 6) -> list[Intent]:
    return [bench.intent(OperationKind.CREATE, key, BUSY) for key in KEYS[:count]]


def statuses(outcomes: list[Outcome]) -> list[OutcomeStatus]:
    return [outcome.status for outcome in outcomes]


def told(bench: Bench, *intents: Intent) -> tuple[list[Outcome], ProviderError | None]:
    """What is told before it ends, well or not."""
    outcomes: list[Outcome] = []
    try:
        for outcome in bench.writer.apply(bench.session, bench.calendar, intents):
            outcomes.append(outcome)  # noqa: PERF402  (what came before it fails is kept)
    except ProviderError as error:
        return outcomes, error
    return outcomes, None


# -- batches --------------------------------------------------------------------------------------------------------


def test_many_intents_are_one_request(bench: Bench) -> None:
    """Carried out in whatever order; each outcome is its own intent's."""
    google = google_of(bench)
    google.habits.order = random.Random(3)
    contents = [evolve(BUSY, title=f"Block {number}") for number in range(6)]
    intents = [bench.intent(OperationKind.CREATE, key, content) for key, content in zip(KEYS, contents, strict=True)]
    outcomes = bench.apply(*intents)
    assert [outcome.seen for outcome in outcomes] == contents
    assert google.count() == {"POST": 1}
    assert google.count(inner=True) == {"POST": 6}


def test_a_title_can_not_end_its_part(bench: Bench) -> None:
    """Whatever stands in a title is one line of JSON; the boundary is in none of them."""
    titles = ["--batch", "--batch_simulated--", "\r\n--calsync-batch-7f3a91c2d4--\r\n", "Content-ID: <call-1>", "🦷"]
    contents = [evolve(BUSY, title=title) for title in titles]
    intents = [bench.intent(OperationKind.CREATE, key, one) for key, one in zip(KEYS, contents, strict=False)]
    assert [outcome.seen and outcome.seen.title for outcome in bench.apply(*intents)] == titles


def test_a_part_without_an_answer_is_tried_again(bench: Bench) -> None:  # I-04
    """Nobody knows what became of it: the next attempt looks first."""

    def without_third(request: httpx.Request) -> httpx.Response:
        answer = google_of(bench).transport().handle_request(request)
        if "batch" not in request.url.path:
            return answer
        opening = f"--{answer.headers['content-type'].partition('boundary=')[2]}".encode()
        parts = answer.read().split(opening)
        kept = [parts[0], *reversed(parts[1:3]), *reversed(parts[4:-1]), parts[-1]]
        return httpx.Response(200, headers={"content-type": answer.headers["content-type"]}, content=opening.join(kept))

    other = type(bench.provider)(transport=httpx.MockTransport(without_third))  # type: ignore[call-arg]  # it is Google's
    cut = evolve(bench, provider=other)
    outcomes = cut.apply(*creates(bench))
    assert statuses(outcomes) == [OutcomeStatus.RETRY if place == 2 else OutcomeStatus.DONE for place in range(6)]
    again = evolve(creates(bench)[2], in_doubt=True)
    assert statuses(bench.apply(again)) == [OutcomeStatus.DONE]
    assert len(bench.hands.list_raw()) == 6


@pytest.mark.parametrize("answer", [b"", b"--x--", b"<html>ok</html>", b'{"items": []}'])
def test_a_batch_answered_with_nonsense_is_in_doubt(bench: Bench, answer: bytes) -> None:  # I-04, I-07
    google = google_of(bench)
    for kind in ("text/html", "multipart/mixed; boundary=x", "multipart/mixed"):
        google.fail(HttpFault(HttpFaultKind.ANSWER, Response(200, {"Content-Type": kind}, answer), path="^/batch"))
        outcomes, error = told(bench, *creates(bench))
        assert error is not None or set(statuses(outcomes)) == {OutcomeStatus.RETRY}
        assert error is None or isinstance(error, Unavailable)
    assert bench.hands.list_raw() == {}


def test_calls_that_meet_each_other_are_sent_alone(bench: Bench) -> None:
    """409 ``conflict`` inside a batch passes by itself; ``duplicate`` does not."""
    google = google_of(bench)
    bench.create(KEYS[1], BUSY)
    google.fail(HttpFault(HttpFaultKind.ANSWER, refusal(409, "conflict"), inner=True, method="POST", times=2))
    google.clear_log()
    outcomes = bench.apply(*creates(bench))
    assert statuses(outcomes) == [OutcomeStatus.TAKEN if place == 1 else OutcomeStatus.DONE for place in range(6)]
    assert google.count() == {"POST": 3}
    google.fail(HttpFault(HttpFaultKind.ANSWER, refusal(409, "conflict"), method="POST", times=2))
    assert bench.create(KEY, BUSY).status is OutcomeStatus.RETRY
    assert bench.create(KEY, BUSY, in_doubt=True).status is OutcomeStatus.DONE


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(403, "quotaExceeded"), RateLimited),
        (refusal(403, "forbidden"), ReadOnly),
        (refusal(403, "insufficientPermissions"), ReadOnly),
        (Response(403, {}, b"<html>blocked</html>"), Unavailable),
    ],
    ids=lambda value: getattr(value, "note", None) or getattr(value, "__name__", None),
)
def test_what_stops_the_account_is_raised_after_what_was_done(
    bench: Bench, answer: Response, kind: type[ProviderError]
) -> None:  # I-33, I-37, I-42
    """Of one part: the others are told first, and nothing is concluded about that one."""
    google = google_of(bench)
    google.habits.order = None
    google.fail(HttpFault(HttpFaultKind.ANSWER, answer, inner=True, skip=1))
    outcomes, error = told(bench, *creates(bench, 4))
    assert type(error) is kind
    assert statuses(outcomes) == [OutcomeStatus.DONE] * 3


@pytest.mark.parametrize(("status", "reason"), [(403, "rateLimitExceeded"), (429, "userRateLimitExceeded")])
def test_a_part_that_is_put_off_for_a_moment_is_sent_again(bench: Bench, status: int, reason: str) -> None:  # I-33
    google = google_of(bench)
    google.habits.order = None
    google.fail(HttpFault(HttpFaultKind.ANSWER, refusal(status, reason), inner=True, skip=1, times=2))
    assert statuses(bench.apply(*creates(bench, 4))) == [OutcomeStatus.DONE] * 4
    assert len(bench.hands.list_raw()) == 4


def test_parts_that_are_put_off_again_and_again_stop_the_account(bench: Bench) -> None:  # I-33, I-34
    google = google_of(bench)
    google.habits.order = None
    limit = refusal(403, "userRateLimitExceeded")
    google.fail(HttpFault(HttpFaultKind.ANSWER, limit, inner=True, skip=1, times=100))
    outcomes, error = told(bench, *creates(bench, 4))
    assert isinstance(error, RateLimited)
    assert statuses(outcomes) == [OutcomeStatus.DONE]


def test_5xx_of_one_part_is_that_part_s_alone(bench: Bench) -> None:  # I-37
    google = google_of(bench)
    google.habits.order = None
    google.fail(HttpFault(HttpFaultKind.LOST_ANSWER, inner=True, skip=1))
    assert statuses(bench.apply(*creates(bench, 3))) == [
        OutcomeStatus.DONE,
        OutcomeStatus.RETRY,
        OutcomeStatus.DONE,
    ]
    assert bench.create(KEYS[1], BUSY, in_doubt=True).status is OutcomeStatus.DONE
    assert len(bench.hands.list_raw()) == 3


def test_a_permanent_no_to_one_part_is_rejected_alone(bench: Bench) -> None:  # I-34, I-37
    google = google_of(bench)
    google.habits.order = None
    google.fail(HttpFault(HttpFaultKind.ANSWER, refusal(400, "invalid", "Dentist is no title"), inner=True, skip=1))
    outcomes = bench.apply(*creates(bench, 3))
    assert statuses(outcomes) == [OutcomeStatus.DONE, OutcomeStatus.REJECTED, OutcomeStatus.DONE]
    assert "Dentist" not in str(outcomes[1].message)  # I-39


def test_the_lost_answer_of_a_whole_batch(bench: Bench) -> None:  # I-04, I-05
    """Sent once, since nobody knows; the next attempt looks at all of them in one request, and writes nothing."""
    google = google_of(bench)
    google.fail(HttpFault(HttpFaultKind.LOST_ANSWER, path="^/batch"))
    outcomes, error = told(bench, *creates(bench))
    assert outcomes == []
    assert isinstance(error, Unavailable)
    assert google.count() == {"POST": 1}
    google.clear_log()
    assert set(statuses(bench.apply(*(evolve(one, in_doubt=True) for one in creates(bench))))) == {OutcomeStatus.DONE}
    assert google.count(inner=True) == {"GET": 6}
    assert len(bench.hands.list_raw()) == 6


def test_updates_and_deletes_whose_answers_were_lost(bench: Bench) -> None:  # I-05
    """Done twice is done once, whatever the etags have become."""
    google = google_of(bench)
    etags = [outcome.etag for outcome in bench.apply(*creates(bench, 4))]
    kinds = [OperationKind.UPDATE, OperationKind.UPDATE, OperationKind.DELETE, OperationKind.DELETE]
    intents = [bench.intent(kind, key, LATER, etag=etag) for kind, key, etag in zip(kinds, KEYS, etags, strict=False)]
    google.fail(HttpFault(HttpFaultKind.LOST_ANSWER, path="^/batch"))
    assert told(bench, *intents)[0] == []
    raw = dict(bench.hands.list_raw())
    assert set(statuses(bench.apply(*(evolve(one, in_doubt=True) for one in intents)))) == {OutcomeStatus.DONE}
    assert dict(bench.hands.list_raw()) == raw


class Renewing:
    """A token source whose access token has ended; renewed, it has another."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.renewals = 0

    def credential(self, *, renew: bool = False) -> BearerToken:
        if renew and len(self.tokens) > 1:
            self.renewals += 1
            self.tokens.pop(0)
        return BearerToken(self.tokens[0])


def test_an_access_token_that_ended_is_renewed_for_the_parts_of_a_batch(bench: Bench) -> None:  # I-35, I-36
    """The batch itself succeeds, each part is refused: that is no reason to bother the person."""
    google = google_of(bench)
    source = Renewing("ended", google.issue_token(ANA))
    session = evolve(bench.session, tokens=source)
    renewed = evolve(bench, session=session)
    assert set(statuses(renewed.apply(*creates(bench)))) == {OutcomeStatus.DONE}
    assert (source.renewals, session.meter.sent) == (1, 2)
    source.tokens = ["ended", google.issue_token(ANA)]
    assert len(renewed.lookup(*(bench.native_id(key) for key in KEYS)).items) == 6
    source.tokens = ["ended"]
    with pytest.raises(AuthExpired):
        renewed.apply(*creates(bench))


@pytest.mark.parametrize("answer", [refusal(404, "notFound"), Response(404, {}, b"<html>"), refusal(400, "badRequest")])
def test_a_server_without_batches_is_asked_singly(bench: Bench, answer: Response) -> None:
    """Others speak this API too."""
    google = google_of(bench)
    google.fail(HttpFault(HttpFaultKind.ANSWER, answer, path="^/batch", times=9))
    assert set(statuses(bench.apply(*creates(bench)))) == {OutcomeStatus.DONE}
    assert len(bench.lookup(*(bench.native_id(key) for key in KEYS)).items) == 6


def test_more_keys_than_fit_one_batch(bench: Bench) -> None:
    google = google_of(bench)
    lookup = bench.lookup(*(bench.native_id(f"{number:032d}") for number in range(120)))
    assert len(lookup.gone) == 120
    assert google.count()["POST"] == 3


# -- one at a time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_write_that_failed_is_not_repeated_blindly(bench: Bench, status: int) -> None:  # I-04
    google = google_of(bench)
    google.fail(HttpFault(HttpFaultKind.ANSWER, refusal(status, "backendError")))
    assert bench.create(KEY, BUSY).status is OutcomeStatus.RETRY
    assert google.count() == {"POST": 1}


def test_a_limit_is_waited_out_where_it_is_short(bench: Bench) -> None:  # I-33
    google = google_of(bench)
    google.fail(HttpFault(HttpFaultKind.ANSWER, refusal(429, "rateLimitExceeded", Retry_After="2")))
    began = bench.session.clock.monotonic()
    assert bench.create(KEY, BUSY).status is OutcomeStatus.DONE
    assert 2 <= bench.session.clock.monotonic() - began < 5


def test_protection_against_abuse_is_respected_for_hours(bench: Bench) -> None:  # I-33, I-34
    """One request, and nothing more for a long time; reading goes on."""
    google = google_of(bench)
    google.pause_user(ANA)
    _, error = told(bench, *creates(bench, 1))
    assert isinstance(error, RateLimited)
    assert (error.retry_after or 0) >= timedelta(hours=1).total_seconds()
    assert google.count() == {"POST": 1}
    assert bench.read().snapshot


def test_the_id_of_a_deleted_block_is_taken_for_ever(bench: Bench) -> None:
    """The next generation has another one."""
    bench.create(KEY, BUSY)
    bench.hands.remove(bench.native_id(KEY))
    assert bench.create(KEY, BUSY).status is OutcomeStatus.TAKEN
    assert bench.create(KEY, BUSY, in_doubt=True).status is OutcomeStatus.TAKEN
    assert bench.lookup(bench.native_id(KEY)).gone
    assert bench.hands.list_raw() == {}


def test_an_update_never_revives(bench: Bench) -> None:  # I-47
    """A PUT to a deleted event would; it is looked at first, or its etag has changed."""
    bench.create(KEY, BUSY)
    etag = bench.block(KEY).etag
    bench.hands.remove(bench.native_id(KEY))
    for known in (etag, None):
        for in_doubt in (False, True):
            outcome = bench.update(KEY, LATER, known, in_doubt=in_doubt)
            assert outcome.status in {OutcomeStatus.MISSING, OutcomeStatus.CHANGED}
    assert bench.hands.list_raw() == {}


def test_somebody_else_s_event_under_our_id_is_left_alone(bench: Bench) -> None:  # I-02
    """403 ``forbiddenForNonOrganizer``: it has become a meeting that another person organises."""
    google = google_of(bench)
    bench.create(KEY, BUSY)
    etag = bench.block(KEY).etag
    google.fail(HttpFault(HttpFaultKind.ANSWER, refusal(403, "forbiddenForNonOrganizer"), method="PUT"))
    assert bench.update(KEY, LATER, etag).status is OutcomeStatus.CHANGED


def test_nothing_rings_and_nobody_is_written_to(bench: Bench) -> None:  # I-40
    """On the primary calendar, whose events remind by default, and whatever is done."""
    google = google_of(bench)
    primary = evolve(bench, calendar=evolve(bench.calendar, remote_id=ANA))
    primary.apply(*creates(primary))
    primary.update(KEYS[0], LATER, None)
    primary.delete(KEYS[1], BUSY, None)
    assert google.reminding(ANA) == []
    assert google.mails == ()
    writes = [logged for logged in google.log if logged.method != "GET" and "/events" in logged.path]
    assert len(writes) == 8
    assert {logged.request.arg("sendUpdates") for logged in writes} == {"none"}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_body_says_so_much_and_no_more(bench: Bench, name: str) -> None:  # I-40
    operation = bench.intent(OperationKind.CREATE, KEY, CONTENTS[name]).operation
    body = build_block(operation)
    assert set(body) == {
        "id",
        "eventType",
        "status",
        "transparency",
        "visibility",
        "summary",
        "start",
        "end",
        "reminders",
        "extendedProperties",
    }
    assert json.dumps(body) == json.dumps(build_block(operation))  # I-04


def test_a_tag_that_would_be_cut_is_never_sent(bench: Bench) -> None:  # I-15
    """Google cuts a longer value without a word."""
    operation = bench.intent(OperationKind.CREATE, KEY, BUSY).operation
    with pytest.raises(InvalidValue, match=r"^tag"):
        build_block(evolve(operation, tag=Tag("1" * 1024, TAG.owner, TAG.source)))
    with pytest.raises(InvalidValue, match=r"^native_id"):
        build_block(evolve(operation, native_id="somebodyelse"))


# -- pace -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("per_minute", "size"), [(400, 50), (400, 1), (600, 7), (200, 50), (6, 1), (1, 1)])
def test_no_minute_holds_more_writes_than_it_may(per_minute: int, size: int) -> None:  # I-33
    """Wherever it begins; and no time is lost either: three quarters of the budget are used."""
    clock, pace = VirtualClock(), Pace(per_minute)
    sent: list[float] = []
    for _ in range(per_minute * 3 // size + 3):
        pace.take(size, clock)
        sent += [clock.monotonic()] * size
    for begin in sent:
        assert sum(begin <= at < begin + 60 for at in sent) <= per_minute + (size - 1)
    rate = (len(sent) - size) / max(sent[-1], 1) * 60
    assert rate >= per_minute * 0.45


def test_two_logins_do_not_wait_for_each_other(bench: Bench) -> None:  # I-33
    google = google_of(bench)
    slow = type(bench.provider)(writes_per_minute=4, transport=google.transport())  # type: ignore[call-arg]  # it is Google's
    ana = evolve(bench, provider=slow)
    for key in KEYS:
        ana.create(key, BUSY)
    waited = bench.session.clock.monotonic()
    assert waited > 60
    other = evolve(ana, session=evolve(bench.session, tokens=Renewing(google.issue_token(ANA))))
    other.create(KEY, BUSY)
    assert bench.session.clock.monotonic() == waited


def test_a_long_wait_is_slept_in_naps() -> None:
    """On the clock that was given."""
    naps: Counter[float] = Counter()

    class Napping(VirtualClock):
        def sleep(self, seconds: float) -> None:
            naps[seconds] += 1
            super().sleep(seconds)

    clock: Clock = Napping()
    pace = Pace(4)
    for _ in range(4):
        pace.take(1, clock)
    assert naps
    assert max(naps) <= 5
