"""Writing to CalDAV servers that refuse in their own words or lose answers: no block may be lost or doubled."""

from __future__ import annotations

import pytest
from attrs import evolve

from caldav_scripts import event, hang_up, serving
from calsync_core.errors import (
    NotFound,
    ReadOnly,
    Unavailable,
)
from calsync_core.models import (
    OperationKind,
    Outcome,
    OutcomeStatus,
)
from calsync_core.testing.provider_contract.fixtures import BUSY, LATER
from scripted_server import (
    COLLECTION,
    Dav,
    Reply,
    Request,
    multistatus,
    prop,
    refusal,
)


def test_an_etag_not_given_is_asked_for() -> None:
    dav = Dav()
    dav.etag_on_put = False
    with serving(dav) as (server, bench):
        outcome = bench.create("a", BUSY)
        assert outcome.etag == dav.etag(bench.native_id("a"))
        assert server.methods == ["PUT", "PROPFIND"]
        assert bench.session.meter.sent == 2


def test_no_write_uses_a_star_to_match() -> None:
    """ICloud reads If-Match: * backwards. A create says If-None-Match: *, the rest a real entity tag."""
    dav = Dav()
    with serving(dav) as (server, bench):
        made = bench.create("a", BUSY)
        changed = bench.update("a", LATER, made.etag)
        bench.delete("a", LATER, changed.etag)
        conditions = [
            (request.headers.get("if-none-match"), request.headers.get("if-match")) for request in server.requests
        ]
        assert conditions == [("*", None), (None, made.etag), (None, changed.etag)]


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (refusal(412, "C:no-uid-conflict"), OutcomeStatus.TAKEN),
        (refusal(409, "C:no-uid-conflict"), OutcomeStatus.TAKEN),
        (refusal(403, "C:unique-scheduling-object-resource"), OutcomeStatus.TAKEN),
        (refusal(412, "C:valid-calendar-data"), OutcomeStatus.REJECTED),
        (refusal(403, "C:supported-calendar-component"), OutcomeStatus.REJECTED),
        (refusal(507, "quota-not-exceeded"), OutcomeStatus.REJECTED),
        (Reply(400), OutcomeStatus.REJECTED),
        (Reply(413), OutcomeStatus.REJECTED),
        (Reply(415), OutcomeStatus.REJECTED),
        (Reply(507), OutcomeStatus.REJECTED),
        (Reply(423), OutcomeStatus.RETRY),
        (Reply(500), OutcomeStatus.RETRY),
        (Reply(502), OutcomeStatus.RETRY),
        (Reply(503), OutcomeStatus.RETRY),
        (Reply(412), OutcomeStatus.RETRY),
        (Reply(409), OutcomeStatus.RETRY),
    ],
)
def test_what_a_refused_create_means(reply: Reply, status: OutcomeStatus) -> None:
    """One status has many meanings: the named precondition decides, else a look at the id."""
    with serving(Dav({}, lambda request: reply if request.method == "PUT" else None)) as (_, bench):
        outcome = bench.create("a", BUSY)
        assert outcome.status is status
        assert BUSY.title not in (outcome.message or "")


@pytest.mark.parametrize("status", [403, 405, 409, 412])
def test_a_create_refused_because_its_id_is_there_is_taken(status: int) -> None:  # I-04
    dav = Dav({"calsync-a-0.ics": event("x")}, lambda request: Reply(status) if request.method == "PUT" else None)
    with serving(dav) as (_, bench):
        assert bench.create("a", BUSY).status is OutcomeStatus.TAKEN


@pytest.mark.parametrize("refused", [refusal(403, "need-privileges"), Reply(403), Reply(405)])
@pytest.mark.parametrize("kind", OperationKind)
def test_a_login_that_may_not_write(refused: Reply, kind: OperationKind) -> None:  # I-42
    dav = Dav({} if kind is OperationKind.CREATE else {"calsync-a-0.ics": event("x")})
    dav.twist = lambda request: refused if request.method in {"PUT", "DELETE"} else None
    with serving(dav) as (_, bench), pytest.raises(ReadOnly):
        bench.apply(bench.intent(kind, "a", BUSY, etag='"x"'))


