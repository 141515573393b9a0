"""Google Calendar: the contract kit on the simulator, over real HTTP and in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import evolve

from calsync_core.models import Calendar
from calsync_core.protocols import GrantingProvider, PushProvider, Session
from calsync_core.providers.google import GoogleProvider
from calsync_core.testing import GoogleSimulator, VirtualClock
from calsync_core.testing.provider_kit import ProviderContract, PushContract, PushHands, RemoteHands
from discovery import CheckedGoogle, validate_request
from google_hands import ANA, BOB, Endpoint, Hands, calendar_of, session_of


@pytest.fixture
def google() -> Iterator[GoogleSimulator]:
    """Google with the discovery document over its shoulder: no request of ours may be against it."""
    made = CheckedGoogle(VirtualClock())
    made.add_user(ANA)
    made.add_user(BOB)
    with made:
        yield made
    wrong = [problem for logged in made.log if logged.status != 401 for problem in validate_request(logged.request)]
    assert wrong == []
    assert made.mails == (), "nobody is written to because of a block"  # I-40


class _OnSimulator(ProviderContract, PushContract):
    announces = True
    # A listing carries the items anyway.
    uses_known = False
    forbidden_words = ("attendee", "organizer", "overrides", "location", "conference", 'usedefault": true')

    @pytest.fixture
    def session(self, google: GoogleSimulator) -> Session:
        return session_of(google)

    @pytest.fixture
    def wrong_session(self, google: GoogleSimulator) -> Session:
        return session_of(google, "void")

    @pytest.fixture
    def calendar(self, google: GoogleSimulator) -> Calendar:
        return calendar_of(google)

    @pytest.fixture
    def remote(self, google: GoogleSimulator, calendar: Calendar) -> RemoteHands:
        return Hands(google, calendar)

    @pytest.fixture
    def read_only_calendar(self, google: GoogleSimulator) -> Calendar:
        google.share(BOB, ANA, "reader")
        return Calendar(1, "ana", BOB, "Bob", id=2)

    @pytest.fixture
    def endpoint(self, google: GoogleSimulator) -> PushHands:
        return Endpoint(google)

    @pytest.fixture
    def other_calendar(self, google: GoogleSimulator) -> Calendar:
        return evolve(calendar_of(google, "Home"), id=2)

    @pytest.fixture
    def unpushable_calendar(self, google: GoogleSimulator) -> Calendar:
        return Calendar(1, "ana", google.add_calendar(ANA, "Holidays", pushes=False), "Holidays", id=2)


class TestOverHttp(_OnSimulator):
    @pytest.fixture
    def provider(self) -> GoogleProvider:
        return GoogleProvider()


class TestInProcess(_OnSimulator):
    """The same without a network, and with a service that makes use of every freedom it has."""

    @pytest.fixture
    def provider(self, google: GoogleSimulator) -> GoogleProvider:
        google.habits.page_size = 2
        google.habits.empty_pages = 1
        return GoogleProvider(transport=google.transport())

    # It tells how many requests an incremental read takes where nothing is cut.
    test_nothing_new_costs_one_request = None  # type: ignore[assignment]  # not a test here


def test_it_pushes_and_renews_grants() -> None:
    assert isinstance(GoogleProvider(), PushProvider)
    assert isinstance(GoogleProvider(), GrantingProvider)
