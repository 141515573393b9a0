"""The in-memory service's pushes: the contract in both ways of renewal, and what only its hands can do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from calsync_core.errors import Conflict, InvalidValue, NotFound, ProviderError, PushUnsupported, Rejected
from calsync_core.models import BlockContent, Calendar, CalendarRole, Item, PushKind, Span
from calsync_core.protocols import EchoingProvider, Push, PushProvider, PushRequest, Session, Subscription
from calsync_core.providers.memory import MemoryProvider, MemoryService, PushHabits
from calsync_core.testing import VirtualClock
from calsync_core.testing.provider_contract.bench import START, meeting
from calsync_core.testing.provider_kit import Bench, EchoHands, PushContract, PushHands, RemoteHands
from memory_bench import DAY, HOUR, Endpoint, Hands, bench_of, series, service_of, session_of
from planted import PASSWORD

KEY = "k" * 32
BUSY = BlockContent(Span(START, START + HOUR), "🔒 Busy")
LATER = BlockContent(Span(START + DAY, START + DAY + HOUR), "🔒 Busy")
WEEK = timedelta(days=7)

SHAPES: dict[str, tuple[PushHabits, dict[str, Any]]] = {
    "renewed": (PushHabits(names_items=True), {}),
    "replaced": (PushHabits(renewable=False, announces=True), {}),
    "replaced-naming-given-ids": (PushHabits(renewable=False, names_items=True), {"assigns_ids": True}),
    "renewed-silent-writes": (PushHabits(announces=True, names_items=True), {"etag_on_write": False}),
    "apart": (PushHabits(names_items=True, lifetime=timedelta(hours=1)), {"split_series": True}),
}


class TestMemoryPush(PushContract):
    @pytest.fixture(params=SHAPES)
    def service(self, request: pytest.FixtureRequest) -> MemoryService:
        habits, shape = SHAPES[request.param]
        made = MemoryService(**shape)
        made.push = evolve(habits)
        made.add_user("ana", PASSWORD)
        self.announces = habits.announces
        return made

    @pytest.fixture
    def provider(self, service: MemoryService) -> MemoryProvider:
        return MemoryProvider(service)

    @pytest.fixture
    def session(self) -> Session:
        return session_of("ana", PASSWORD)

    @pytest.fixture
    def wrong_session(self) -> Session:
        return session_of("ana", "wrong")

    @pytest.fixture
    def calendar(self, service: MemoryService) -> Calendar:
        return Calendar(1, "ana", service.add_calendar("ana", "Work"), "Work", id=1)

    @pytest.fixture
    def other_calendar(self, service: MemoryService) -> Calendar:
        return Calendar(1, "ana", service.add_calendar("ana", "Home"), "Home", id=2)

    @pytest.fixture
    def unpushable_calendar(self, service: MemoryService) -> Calendar:
        return Calendar(1, "ana", service.add_calendar("ana", "Holidays", pushes=False), "Holidays", id=3)

    @pytest.fixture
    def remote(self, service: MemoryService, calendar: Calendar) -> RemoteHands:
        return Hands(service, calendar.remote_id)

    @pytest.fixture
    def endpoint(self, service: MemoryService) -> PushHands:
        return Endpoint(service)


@pytest.fixture
def bench() -> Bench:
    made = bench_of(MemoryService())
    service_of(made).push.names_items = True
    return made


def clock_of(bench: Bench) -> VirtualClock:
    assert isinstance(bench.session.clock, VirtualClock)
    return bench.session.clock


def provider_of(bench: Bench) -> PushProvider:
    assert isinstance(bench.provider, PushProvider)
    return bench.provider


def subscribed(bench: Bench, name: str = "first", **changes: Any) -> Subscription:
    asked = {"subscription_id": name, "secret": "hush-hush", "url": Endpoint.url, **changes}
    return provider_of(bench).subscribe(bench.session, bench.calendar, **asked)


def pushed(bench: Bench) -> list[Push]:
    requests = service_of(bench).take_pushes()
    return [push for request in requests for push in provider_of(bench).read_push(request)]


def test_it_pushes_and_asks_for_no_handshake(bench: Bench) -> None:
    assert isinstance(bench.provider, PushProvider)
    assert not isinstance(bench.provider, EchoingProvider)
    assert not isinstance(Endpoint(service_of(bench)), EchoHands)


def test_who_does_not_subscribe_hears_nothing(bench: Bench) -> None:
    bench.hands.put(meeting("a"))
    bench.create(KEY, BUSY)
    assert service_of(bench).take_pushes() == []


def test_whoever_changes_an_item_it_is_pushed_once_to_each(bench: Bench) -> None:
    """By people's hands or by our own; what changed nothing is not told."""
    service, where, block = service_of(bench), bench.calendar.remote_id, bench.native_id(KEY)
    made = {subscribed(bench).id, subscribed(bench, "second").id}
    deeds: list[Callable[[], object]] = [
        lambda: bench.hands.put(meeting("a")),
        lambda: service.move(where, "a", START + DAY),
        lambda: bench.hands.remove("a"),
        lambda: bench.create(KEY, BUSY),
        lambda: bench.update(KEY, LATER, None),
        lambda: service.retitle(where, block, "Mine"),
        lambda: service.strip_tag(where, block),
        lambda: service.corrupt(where, block),
        lambda: service.mend(where, block),
        lambda: bench.delete(KEY, LATER, bench.block(KEY).etag),
        lambda: service.put(where, *series(service)),
        lambda: service.copy_block(where, "s", "copy"),
    ]
    for deed in deeds:
        deed()
        assert sorted(push.subscription_id for push in pushed(bench)) == sorted(made)
    bench.create(KEY, BUSY)
    pushed(bench)
    bench.create(KEY, BUSY)
    bench.update(KEY, LATER, '"stale"')
    bench.update("v" * 32, LATER, None)
    bench.read()
    assert pushed(bench) == []


