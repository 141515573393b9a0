"""What we write to real CalDAV servers, as another client sees it: the ``caldav`` library with ``icalendar``."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from caldav.collection import Calendar as Collection
from caldav.davclient import DAVClient

from caldav_hands import USER, Hands, new_calendar, session_for
from calsync_core.models import Availability, BlockContent, Calendar
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.testing.provider_contract.fixtures import BUSY, CONTENTS, HOUR, KEY, LATER
from calsync_core.testing.provider_kit import Bench
from calsync_core.testing.servers import CalDAVServer
from planted import PASSWORD

pytestmark = pytest.mark.server


@pytest.fixture
def calendar(server: CalDAVServer) -> Calendar:
    return new_calendar(server)


@pytest.fixture
def bench(server: CalDAVServer, calendar: Calendar) -> Bench:
    return Bench(CalDAVProvider(), session_for(server.base_url), calendar, Hands(server, calendar))


def found(server: CalDAVServer, calendar: Calendar, content: BlockContent) -> list[Any]:
    """What that client shows between an hour before and an hour after."""
    start, end = content.span.edges(UTC)
    with DAVClient(server.base_url, username=USER, password=PASSWORD, auth_type="basic") as client:
        shown: Any = Collection(client, calendar.remote_id).search(start=start - HOUR, end=end + HOUR, event=True)
        return [each.icalendar_component for each in shown]


@pytest.mark.parametrize("name", CONTENTS)
def test_a_block_is_shown_at_its_time(server: CalDAVServer, calendar: Calendar, bench: Bench, name: str) -> None:
    content = CONTENTS[name]
    bench.create(KEY, content)
    (event,) = found(server, calendar, content)
    assert str(event["SUMMARY"]) == content.title
    assert (instant(event["DTSTART"].dt), instant(event["DTEND"].dt)) == content.span.edges(UTC)
    assert isinstance(event["DTSTART"].dt, datetime) is not content.span.all_day
    assert str(event.get("TRANSP", "OPAQUE")) == ("TRANSPARENT" if content.show_as is Availability.FREE else "OPAQUE")
    assert (str(event.get("STATUS")) == "TENTATIVE") is (content.show_as is Availability.TENTATIVE)
    assert not {"ATTENDEE", "ORGANIZER", "LOCATION", "DESCRIPTION", "RRULE"} & event.keys()
    assert not event.subcomponents


def test_a_moved_block_is_shown_where_it_is_and_a_deleted_one_nowhere(
    server: CalDAVServer, calendar: Calendar, bench: Bench
) -> None:
    bench.create(KEY, BUSY)
    bench.update(KEY, LATER, bench.block(KEY).etag)
    assert found(server, calendar, BUSY) == []
    assert len(found(server, calendar, LATER)) == 1
    bench.delete(KEY, LATER, bench.block(KEY).etag)
    assert found(server, calendar, LATER) == []


def instant(value: date) -> datetime:
    return value.astimezone(UTC) if isinstance(value, datetime) else datetime.combine(value, time(), UTC)
