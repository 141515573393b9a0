"""Reading from CalDAV servers that break the rules, each in a way one of them was seen to: no event may be lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from caldav_hands import session_for
from caldav_scripts import FILES, cursor_of, event, known, serving, sync_reply
from calsync_core.errors import (
    CursorExpired,
    NotFound,
    Unavailable,
)
from calsync_core.models import (
    Calendar,
)
from calsync_core.providers.caldav import CalDAVProvider, ICloudProvider
from scripted_server import (
    COLLECTION,
    Dav,
    Reply,
    Request,
    multistatus,
    prop,
    refusal,
    response,
    scripted,
)


@pytest.mark.parametrize("no", [Reply(400), Reply(403), Reply(404), Reply(405), Reply(415), Reply(501), multistatus()])
def test_a_server_without_sync_is_listed(no: Reply) -> None:
    """Its next read is a listing too, compared with what is known."""
    dav = Dav(FILES, lambda request: no if "sync-collection" in request.body else None)
    with serving(dav) as (_, bench):
        reading = bench.read()
        assert reading.keys() == set(FILES)
        dav.files |= {"a.ics": event("a", "SUMMARY:new"), "d.ics": event("d")}
        stored = known(Dav(FILES))
        del dav.files["b.ics"]
        again = bench.read(reading.cursor, stored)
        assert (again.snapshot, again.keys(), again.present) == (True, {"a.ics", "d.ics"}, ("c.ics",))


def test_a_ctag_spares_the_listing() -> None:
    """One small request for a poll that finds nothing."""
    dav = Dav(FILES)
    dav.sync, dav.ctag = False, "one"
    with serving(dav) as (server, bench):
        cursor = cursor_of(bench)
        server.requests.clear()
        quiet = bench.read(cursor, known(dav))
        assert (quiet.quiet, quiet.snapshot, quiet.cursor) == (True, False, cursor)
        assert [(request.method, request.headers["depth"]) for request in server.requests] == [("PROPFIND", "0")]
        dav.files.pop("a.ics")
        dav.ctag = "two"
        changed = bench.read(cursor, known(dav))
        assert (changed.snapshot, set(changed.present)) == (True, {"b.ics", "c.ics"})
        assert changed.cursor != cursor


@pytest.mark.parametrize(
    "refused",
    [
        refusal(403, "valid-sync-token"),
        refusal(409, "valid-sync-token"),
        refusal(412, "valid-sync-token"),
        refusal(400, "valid-sync-token"),
        refusal(507, "number-of-matches-within-limits"),
        Reply(400, "<html>bad</html>"),
        Reply(410),
        Reply(501),
    ],
)
def test_a_refused_token_is_an_expired_cursor(refused: Reply) -> None:  # I-10
    with serving(Dav(FILES, sync_reply(refused))) as (_, bench):
        cursor = cursor_of(bench)
        with pytest.raises(CursorExpired):
            bench.read(cursor)


@pytest.mark.parametrize("reply", [Reply(404), multistatus(token=None), Reply(200, "<html/>"), Reply(500)])
def test_what_is_no_refusal_is_no_expired_cursor(reply: Reply) -> None:  # I-07, I-10
    with serving(Dav(FILES, sync_reply(reply))) as (_, bench):
        cursor = cursor_of(bench)
        with pytest.raises((NotFound, Unavailable)):
            bench.read(cursor)


def test_a_full_list_instead_of_an_error_becomes_a_snapshot() -> None:  # I-10
    """DAViCal answers a dropped token with everything there is, and no deletion."""
    dav = Dav(FILES)
    with serving(dav) as (server, bench):
        stored, cursor = known(dav), cursor_of(bench)
        del dav.files["b.ics"]
        dav.files["d.ics"] = event("d")
        server.requests.clear()
        reading = bench.read(cursor, stored)
        assert reading.snapshot
        assert (reading.keys(), set(reading.present), reading.removed) == ({"d.ics"}, {"a.ics", "c.ics"}, ())
        assert server.methods == ["REPORT", "PROPFIND"], "the new one came with its data"


def test_echoes_are_no_full_list_but_old_blocks_are() -> None:
    """What we wrote since the last read is listed rightly; a block written long before is not."""
    dav = Dav(FILES)
    with serving(dav) as (_, bench):
        cursor = cursor_of(bench)
        now = bench.session.clock.now()
        assert not bench.read(cursor, known(dav, ours=True, written_at=now)).snapshot
        assert bench.read(cursor, known(dav, ours=True, written_at=now - timedelta(days=1))).snapshot


def test_a_truncated_answer_is_continued() -> None:
    """507 for the calendar itself: the rest follows with the new token; a later page knows better."""
    pages = {
        "": multistatus(
            response("a.ics", etag='"1"', data=event("a")), response(COLLECTION, status=507), token="http://sync/1"
        ),
        "http://sync/1": multistatus(
            response("a.ics", status=404),
            response("b.ics", etag='"1"', data=event("b")),
            response(COLLECTION.rstrip("/"), status=507),
            token="http://sync/2",
        ),
        "http://sync/2": multistatus(response("c.ics", etag='"1"', data=event("c")), token="http://sync/3"),
    }

    def page(request: Request) -> Reply:
        return pages[request.body.partition("<D:sync-token>")[2].partition("<")[0]]

    with serving(page) as (server, bench):
        reading = bench.read()
        assert reading.keys() == {"b.ics", "c.ics"}
        assert "http://sync/3" in reading.cursor.value
        assert len(server.requests) == 3
        assert not any("limit" in request.body for request in server.requests)


def test_a_page_that_repeats_is_noticed() -> None:  # I-13
    again = multistatus(response(COLLECTION, status=507), token="http://sync/1")
    with serving(lambda _: again) as (server, bench):
        with pytest.raises(Unavailable, match="repeats"):
            bench.read()
        assert len(server.requests) == 2


def test_tombstones_and_the_calendar_itself_are_no_items() -> None:
    """Radicale lists what is gone to someone who knows nothing; iCloud lists the calendar; hrefs name another host."""
    odd = multistatus(
        prop(COLLECTION, '<getetag>"x"</getetag>'),
        prop(COLLECTION + "sub/", '<getetag>"x"</getetag>'),
        response("gone.ics", status=404),
        response(f"https://caldav.icloud.com{COLLECTION}a.ics", etag="unquoted", data=event("a")),
        token="http://sync/1",
    )
    with serving(lambda _: odd) as (_, bench):
        reading = bench.read()
        assert [(item.key, item.etag) for item in reading.items] == [("a.ics", '"unquoted"')]
        assert (reading.removed, reading.unreadable) == ((), ())


def test_a_listing_that_does_not_name_the_calendar_is_no_empty_calendar() -> None:  # I-07
    dav = Dav(FILES, lambda request: multistatus() if request.method == "PROPFIND" else None)
    dav.sync = False
    with serving(dav) as (_, bench), pytest.raises(Unavailable):
        bench.read()


def test_data_that_is_not_given_is_owed() -> None:  # I-07
    """Listed, but missing from the multiget, 404 in it, or without data: there, and unreadable."""

    def stingy(request: Request) -> Reply | None:
        if "multiget" not in request.body:
            return None
        return multistatus(response("a.ics", etag='"1"', data=event("a")), response("b.ics", status=404))

    with serving(Dav(FILES, stingy), CalDAVProvider(data_in_sync=False)) as (_, bench):
        reading = bench.read()
        assert reading.keys() == {"a.ics"}
        assert sorted(one.key for one in reading.unreadable) == ["b.ics", "c.ics"]


def test_one_broken_file_among_good_ones() -> None:  # I-07, I-37
    broken = {"b.ics": "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:b\r\nDTSTART:2026"}
    with serving(Dav(FILES | broken)) as (_, bench):
        reading = bench.read()
        assert reading.keys() == {"a.ics", "c.ics"}
        assert [one.key for one in reading.unreadable] == ["b.ics"]
        assert [one.key for one in bench.lookup(*FILES).unreadable] == ["b.ics"]
        with pytest.raises(Unavailable):
            list(bench.writer.find_blocks(bench.session, bench.calendar))


@pytest.mark.parametrize("inline", [False, True])
def test_one_file_that_breaks_the_whole_answer(inline: bool) -> None:  # I-37
    """A control character in a title makes XML unreadable as a whole: asked for in halves, it is one debt."""
    files = {f"{number}.ics": event(str(number)) for number in range(8)} | {"bad.ics": event("bad", "SUMMARY:a\x0bb")}
    with serving(Dav(files), CalDAVProvider(data_in_sync=inline)) as (_, bench):
        reading = bench.read()
        assert reading.keys() == files.keys() - {"bad.ics"}
        assert [one.key for one in reading.unreadable] == ["bad.ics"]


@pytest.mark.parametrize("inline", [False, True])
def test_one_file_that_the_server_chokes_on(inline: bool) -> None:  # I-07, I-37
    """Xandikos answers 500 to every report that touches a file which is not UTF-8: it is one debt, also by id."""
    files = {f"{number}.ics": event(str(number)) for number in range(8)} | {"bad.ics": event("bad")}

    def chokes(request: Request) -> Reply | None:
        touched = "bad.ics" in request.path + request.body
        touched = touched or ("calendar-data" in request.body and "sync-collection" in request.body)
        return Reply(500) if request.method in {"GET", "REPORT"} and touched else None

    with serving(Dav(files, chokes), CalDAVProvider(data_in_sync=inline)) as (_, bench):
        reading = bench.read()
        assert reading.keys() == files.keys() - {"bad.ics"}
        assert [one.key for one in reading.unreadable] == ["bad.ics"]
        found = bench.lookup(*files)
        assert {item.key for item in found.items} == files.keys() - {"bad.ics"}
        assert (found.gone, [one.key for one in found.unreadable]) == ((), ["bad.ics"])


def test_one_broken_file_in_a_full_chunk() -> None:  # I-37
    """As many halvings as the largest chunk needs are not mistaken for a broken server."""
    files = {f"{number}.ics": event(str(number)) for number in range(249)}
    files["bad.ics"] = event("bad", "SUMMARY:a\x0bb")
    with serving(Dav(files), CalDAVProvider(data_in_sync=False)) as (_, bench):
        reading = bench.read()
        assert [one.key for one in reading.unreadable] == ["bad.ics"]
        assert len(reading.items) == 249


def test_a_server_that_fails_at_everything_is_asked_no_more() -> None:  # I-34
    dav = Dav(FILES, lambda _: Reply(500))
    with serving(dav) as (server, bench):
        with pytest.raises(Unavailable):
            bench.read()
        assert len(server.requests) <= 6


def test_a_server_where_nothing_can_be_read_is_unavailable() -> None:  # I-34
    """Not as many debts as there are events, and not as many requests."""
    files = {f"{number}.ics": event(str(number)) for number in range(100)}
    dav = Dav(files, lambda request: Reply(207, "<no") if "multiget" in request.body else None)
    with serving(dav, CalDAVProvider(data_in_sync=False)) as (server, bench):
        with pytest.raises(Unavailable):
            bench.read()
        assert len(server.requests) < 20


def test_silence_is_asked_about() -> None:  # I-41
    """DAViCal leaves missing members out of a multiget: only the resource itself tells that it is gone."""
    dav = Dav(FILES)
    dav.silent_multiget = True
    with serving(dav) as (server, bench):
        found = bench.lookup("a.ics", "gone.ics")
        assert ([item.key for item in found.items], found.gone) == (["a.ics"], ("gone.ics",))
        assert server.methods == ["REPORT", "GET"]


def test_icloud_s_404_in_a_multiget_is_no_proof() -> None:  # I-41, I-47
    dav = Dav(FILES, lambda request: multistatus(response("a.ics", status=404)) if request.method == "REPORT" else None)
    with scripted(dav) as server:
        session = session_for(f"{server.root}/dav/")
        calendar = Calendar(1, "ana", server.root + COLLECTION, "Work", id=1)
        found = ICloudProvider().fetch_items(session, calendar, ["a.ics", "gone.ics"])
    assert [item.key for item in found.items] == ["a.ics"]
    assert found.items[0].etag == dav.etag("a.ics")
    assert found.gone == ("gone.ics",)


def test_what_can_t_be_read_by_id_is_not_gone() -> None:  # I-41
    dav = Dav(FILES, lambda request: Reply(403) if request.method == "GET" else None)
    dav.silent_multiget = True
    with serving(dav) as (_, bench):
        found = bench.lookup("a.ics", "hidden.ics")
        assert (found.gone, [one.key for one in found.unreadable]) == ((), ["hidden.ics"])