def test_a_removed_item_is_named_without_an_etag(bench: Bench) -> None:
    subscribed(bench)
    etag = bench.create(KEY, BUSY).etag
    bench.delete(KEY, BUSY, etag)
    assert [(push.item, push.etag) for push in pushed(bench)] == [
        (bench.native_id(KEY), etag),
        (bench.native_id(KEY), None),
    ]


def test_what_is_pushed_is_what_the_cursor_then_shows(bench: Bench) -> None:  # I-27
    """Every item that a read finds changed was pushed, with the etag that it shows."""
    service, where = service_of(bench), bench.calendar.remote_id
    subscribed(bench)
    cursor = bench.read().cursor
    for uid in "abc":
        bench.hands.put(meeting(uid))
    service.put(where, *series(service))
    bench.hands.remove("b")
    told = {push.item: push.etag for push in pushed(bench)}
    shown: list[Item] = list(bench.read(cursor).items)
    assert told == {"b": None, **{item.key: item.etag for item in shown}}


def test_an_ended_subscription_is_silent_and_can_not_be_renewed(bench: Bench) -> None:  # I-30
    made = subscribed(bench)
    assert made.expires_at == clock_of(bench).now() + WEEK
    clock_of(bench).advance(WEEK - timedelta(seconds=1))
    bench.hands.put(meeting("a"))
    assert len(pushed(bench)) == 1
    clock_of(bench).advance(timedelta(seconds=1))
    bench.hands.put(meeting("b"))
    assert pushed(bench) == []
    assert service_of(bench).subscriptions() == {}
    with pytest.raises(NotFound):
        provider_of(bench).renew(bench.session, bench.calendar, made)
    provider_of(bench).unsubscribe(bench.session, made)


