"""Writing to Graph: a look before every write, replays in all observed answers, parts that fare differently."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from attrs import evolve

from calsync_core.errors import AuthExpired, NotFound, RateLimited, ReadOnly, Unavailable
from calsync_core.models import Intent, OperationKind, Outcome, OutcomeStatus
from calsync_core.testing.provider_contract.fixtures import BUSY, KEY, LATER, OTHER_KEY
from calsync_core.testing.provider_kit import Bench
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.messages import Response
from graph_hands import ANA, BO, Hands, bench_of, calendar_of, simulator_of
from graph_scripts import WORK, Graph, answer, event, refusal

DONE, TAKEN, CHANGED, RETRY = OutcomeStatus.DONE, OutcomeStatus.TAKEN, OutcomeStatus.CHANGED, OutcomeStatus.RETRY
REPLAYS = ["created", "bad_request", "conflict"]
KEYS = [f"{number:032d}" for number in range(20)]


def creates(bench: Bench, keys: list[str], *, in_doubt: bool = False) -> list[Intent]:
    return [bench.intent(OperationKind.CREATE, key, BUSY, in_doubt=in_doubt) for key in keys]


def inner(response: Response, method: str = "POST", **more: Any) -> HttpFault:
    return HttpFault(HttpFaultKind.ANSWER, response, method=method, inner=True, **more)


def logged(bench: Bench, *, inner: bool) -> list[str]:
    return [one.method for one in simulator_of(bench).log if one.inner is inner]


# -- a look before every write --------------------------------------------------------------------------------------


def test_updates_and_deletes_are_looked_at_first_in_one_batch() -> None:  # I-02
    """Two requests for any number of them; what was read is the precondition."""
    bench = bench_of()
    bench.apply(*creates(bench, KEYS[:3]))
    etags = {key: bench.block(key).etag for key in KEYS[:3]}
    simulator_of(bench).clear_log()
    intents = [
        bench.intent(OperationKind.UPDATE, KEYS[0], LATER, etag=etags[KEYS[0]]),
        bench.intent(OperationKind.DELETE, KEYS[1], BUSY, etag=etags[KEYS[1]]),
        bench.intent(OperationKind.CREATE, KEYS[3], BUSY),
    ]
    assert [one.status for one in bench.apply(*intents)] == [DONE] * 3
    assert logged(bench, inner=False) == ["POST", "POST"]
    assert logged(bench, inner=True) == ["GET", "GET", "PATCH", "DELETE", "POST"]
    sent = {one.method: one.request.headers for one in simulator_of(bench).log if one.inner}
    assert sent["PATCH"]["if-match"] == etags[KEYS[0]]
    assert sent["DELETE"]["if-match"] == etags[KEYS[1]]
    assert "if-match" not in sent["POST"]


def test_a_create_is_one_request() -> None:
    bench = bench_of()
    bench.create(KEY, BUSY)
    assert logged(bench, inner=False) == ["POST"]


@pytest.mark.parametrize("enforced", [False, True])
def test_what_somebody_changed_is_left_alone(enforced: bool) -> None:  # I-02
    bench = bench_of(enforce_if_match=enforced)
    graph = simulator_of(bench)
    bench.create(KEY, BUSY)
    etag = bench.block(KEY).etag
    graph.patch_event(bench.standing(KEY), {"subject": "Lunch"})
    before = bench.hands.list_raw()
    assert bench.update(KEY, LATER, etag).status is CHANGED
    assert bench.delete(KEY, BUSY, etag).status is CHANGED
    assert bench.hands.list_raw() == before


def test_a_change_between_look_and_write_is_caught_where_graph_enforces_it() -> None:  # I-02
    bench = bench_of(enforce_if_match=True)
    graph = simulator_of(bench)
    bench.create(KEY, BUSY)
    etag = bench.block(KEY).etag

    def meanwhile(request: Any) -> None:
        if request.method in {"PATCH", "DELETE"}:
            graph.patch_event(bench.standing(KEY), {"subject": "Lunch"})

    graph.meanwhile = meanwhile
    assert bench.update(KEY, LATER, etag).status is CHANGED
    assert bench.delete(KEY, evolve(BUSY, title="Lunch"), bench.block(KEY).etag).status is CHANGED


def test_a_tag_that_exchange_changed_by_itself_stops_no_delete() -> None:
    """What says what we wrote is what we wrote; for an update, a fresh read decides."""
    bench = bench_of()
    graph = simulator_of(bench)
    bench.create(KEY, BUSY)
    etag = bench.block(KEY).etag
    graph.corrupt(bench.standing(KEY), {})  # touches it, and changes nothing
    assert bench.block(KEY).etag != etag
    assert bench.update(KEY, LATER, etag).status is CHANGED
    assert bench.delete(KEY, BUSY, etag).status is DONE
    assert bench.hands.list_raw() == {}


@pytest.mark.parametrize(
    "adorned",
    [
        {"attendees": [{"emailAddress": {"address": "cy@contoso.example"}}]},
        {"isOnlineMeeting": True},
        {
            "recurrence": {
                "pattern": {"type": "daily", "interval": 1},
                "range": {"type": "numbered", "startDate": "2026-03-03", "numberOfOccurrences": 2},
            }
        },
    ],
    ids=["people", "conference", "recurrence"],
)
def test_what_a_user_made_of_a_block_is_theirs(adorned: dict[str, Any]) -> None:  # I-40, I-45
    """Updating or deleting an event with people on it mails them: never, whatever etag was planned with."""
    bench = bench_of()
    graph = simulator_of(bench)
    bench.create(KEY, BUSY)
    graph.patch_event(bench.standing(KEY), adorned)
    before = bench.hands.list_raw()
    for etag in (None, bench.block(KEY).etag):
        assert bench.update(KEY, LATER, etag).status is CHANGED
        assert bench.delete(KEY, BUSY, etag).status is CHANGED
    assert bench.create(KEY, BUSY, in_doubt=True).status is TAKEN
    assert bench.hands.list_raw() == before
    assert graph.mails == ()


def test_a_look_that_fails_stops_the_one_write() -> None:  # I-07, I-37
    bench = bench_of()
    bench.apply(*creates(bench, KEYS[:3]))
    simulator_of(bench).fail(inner(refusal(500, "x"), "GET"))
    updates = [bench.intent(OperationKind.UPDATE, key, LATER) for key in KEYS[:3]]
    assert sorted(one.status for one in bench.apply(*updates)) == [DONE, DONE, RETRY]


# -- replays --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("kind", [HttpFaultKind.LOST_ANSWER, HttpFaultKind.GARBLED])
def test_a_create_whose_answer_was_lost_is_found(replay: Any, kind: HttpFaultKind) -> None:  # I-04
    """In all three ways in which a replay is answered; an answer that is cut is no answer."""
    bench = bench_of(create_replay=replay)
    simulator_of(bench).fail(HttpFault(kind, method="POST"))
    assert _tried(bench) is RETRY
    again = bench.create(KEY, BUSY, in_doubt=True)
    (standing,) = bench.hands.list_raw()
    assert (again.status, again.native_id) == (DONE, standing)
    assert again.etag == bench.block(KEY).etag


@pytest.mark.parametrize("replay", REPLAYS)
def test_a_replayed_create_that_was_moved_is_judged_as_what_it_is(replay: Any) -> None:  # I-47
    bench = bench_of(create_replay=replay)
    bench.create(KEY, BUSY)
    where = bench.standing(KEY)
    simulator_of(bench).patch_event(where, {"start": _utc(4, 9), "end": _utc(4, 10)})
    for in_doubt in (True, False):
        again = bench.create(KEY, BUSY, in_doubt=in_doubt)
        assert (again.status, again.native_id) == (TAKEN, where)


@pytest.mark.parametrize("replay", REPLAYS)
def test_a_transaction_id_of_a_deleted_block(replay: Any) -> None:  # I-04
    """It may be used up: then the next generation is to be tried. It is never said to be done without standing."""
    bench = bench_of(create_replay=replay)
    bench.create(KEY, BUSY)
    bench.hands.remove(bench.standing(KEY))
    for in_doubt in (False, True):
        again = bench.create(KEY, BUSY, in_doubt=in_doubt)
        assert (again.status, again.native_id) == (TAKEN, None)
    assert bench.hands.list_raw() == {}


def test_a_whole_batch_of_creates_in_doubt_is_looked_for_in_one_request() -> None:
    bench = bench_of()
    simulator_of(bench).fail(HttpFault(HttpFaultKind.LOST_ANSWER, method="POST"))
    with pytest.raises(Exception, match="failed"):
        bench.apply(*creates(bench, KEYS))
    simulator_of(bench).clear_log()
    assert {one.status for one in bench.apply(*creates(bench, KEYS, in_doubt=True))} == {DONE}
    assert logged(bench, inner=False) == ["POST"]
    assert len(bench.hands.list_raw()) == len(KEYS)


# -- gone -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["not_found", "forbidden"])
def test_deleted_between_look_and_delete(second: Any) -> None:  # I-41
    """404, or the 403 that stands for it."""
    bench = bench_of(second_delete=second)
    graph = simulator_of(bench)
    bench.create(KEY, BUSY)

    def meanwhile(request: Any) -> None:
        if request.method == "DELETE":
            graph.meanwhile = None
            graph.remove_event(bench.standing(KEY))

    graph.meanwhile = meanwhile
    assert bench.delete(KEY, BUSY, None).status is DONE


def test_a_403_for_a_block_that_stands_is_no_success() -> None:  # I-41, I-42
    bench = bench_of()
    bench.create(KEY, BUSY)
    code = refusal(403, "ErrorCannotDeleteObject")
    simulator_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, code, method="DELETE"))
    with pytest.raises(ReadOnly):
        bench.delete(KEY, BUSY, None)


def test_a_calendar_that_is_gone_is_not_its_blocks_gone() -> None:  # I-41, I-42
    bench = bench_of()
    bench.apply(*creates(bench, KEYS[:2]))
    simulator_of(bench).remove_calendar(bench.calendar.remote_id)
    for kind in OperationKind:
        with pytest.raises(NotFound):
            bench.apply(bench.intent(kind, KEYS[0], BUSY), bench.intent(kind, KEYS[1], BUSY))


def test_a_block_in_another_calendar_now_is_not_there() -> None:  # I-02
    """The user moved it away: it is neither changed nor deleted where it is."""
    bench = bench_of()
    graph = simulator_of(bench)
    bench.create(KEY, BUSY)
    graph.move_event(bench.standing(KEY), graph.calendars(ANA)[0])
    assert bench.update(KEY, LATER, None).status is OutcomeStatus.MISSING
    assert bench.delete(KEY, BUSY, None).status is DONE
    assert len(graph.events(graph.calendars(ANA)[0])) == 1


# -- batches whose parts fare differently ---------------------------------------------------------------------------


def test_parts_that_were_throttled_are_sent_again() -> None:  # I-33
    """A throttled part did not happen. Only what was throttled is sent again, after the time it asked for."""
    bench = bench_of(retry_after="fraction")
    graph = simulator_of(bench)
    for _ in range(3):
        graph.fail(inner(refusal(429, "ApplicationThrottled", retry_after="2.5")))
    began = bench.session.clock.monotonic()
    assert {one.status for one in bench.apply(*creates(bench, KEYS[:8]))} == {DONE}
    assert logged(bench, inner=False) == ["POST", "POST"]
    assert len(logged(bench, inner=True)) == 8 + 3
    assert 2.5 <= bench.session.clock.monotonic() - began <= 3.5
    assert len(bench.hands.list_raw()) == 8


def test_a_long_wait_is_the_caller_s() -> None:  # I-33
    """What was written is told, the rest is for later, and the time to wait comes through."""
    bench = bench_of()
    simulator_of(bench).fail(inner(refusal(429, "TooManyRequests", retry_after="100")))
    found: list[Outcome] = []
    with pytest.raises(RateLimited) as limited:
        _tell(bench, creates(bench, KEYS[:5]), found)
    assert limited.value.retry_after == 100
    assert [one.status for one in found] == [DONE] * 4


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (424, "FailedDependency", RETRY),
        (500, "ErrorInternalServerError", RETRY),
        (502, "UnknownError", RETRY),
        (504, "UnknownError", RETRY),
        (409, "ErrorFolderSave", RETRY),
        (412, "ErrorIrresolvableConflict", RETRY),
        (400, "ErrorInvalidRequest", OutcomeStatus.REJECTED),
        (400, "ErrorPropertyValidationFailure", OutcomeStatus.REJECTED),
        (413, "ErrorMessageSizeExceeded", OutcomeStatus.REJECTED),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_one_part_refused_stops_no_other(status: int, code: str, outcome: OutcomeStatus, alone: bool) -> None:  # I-37
    bench = bench_of()
    fault = HttpFault(HttpFaultKind.ANSWER, refusal(status, code), method="POST", path="/events$", inner=not alone)
    simulator_of(bench).fail(fault)
    outcomes = bench.apply(*creates(bench, KEYS[: 1 if alone else 3]))
    assert [one.status for one in outcomes] == [outcome, DONE, DONE][: len(outcomes)]
    assert "Dentist" not in (outcomes[0].message or "")


@pytest.mark.parametrize(("method", "kind"), [("PATCH", OperationKind.UPDATE), ("DELETE", OperationKind.DELETE)])
def test_a_conflict_on_what_stands_is_a_change(method: str, kind: OperationKind) -> None:
    """412 ``ErrorIrresolvableConflict``, sometimes passing: read by id, then plan again."""
    bench = bench_of()
    bench.create(KEY, BUSY)
    conflict = refusal(412, "ErrorIrresolvableConflict")
    simulator_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, conflict, method=method))
    assert bench.apply(bench.intent(kind, KEY, BUSY if kind is OperationKind.DELETE else LATER))[0].status is CHANGED


def test_rights_that_are_gone_are_said_after_what_was_done() -> None:  # I-42
    bench = bench_of()
    simulator_of(bench).fail(inner(refusal(403, "ErrorAccessDenied"), skip=1))
    found: list[Outcome] = []
    with pytest.raises(ReadOnly):
        _tell(bench, creates(bench, KEYS[:3]), found)
    assert [one.status for one in found] == [DONE, DONE]


def test_parts_of_which_nothing_is_said_are_in_doubt() -> None:  # I-04
    """And one that is said twice, or under a number that nobody gave, changes nothing."""
    odd = [{"id": "1", "status": 201, "body": event("b")}, {"id": "7", "status": 201}, {"id": "x"}, 3, {"status": 1}]
    graph = Graph(httpx.Response(200, json={"responses": odd}))
    bench = Bench(graph.provider, graph.session, WORK, _no_hands())
    statuses = [one.status for one in bench.apply(*creates(bench, KEYS[:3]))]
    assert statuses == [RETRY, TAKEN, RETRY]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"responses": 3}'])
def test_what_is_no_answer_to_a_batch_concludes_nothing(body: bytes) -> None:  # I-07
    graph = Graph(httpx.Response(200, content=body))
    bench = Bench(graph.provider, graph.session, WORK, _no_hands())
    with pytest.raises(Exception, match="answer"):
        bench.apply(*creates(bench, KEYS[:3]))


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_server_without_batches_is_asked_one_by_one(status: int) -> None:
    bench = bench_of()
    simulator_of(bench).fail(
        HttpFault(HttpFaultKind.ANSWER, Response(status), method="POST", path=r"/\$batch$", times=99)
    )
    assert {one.status for one in bench.apply(*creates(bench, KEYS[:3]))} == {DONE}
    assert {bench.block(key).events[0].title for key in KEYS[:3]} == {BUSY.title}


def test_a_proxy_s_refusal_is_not_graph_s() -> None:  # I-07, I-41
    """Without a code of Graph's a 404 says nothing about a block."""
    bench = bench_of()
    bench.create(KEY, BUSY)
    html = Response(404, {"Content-Type": "text/html"}, b"<h1>Not here</h1>")
    simulator_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, html, method="GET"))
    assert bench.lookup(bench.standing(KEY)).unreadable
    simulator_of(bench).fail(HttpFault(HttpFaultKind.ANSWER, html, method="DELETE"))
    assert bench.delete(KEY, BUSY, None).status is RETRY


