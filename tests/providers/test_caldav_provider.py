"""CalDAV on real servers: the contract kit on Radicale and Xandikos, and what only CalDAV has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from caldav_hands import USER, CarelessHands, Hands, ics, new_calendar, new_slug, session_for
from calsync_core.errors import CursorExpired, InvalidValue
from calsync_core.models import Calendar, CalendarRole, ChangePage, KnownItem, Mark, OutcomeStatus, RemoteCalendar
from calsync_core.protocols import KnownItems, ReadRequest, Session
from calsync_core.providers.caldav import CalDAVProvider, ICloudProvider
from calsync_core.testing.provider_contract.bench import TAG, WINDOW, meeting
from calsync_core.testing.provider_contract.fixtures import BUSY
from calsync_core.testing.provider_kit import Bench, BlockHands, CorruptingHands, ProviderContract, RemoteHands
from calsync_core.testing.servers import CalDAVServer, RadicaleServer

pytestmark = pytest.mark.server


@pytest.fixture
def calendar(server: CalDAVServer) -> Calendar:
    return new_calendar(server)


@pytest.fixture
def session(server: CalDAVServer) -> Session:
    return session_for(server.base_url)


class _OnServer(ProviderContract):
    """The contract twice: data with the changes and in few large chunks, and data by itself in many small ones."""

    @pytest.fixture(params=["inline", "multiget"])
    def provider(self, request: pytest.FixtureRequest) -> CalDAVProvider:
        return CalDAVProvider(chunk=50) if request.param == "inline" else CalDAVProvider(chunk=2, data_in_sync=False)

    @pytest.fixture
    def session(self, server: CalDAVServer) -> Session:
        return session_for(server.base_url)

    @pytest.fixture
    def wrong_session(self, server: CalDAVServer) -> Session:
        return session_for(server.base_url, "wrong")

    @pytest.fixture
    def calendar(self, server: CalDAVServer) -> Calendar:
        return new_calendar(server)

    @pytest.fixture
    def vanished_calendar(self, calendar: Calendar) -> Calendar:
        return evolve(calendar, remote_id=f"{calendar.remote_id.rstrip('/')}-gone/")

    @pytest.fixture
    def remote(self, server: CalDAVServer, calendar: Calendar) -> RemoteHands:
        return Hands(server, calendar)


class TestOnRadicale(_OnServer):
    # It refuses to store what it can't parse itself.
    test_unreadable_item_counts_as_present = None  # type: ignore[assignment]  # not a test here

    @pytest.fixture
    def server(self, radicale: RadicaleServer) -> CalDAVServer:
        return radicale

    @pytest.fixture
    def read_only_calendar(self, radicale: RadicaleServer) -> Calendar:
        return Calendar(1, "ana", radicale.add_read_only_calendar(USER, new_slug("read-only")), "Locked", id=2)


class TestOnXandikos(_OnServer):
    # It checks no passwords and knows no rights.
    test_wrong_login_is_auth_expired_everywhere = None  # type: ignore[assignment]  # not a test here
    test_read_only_calendar = None  # type: ignore[assignment]  # not a test here

    @pytest.fixture
    def server(self, xandikos: CalDAVServer) -> CalDAVServer:
        return xandikos

    @pytest.fixture
    def remote(self, server: CalDAVServer, calendar: Calendar) -> RemoteHands:
        return CarelessHands(server, calendar)


def test_the_hands_can_do_everything_the_contract_asks_for(server: CalDAVServer, calendar: Calendar) -> None:
    hands = CarelessHands(server, calendar)
    assert isinstance(hands, BlockHands)
    assert isinstance(hands, CorruptingHands)


def read(provider: CalDAVProvider, session: Session, calendar: Calendar, **request: Any) -> list[ChangePage]:
    return list(provider.fetch_changes(session, ReadRequest(calendar, WINDOW, **request)))


def known_after(pages: Iterable[ChangePage], *, ours: Collection[str] = ()) -> KnownItems:
    """What a store knows after this read."""
    stored = {item.key: KnownItem(item.key, item.etag, item.key in ours) for page in pages for item in page.items}

    def look_up(keys: Sequence[str] | None) -> Mapping[str, KnownItem]:
        return {key: known for key, known in stored.items() if keys is None or key in keys}

    return look_up


def test_the_login_is_its_principal(server: CalDAVServer, session: Session) -> None:  # I-46
    """The same one from whatever URL of the server one begins."""
    provider = CalDAVProvider()
    subject = provider.identify(session).subject
    home = server.home(USER).lstrip("/")
    deep = evolve(session, account=evolve(session.account, base_url=server.base_url + home))
    assert provider.identify(deep).subject == subject
    assert subject.startswith(server.base_url)
    assert subject.endswith("/")


def test_calendars_are_listed_with_name_zone_and_role(server: CalDAVServer, session: Session) -> None:
    url = server.add_calendar(USER, new_slug(), name="Büro & <Co>", timezone="America/New_York")
    tasks = server.add_calendar(USER, new_slug(), components=("VTODO",))
    listed = {one.remote_id: one for one in CalDAVProvider().list_calendars(session)}
    assert listed[url] == RemoteCalendar(url, "Büro & <Co>", CalendarRole.OWNER, "America/New_York", primary=False)
    assert tasks not in listed


def test_who_was_just_asked_for_is_not_asked_for_again_to_list_calendars(radicale: RadicaleServer) -> None:
    provider, session = CalDAVProvider(), session_for(radicale.base_url)
    provider.identify(session)
    sent = session.meter.sent
    listed = provider.list_calendars(session)
    assert session.meter.sent == sent + 1
    session.clock.sleep(120)
    assert provider.list_calendars(session) == listed
    assert session.meter.sent == 2 * sent + 2
    elsewhere = evolve(session, account=evolve(session.account, base_url=f"{radicale.base_url}{USER}/"))
    sent = session.meter.sent
    assert provider.list_calendars(elsewhere) == listed
    assert session.meter.sent > sent + 1


def test_a_calendar_that_may_only_be_read_says_so(radicale: RadicaleServer) -> None:  # I-42
    url = radicale.add_read_only_calendar(USER, new_slug("read-only"))
    listed = CalDAVProvider().list_calendars(session_for(radicale.base_url))
    assert [one.role for one in listed if one.remote_id == url] == [CalendarRole.READER]


def test_floating_times_are_read_in_the_calendar_s_zone(server: CalDAVServer, session: Session) -> None:  # I-24
    calendar = new_calendar(server, "Asia/Tokyo")
    body = "UID:f\nDTSTAMP:20260301T000000Z\nDTSTART:20260302T090000\nDTEND:20260302T100000"
    server.put(calendar.remote_id, "f.ics", ics(body))
    (page,) = read(CalDAVProvider(), session, calendar)
    assert page.items[0].events[0].span.start == datetime(2026, 3, 2, 0, tzinfo=UTC)


def test_a_cursor_read_in_another_zone_is_expired(server: CalDAVServer, session: Session) -> None:  # I-12
    """Floating times would mean something else now."""
    calendar = new_calendar(server, "Asia/Tokyo")
    cursor = read(CalDAVProvider(), session, calendar)[-1].cursor
    with pytest.raises(CursorExpired):
        read(CalDAVProvider(), session, evolve(calendar, timezone="Europe/Berlin"), cursor=cursor)


def test_a_whole_calendar_comes_in_pages_and_few_requests(server: CalDAVServer, session: Session) -> None:
    calendar = new_calendar(server)
    hands = Hands(server, calendar)
    keys = {hands.put(meeting(f"event-{number}")) for number in range(9)}
    pages = read(CalDAVProvider(chunk=4, data_in_sync=False), session, calendar)
    assert [len(page.items) for page in pages] == [4, 4, 1]
    assert {item.key for page in pages for item in page.items} == keys
    assert session.meter.sent == 4, "the listing, and three chunks"


def test_names_that_need_encoding_are_found_again(server: CalDAVServer, session: Session) -> None:
    """A key is the decoded name, whatever spelling the server prefers in its hrefs."""
    calendar, provider = new_calendar(server), CalDAVProvider(data_in_sync=False)
    keys = {"with space.ics", "50% & more;x=1.ics", "ana@example.com.ics", "üñï.ics"}
    for number, key in enumerate(sorted(keys)):
        body = f"UID:n{number}\nDTSTAMP:20260301T000000Z\nDTSTART:20260302T090000Z\nDTEND:20260302T100000Z"
        server.put(calendar.remote_id, key, ics(body))
    (page,) = read(provider, session, calendar)
    assert {item.key for item in page.items} == keys
    assert {item.key for item in provider.fetch_items(session, calendar, sorted(keys)).items} == keys


def test_an_echo_of_our_own_write_costs_no_listing(server: CalDAVServer, session: Session) -> None:
    """Listed unchanged because we wrote it: one request. Listed unchanged for no reason: the server forgot the rest."""
    calendar, provider = new_calendar(server), CalDAVProvider()
    cursor = read(provider, session, calendar)[-1].cursor
    Hands(server, calendar).put(meeting("a"))
    fresh = read(provider, session, calendar)
    before = session.meter.sent
    (echo,) = read(provider, session, calendar, cursor=cursor, known=known_after(fresh, ours={"a.ics"}))
    assert (echo.present, echo.items, echo.snapshot) == (("a.ics",), (), False)
    assert session.meter.sent - before == 1
    (doubted,) = read(provider, session, calendar, cursor=cursor, known=known_after(fresh))
    assert (doubted.present, doubted.items, doubted.snapshot) == (("a.ics",), (), True)


def test_many_threads_share_one_provider(server: CalDAVServer) -> None:
    """Each request goes out on a connection of its own, and every one is counted."""
    calendar, provider, session = new_calendar(server), CalDAVProvider(), session_for(server.base_url)
    keys = {Hands(server, calendar).put(meeting(f"event-{number}")) for number in range(3)}
    with ThreadPoolExecutor(4) as pool:
        reads = list(pool.map(lambda _: read(provider, session, calendar), range(8)))
    assert [{item.key for page in pages for item in page.items} for pages in reads] == [keys] * 8
    assert session.meter.sent == 8 * (1 if isinstance(server, RadicaleServer) else 2)


def test_a_block_moved_to_another_name_is_still_a_block(server: CalDAVServer, session: Session) -> None:  # I-15
    calendar, provider = new_calendar(server), CalDAVProvider()
    bench = Bench(provider, session, calendar, Hands(server, calendar))
    bench.create("0a1b", BUSY)
    text = server.read(calendar.remote_id, "calsync-0a1b-0.ics")
    server.delete(calendar.remote_id, "calsync-0a1b-0.ics")
    server.put(calendar.remote_id, "moved.ics", text)
    (found,) = provider.find_blocks(session, calendar)
    assert (found.key, found.events[0].mark) == ("moved.ics", Mark("0a1b", 0, TAG))


def test_an_id_whose_uid_stands_elsewhere_is_taken(server: CalDAVServer, session: Session) -> None:  # I-06
    """Servers refuse a second resource with the same UID in words of their own."""
    calendar, provider = new_calendar(server), CalDAVProvider()
    bench = Bench(provider, session, calendar, Hands(server, calendar))
    bench.create("0a1b", BUSY)
    text = server.read(calendar.remote_id, "calsync-0a1b-0.ics")
    server.delete(calendar.remote_id, "calsync-0a1b-0.ics")
    server.put(calendar.remote_id, "moved.ics", text)
    assert bench.create("0a1b", BUSY).status is OutcomeStatus.TAKEN
    assert server.names(calendar.remote_id) == ["moved.ics"]


def test_a_replayed_body_is_byte_for_byte_the_same(server: CalDAVServer, session: Session) -> None:  # I-04
    """Whatever the server makes of the bytes: the same twice."""
    calendar, provider = new_calendar(server), CalDAVProvider()
    bench = Bench(provider, session, calendar, Hands(server, calendar))
    first = bench.create("0a1b", BUSY)
    stored = server.read(calendar.remote_id, "calsync-0a1b-0.ics")
    bench.delete("0a1b", BUSY, first.etag)
    bench.create("0a1b", BUSY)
    assert server.read(calendar.remote_id, "calsync-0a1b-0.ics") == stored


@pytest.mark.parametrize("url", ["ftp://dav.example.com/", "http://dav.example.com/", "https://", "nonsense", None])
def test_a_bad_base_url_is_named_before_any_request(url: str | None) -> None:  # I-44
    session = session_for("http://127.0.0.1/")
    broken = evolve(session, account=evolve(session.account, base_url=url))
    with pytest.raises(InvalidValue, match=r"^base_url"):
        CalDAVProvider().identify(broken)
    assert session.meter.sent == 0


def test_passwords_do_not_belong_into_the_base_url() -> None:  # I-39, I-44
    session = session_for("https://ana:hunter2@dav.example.com/")
    with pytest.raises(InvalidValue) as refused:
        CalDAVProvider().identify(session)
    assert "hunter2" not in str(refused.value)


def test_icloud_needs_no_base_url_and_trusts_apple_s_hosts_only() -> None:  # I-38
    session = session_for("http://127.0.0.1/")
    apple = evolve(session, account=evolve(session.account, base_url=None))
    link = ICloudProvider()._link(apple)
    assert link.base == "https://caldav.icloud.com/"
    assert link.allows("https://p42-caldav.icloud.com:443/1/calendars/")
    for elsewhere in ("https://icloud.com.evil.example/", "http://p42-caldav.icloud.com/", "https://evilicloud.com/"):
        assert not link.allows(elsewhere)