def test_habits_change_while_it_runs(bench: Bench) -> None:
    service = service_of(bench)
    service.push.lifetime = timedelta(hours=2)
    made = subscribed(bench)
    assert made.expires_at == clock_of(bench).now() + timedelta(hours=2)
    service.push.renewable = False
    assert provider_of(bench).renew(bench.session, bench.calendar, made) is None
    service.push.announces = True
    subscribed(bench, "second")
    assert [push.kind for push in pushed(bench)] == [PushKind.CREATED]
    service.push.names_items = False
    bench.hands.put(meeting("a"))
    assert {(push.item, push.etag) for push in pushed(bench)} == {(None, None)}


def test_a_calendar_may_lose_its_pushes(bench: Bench) -> None:  # I-30
    """What watches it goes on; nobody new may."""
    service = service_of(bench)
    subscribed(bench)
    service.set_pushes(bench.calendar.remote_id, pushes=False)
    with pytest.raises(PushUnsupported):
        subscribed(bench, "second")
    bench.hands.put(meeting("a"))
    assert len(pushed(bench)) == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"subscription_id": "first"}, Conflict),
        ({"subscription_id": "x" * 65}, Rejected),
        ({"subscription_id": "not allowed"}, Rejected),
        ({"secret": "s" * 129}, Rejected),
    ],
)
def test_what_the_port_forbids_is_refused(bench: Bench, changes: dict[str, str], kind: type[ProviderError]) -> None:
    """An id is used once, also if it was given back."""
    provider_of(bench).unsubscribe(bench.session, subscribed(bench))
    with pytest.raises(kind):
        subscribed(bench, **{"name": "second", **changes})
    assert service_of(bench).subscriptions() == {}


def test_each_call_is_one_request(bench: Bench) -> None:
    """But the one that a service which can't prolong is not asked."""
    meter, port = bench.session.meter, provider_of(bench)
    made = subscribed(bench)
    assert meter.sent == 1
    assert port.renew(bench.session, bench.calendar, made)
    port.unsubscribe(bench.session, made)
    assert meter.sent == 3
    service_of(bench).push.renewable = False
    assert port.renew(bench.session, bench.calendar, made) is None
    assert meter.sent == 3


def test_a_killed_subscription_is_gone_and_a_muted_one_only_silent(bench: Bench) -> None:
    service, port = service_of(bench), provider_of(bench)
    killed, muted = subscribed(bench), subscribed(bench, "second")
    service.kill_subscription(killed.id)
    service.mute_subscription(muted.id)
    bench.hands.put(meeting("a"))
    assert pushed(bench) == []
    assert set(service.subscriptions()) == {muted.id}
    with pytest.raises(NotFound):
        port.renew(bench.session, bench.calendar, killed)
    assert port.renew(bench.session, bench.calendar, muted)
    bench.hands.put(meeting("b"))
    assert pushed(bench) == []
    service.mute_subscription(muted.id, muted=False)
    bench.hands.put(meeting("c"))
    assert [push.item for push in pushed(bench)] == ["c"]
    port.unsubscribe(bench.session, killed)


@pytest.mark.parametrize("kind", PushKind)
def test_a_subscription_may_tell_of_itself(bench: Bench, kind: PushKind) -> None:  # I-31
    """Once it has told that it is over, it is."""
    service = service_of(bench)
    made = subscribed(bench)
    service.send_push(made.id, kind)
    assert [(push.kind, push.secret, push.item) for push in pushed(bench)] == [(kind, "hush-hush", None)]
    assert (made.id in service.subscriptions()) is (kind is not PushKind.ENDED)


def test_lost_pushes_do_not_come_later(bench: Bench) -> None:
    subscribed(bench)
    for uid in "ab":
        bench.hands.put(meeting(uid))
    assert service_of(bench).lose_pushes() == 2
    bench.hands.put(meeting("c"))
    assert [push.item for push in pushed(bench)] == ["c"]