# -- nobody is written to -------------------------------------------------------------------------------------------


def test_no_write_ever_mails_anybody() -> None:  # I-40
    """Created, rewritten, deleted, beside meetings with guests: no mail, no invitation on anybody's calendar."""
    bench = bench_of()
    graph = simulator_of(bench)
    assert isinstance(bench.hands, Hands)
    guests = [{"emailAddress": {"address": BO}}]
    bench.hands.graph.put_event(
        bench.calendar.remote_id, {"start": _utc(3, 9), "end": _utc(3, 10), "attendees": guests, "subject": "With Bo"}
    )
    invited = graph.events(graph.calendars(BO)[0])
    bench.apply(*creates(bench, KEYS))
    bench.apply(*(bench.intent(OperationKind.UPDATE, key, LATER) for key in KEYS))
    bench.apply(*(bench.intent(OperationKind.DELETE, key, LATER) for key in KEYS))
    assert graph.mails == ()
    assert graph.events(graph.calendars(BO)[0]) == invited


def test_a_refused_login_is_said() -> None:  # I-35
    graph = Graph(answer(refusal(401, "InvalidAuthenticationToken")))
    bench = Bench(graph.provider, graph.session, WORK, _no_hands())
    with pytest.raises(AuthExpired):
        bench.create(KEY, BUSY)


