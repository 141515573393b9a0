"""What a subclass of the contract gives, and the blocks that its tests write."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve

from calsync_core.models import (
    Availability,
    BlockContent,
    Calendar,
    OutcomeStatus,
    Span,
)
from calsync_core.protocols import PublishingProvider, Session
from calsync_core.testing.provider_contract.bench import (
    START,
    Bench,
    RemoteHands,
)

__all__ = ["BERLIN", "BUSY", "CONTENTS", "DAY", "HOUR", "KEY", "LATER", "OTHER_KEY", "Fixtures"]

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KEY = "0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "v" * 32
BUSY = BlockContent(Span(START + DAY, START + DAY + HOUR), "🔒 Busy")
LATER = BlockContent(Span(START + 2 * DAY, START + 2 * DAY + HOUR), "🔒 Busy")

CONTENTS = {
    "timed": BUSY,
    "tentative": evolve(BUSY, show_as=Availability.TENTATIVE),
    "all-day": evolve(BUSY, span=Span(date(2026, 3, 29), date(2026, 3, 31))),
    "all-day-free": evolve(BUSY, span=Span(date(2026, 3, 9), date(2026, 3, 10)), show_as=Availability.FREE),
    "unicode": evolve(BUSY, title='Zahn; "ärztin", 会議 \\n 🦷 & <b>' + "x" * 120),
    "across-dst": evolve(
        BUSY, span=Span(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    ),
}


class Fixtures:
    """What a subclass gives, and what it may say about its service.

    Attributes:
        gives_masters: A series comes as a master with exceptions; otherwise as single occurrences (Graph).
        uses_known: Items whose etag the store has are not fetched but named in ``present``.
        replayed: What becomes of a create whose block stands already, and which is not in doubt.
        forbidden_words: What the raw text of a block must not contain, in any case of letters.
    """

    gives_masters = True
    uses_known = True
    replayed: frozenset[OutcomeStatus] = frozenset({OutcomeStatus.TAKEN})
    forbidden_words: tuple[str, ...] = ("attendee", "organizer", "valarm", "location", "conference")

    @pytest.fixture
    def provider(self) -> PublishingProvider:
        """The adapter under test."""
        raise NotImplementedError("give a fixture 'provider'")

    @pytest.fixture
    def session(self) -> Session:
        """A login that owns the calendar."""
        raise NotImplementedError("give a fixture 'session'")

    @pytest.fixture
    def wrong_session(self) -> Session:
        """The same account with a login that the service refuses."""
        raise NotImplementedError("give a fixture 'wrong_session'")

    @pytest.fixture
    def calendar(self) -> Calendar:
        """An empty calendar, fresh for every test, in no zone of its own or UTC."""
        raise NotImplementedError("give a fixture 'calendar'")

    @pytest.fixture
    def remote(self, calendar: Calendar) -> RemoteHands:
        """The hands of the user of that calendar."""
        raise NotImplementedError("give a fixture 'remote'")

    @pytest.fixture
    def vanished_calendar(self, calendar: Calendar) -> Calendar:
        """A calendar that the service does not have."""
        return evolve(calendar, remote_id=f"{calendar.remote_id}-gone")

    @pytest.fixture
    def read_only_calendar(self) -> Calendar:
        """A calendar that the session may read only."""
        pytest.skip("no read-only calendar on this service")

    @pytest.fixture
    def bench(self, provider: PublishingProvider, session: Session, calendar: Calendar, remote: RemoteHands) -> Bench:
        """All of it together."""
        return Bench(provider, session, calendar, remote)

    def stored_title(self, title: str) -> str:
        """What the service makes of a title; itself unless said."""
        return title