def test_who_may_no_longer_look_hears_nothing(bench: Bench) -> None:  # I-42
    service, where = service_of(bench), bench.calendar.remote_id
    service.add_user("bo", "other")
    service.share(where, "bo", CalendarRole.READER)
    bo = session_of("bo", "other")
    theirs = subscribed(evolve(bench, session=bo))
    bench.hands.put(meeting("a"))
    assert len(pushed(bench)) == 1
    service.remove_calendar(where)
    bench.hands.put(meeting("b"))
    assert pushed(bench) == []
    with pytest.raises(NotFound):
        provider_of(bench).renew(bo, bench.calendar, theirs)
    service.bring_back(where)
    assert provider_of(bench).renew(bo, bench.calendar, theirs)


def test_only_its_maker_ends_or_renews_it(bench: Bench) -> None:
    service, where = service_of(bench), bench.calendar.remote_id
    service.add_user("bo", "other")
    service.share(where, "bo", CalendarRole.WRITER)
    bo, made = session_of("bo", "other"), subscribed(bench)
    with pytest.raises(Rejected):
        provider_of(bench).unsubscribe(bo, made)
    with pytest.raises(NotFound):
        provider_of(bench).renew(bo, bench.calendar, made)
    elsewhere = evolve(bench.calendar, remote_id=service.add_calendar("ana", "Home"))
    with pytest.raises(NotFound):
        provider_of(bench).renew(bench.session, elsewhere, made)
    assert set(service.subscriptions()) == {made.id}


def test_a_snapshot_brings_subscriptions_back(bench: Bench) -> None:
    """With what nobody had taken, and the ids that were free; no message comes twice with another meaning."""
    service = service_of(bench)
    kept = subscribed(bench)
    bench.hands.put(meeting("a"))
    before = service.snapshot()
    messages = []
    for _ in range(2):
        subscribed(bench, "second")
        provider_of(bench).unsubscribe(bench.session, kept)
        bench.hands.put(meeting("b"))
        first, *others = pushed(bench)
        assert first.item == "a"
        messages += [push.message for push in others]
        service.restore(before)
        assert set(service.subscriptions()) == {kept.id}
    assert len(set(messages)) == len(messages) == 2


def test_the_service_shows_what_it_was_asked(bench: Bench) -> None:  # I-39
    """But for the secret."""
    made = subscribed(bench)
    (held,) = service_of(bench).subscriptions().values()
    assert (held.promise, held.calendar, held.url) == (made, bench.calendar.remote_id, Endpoint.url)
    assert held.secret == "hush-hush"
    assert "hush" not in repr(held)
    assert "hush" not in repr(service_of(bench).snapshot())


TOLD = {"subscription": "first", "secret": "s", "resource": "r", "number": 3, "kind": "changed"}


@pytest.mark.parametrize(
    "changes",
    [
        {"subscription": None},
        {"subscription": ""},
        {"subscription": 3},
        {"secret": 3},
        {"resource": []},
        {"item": {}},
        {"etag": 1},
        {"kind": "nothing"},
        {"kind": []},
        {"kind": None},
    ],
)
def test_what_nobody_understands_is_no_push(bench: Bench, changes: dict[str, Any]) -> None:  # I-26
    request = PushRequest({}, {}, json.dumps(TOLD | changes).encode())
    with pytest.raises(InvalidValue):
        provider_of(bench).read_push(request)


def test_a_push_without_a_number_tells_no_message(bench: Bench) -> None:  # I-27
    for number, message in ((3, "first/3"), (None, None), ("3", None)):
        request = PushRequest({}, {}, json.dumps(TOLD | {"number": number}).encode())
        assert [push.message for push in provider_of(bench).read_push(request)] == [message]


def test_mistakes_of_a_test_are_named(bench: Bench) -> None:  # I-44
    service = service_of(bench)
    mistakes: list[tuple[Callable[[], object], str]] = [
        (lambda: service.kill_subscription("none"), "subscription_id"),
        (lambda: service.mute_subscription("none"), "subscription_id"),
        (lambda: service.send_push("none", PushKind.MISSED), "subscription_id"),
        (lambda: service.set_pushes("no/where", pushes=False), "calendar_id"),
    ]
    for mistake, name in mistakes:
        with pytest.raises(InvalidValue, match=rf"^{name}:"):
            mistake()
