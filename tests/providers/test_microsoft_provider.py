"""Microsoft 365: the contract kit on the simulator, over real HTTP and in this process, with each habit of Graph's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import graph_models
from calsync_core.models import Calendar, OutcomeStatus
from calsync_core.protocols import EchoingProvider, ExclusiveProvider, GrantingProvider, PushProvider, Session
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.testing.provider_kit import ProviderContract, PushContract, PushHands, RemoteHands
from calsync_core.testing.simulators.graph import GraphSimulator, Habits
from graph_hands import ANA, BO, Endpoint, Hands, calendar_of, graph_of, session_of

HABITS: dict[str, dict[str, Any]] = {
    "as-they-hurt": {},
    "replay-created": {"create_replay": "created"},
    "replay-conflict": {"create_replay": "conflict"},
    "second-delete-forbidden": {"second_delete": "forbidden"},
    "if-match-enforced": {"enforce_if_match": True},
    "masters-never": {"masters": "never", "occurrence_uids": "null"},
    "masters-always": {"masters": "always", "occurrence_uids": "series"},
    "masters-first-round": {"masters": "first_round"},
    "occurrences-removed": {"removed_occurrences": True},
    "small-pages": {"page_size": 1, "longest_page": 2},
    "one-by-one": {"mixed_deliveries": False, "duplicate_subscription": "second", "shuffled_batches": False},
}


@pytest.fixture
def habits() -> dict[str, Any]:
    return {}


@pytest.fixture
def graph(habits: dict[str, Any]) -> Iterator[GraphSimulator]:
    made = graph_of(Habits(**habits))
    yield made
    check_log(made)
    if not habits and graph_models.available():
        check_bodies(made)
    assert made.mails == (), "nobody is written to because of a block"  # I-40
    assert made.max_seen_concurrency() <= 4  # I-33


def check_log(graph: GraphSimulator) -> None:
    """What holds of every request, the parts of batches and followed links included."""
    for logged in graph.log:
        request = logged.request
        if not (logged.path.endswith("$batch") and not logged.inner):
            prefer = request.headers.get("prefer", "")
            assert 'IdType="ImmutableId"' in prefer, f"{logged.method} {logged.path} would get mutable ids"
            assert 'outlook.timezone="UTC"' in prefer, f"{logged.method} {logged.path} would get local times"
        if request.body and logged.method in {"POST", "PATCH"} and "$batch" not in logged.path:
            body = json.loads(request.body)
            assert not (body.keys() & {"attendees", "location", "body", "onlineMeeting", "recurrence"})  # I-40


def check_bodies(graph: GraphSimulator) -> None:
    """Microsoft's own models over our shoulder: no body may be against them."""
    for logged in graph.log:
        if logged.request.body and logged.status != 401:
            kinds = {"$batch": "batch", "subscriptions": "subscription"}
            kind = next((kind for word, kind in kinds.items() if word in logged.path), "event")
            assert list(graph_models.problems_of(kind, json.loads(logged.request.body))) == []


class _OnSimulator(ProviderContract, PushContract):
    gives_masters = False
    # A delta carries the items anyway.
    uses_known = False
    forbidden_words = ("attendee", "organizer", "location", '"isreminderon": true', '"isonlinemeeting": true')

    @pytest.fixture(autouse=True)
    def _replays(self, graph: GraphSimulator) -> None:
        if graph.habits.create_replay == "created":
            self.replayed = frozenset({OutcomeStatus.TAKEN, OutcomeStatus.DONE})

    @pytest.fixture
    def session(self, graph: GraphSimulator) -> Session:
        return session_of(graph)

    @pytest.fixture
    def wrong_session(self, graph: GraphSimulator) -> Session:
        return session_of(graph, "void")

    @pytest.fixture
    def calendar(self, graph: GraphSimulator) -> Calendar:
        return calendar_of(graph)

    @pytest.fixture
    def remote(self, graph: GraphSimulator, calendar: Calendar) -> RemoteHands:
        return Hands(graph, calendar.remote_id)

    @pytest.fixture
    def read_only_calendar(self, graph: GraphSimulator) -> Calendar:
        shared = graph.share_calendar(graph.calendars(BO)[0], ANA)
        return Calendar(1, "ana", shared, "Bo", id=2)

    @pytest.fixture
    def endpoint(self, graph: GraphSimulator) -> PushHands:
        return Endpoint(graph)

    @pytest.fixture
    def other_calendar(self, graph: GraphSimulator) -> Calendar:
        return calendar_of(graph, "Home", 2)

    @pytest.fixture
    def unpushable_calendar(self, graph: GraphSimulator) -> Calendar:
        graph.habits.calendar_subscriptions = False
        return calendar_of(graph, "Holidays", 2)


class TestOverHttp(_OnSimulator):
    @pytest.fixture
    def provider(self, graph: GraphSimulator) -> Iterator[MicrosoftProvider]:
        with graph:
            yield MicrosoftProvider()

    @pytest.fixture
    def session(self, graph: GraphSimulator, provider: MicrosoftProvider) -> Session:
        assert provider, "the simulator is served, and has its address"
        return session_of(graph)

    @pytest.fixture
    def wrong_session(self, graph: GraphSimulator, provider: MicrosoftProvider) -> Session:
        assert provider
        return session_of(graph, "void")


class TestInProcess(_OnSimulator):
    """The same without a network, once with each habit that Graph was seen to have."""

    @pytest.fixture(params=HABITS)
    def habits(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        return HABITS[request.param]

    @pytest.fixture
    def provider(self, graph: GraphSimulator) -> MicrosoftProvider:
        return MicrosoftProvider(transport=graph.transport())


def test_it_pushes_renews_grants_and_works_alone() -> None:
    for port in (PushProvider, EchoingProvider, GrantingProvider, ExclusiveProvider):
        assert isinstance(MicrosoftProvider(), port)