def test_403_on_a_calendar_that_may_be_written_is_about_this_block() -> None:
    rights = "<current-user-privilege-set><privilege><all/></privilege></current-user-privilege-set>"

    def strict(request: Request) -> Reply | None:
        if request.method == "PUT":
            return Reply(403)
        return multistatus(prop(COLLECTION, rights)) if "privilege" in request.body else None

    with serving(Dav({}, strict)) as (_, bench):
        assert bench.create("a", BUSY).status is OutcomeStatus.REJECTED


def test_412_without_a_reason_tells_changed_from_missing() -> None:  # I-41
    dav = Dav()
    with serving(dav) as (_, bench):
        made = bench.create("a", BUSY)
        assert bench.update("a", LATER, '"stale"').status is OutcomeStatus.CHANGED
        assert bench.delete("a", BUSY, '"stale"').status is OutcomeStatus.CHANGED
        dav.files.clear()
        assert bench.update("a", LATER, made.etag).status is OutcomeStatus.MISSING
        assert bench.delete("a", BUSY, made.etag).status is OutcomeStatus.DONE


class LosingAnswers:
    """Does what it is asked, and loses the answers to the first writes."""

    def __init__(self, dav: Dav, lost: int = 1) -> None:
        self.dav = dav
        self.lost = lost

    def __call__(self, request: Request) -> Reply:
        reply = self.dav(request)
        if request.method in {"PUT", "DELETE"} and self.lost:
            self.lost -= 1
            return Reply(raw=hang_up)
        return reply


def test_a_write_whose_answer_was_lost_is_found_by_looking() -> None:  # I-04, I-05
    """Never sent twice inside the call; the replay finds it done, with its tag and content."""
    dav = Dav()
    for kind, content in ((OperationKind.CREATE, BUSY), (OperationKind.UPDATE, LATER), (OperationKind.DELETE, LATER)):
        with serving(LosingAnswers(dav)) as (server, bench):
            etag = None if kind is OperationKind.CREATE else dav.etag("calsync-a-0.ics")
            intent = bench.intent(kind, "a", content, etag=etag)
            assert bench.apply(intent)[0].status is OutcomeStatus.RETRY
            assert len([method for method in server.methods if method != "REPORT"]) == 1
            server.requests.clear()
            (again,) = bench.apply(evolve(intent, in_doubt=True))
            assert again.status is OutcomeStatus.DONE
            assert server.methods == ["REPORT"] if kind is not OperationKind.DELETE else "PUT" not in server.methods
            if kind is not OperationKind.DELETE:
                assert again.etag == dav.etag("calsync-a-0.ics")
                assert again.seen == content
    assert dav.files == {}


def test_a_server_that_went_away_ends_the_batch() -> None:  # I-34
    """After the second lost answer in a row; what came before has its outcome."""
    with serving(LosingAnswers(Dav(), lost=9)) as (server, bench):
        intents = [bench.intent(OperationKind.CREATE, key, BUSY) for key in "abcdef"]
        outcomes: list[Outcome] = []
        with pytest.raises(Unavailable):
            outcomes.extend(bench.writer.apply(bench.session, bench.calendar, intents))
        assert len(server.requests) == 2


def test_an_id_in_doubt_that_shows_somebody_else_s_is_taken() -> None:  # I-06, I-16
    dav = Dav()
    with serving(dav) as (_, bench):
        bench.create("a", BUSY)
        dav.files["calsync-a-0.ics"] = dav.files["calsync-a-0.ics"].replace("i=", "i=other")
        assert bench.create("a", BUSY, in_doubt=True).status is OutcomeStatus.TAKEN


def test_a_block_that_became_the_user_s_is_not_written_without_an_etag() -> None:  # I-02, I-45
    """The fresh read before the write is looked at, not only its entity tag."""
    dav = Dav()
    with serving(dav) as (_, bench):
        bench.create("a", BUSY)
        key = bench.native_id("a")
        guest = dav.files[key].replace("END:VEVENT", "ATTENDEE:mailto:bo@example.com\r\nEND:VEVENT")
        for theirs in (guest, dav.files[key].replace("k=a", "k=b")):
            dav.files[key] = theirs
            assert bench.update("a", LATER, None).status is OutcomeStatus.CHANGED
            assert bench.delete("a", BUSY, None).status is OutcomeStatus.CHANGED
            assert dav.files[key] == theirs


def test_a_vanished_calendar_is_said_by_a_create_too() -> None:  # I-42
    with serving(lambda request: Reply(409 if request.method == "PUT" else 404)) as (_, bench), pytest.raises(NotFound):
        bench.create("a", BUSY)