def test_what_an_update_leaves_alone() -> None:
    """A colour or a category that the user gave a block stays."""
    bench = bench_of()
    graph = simulator_of(bench)
    bench.create(KEY, BUSY)
    graph.patch_event(bench.standing(KEY), {"categories": ["Mine"]})
    assert bench.update(KEY, LATER, bench.block(KEY).etag).status is DONE
    (raw,) = graph.events(bench.calendar.remote_id)
    assert raw["categories"] == ["Mine"]


def test_blocks_of_two_calendars_do_not_meet() -> None:
    bench = bench_of()
    other = evolve(bench, calendar=calendar_of(simulator_of(bench), "Home", 2), places={})
    bench.create(KEY, BUSY)
    other.create(OTHER_KEY, evolve(BUSY, title="🔒 There"))
    assert bench.lookup(other.standing(OTHER_KEY)).gone
    assert bench.delete(OTHER_KEY, BUSY, None).status is DONE
    assert other.block(OTHER_KEY).events[0].title == "🔒 There"


def _tried(bench: Bench) -> OutcomeStatus:
    """Create it; an error that may pass leaves it for later."""
    try:
        return bench.create(KEY, BUSY).status
    except Unavailable:
        return RETRY


def _tell(bench: Bench, intents: list[Intent], found: list[Outcome]) -> None:
    """Apply, and keep what was told before an error."""
    found.extend(bench.writer.apply(bench.session, bench.calendar, intents))


def _utc(day: int, hour: int) -> dict[str, str]:
    return {"dateTime": f"2026-03-{day:02d}T{hour:02d}:00:00", "timeZone": "UTC"}


def _no_hands() -> Hands:
    return Hands(simulator_of(bench_of()), "none")
