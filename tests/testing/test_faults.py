"""Injected faults are honest: what a real service could do, and nothing else."""

from __future__ import annotations

import inspect
import random
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeVar

import pytest
from attrs import evolve

from calsync_core.errors import AuthExpired, ConfigurationError, InvalidValue, ProviderError, RateLimited, Unavailable
from calsync_core.models import (
    Account,
    BlockContent,
    Grant,
    OperationKind,
    OutcomeStatus,
    Span,
)
from calsync_core.protocols import (
    Clock,
    EchoingProvider,
    ExclusiveProvider,
    GrantingProvider,
    Provider,
    PushProvider,
    PushRequest,
    ReadRequest,
    Store,
    Subscription,
)
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores import MemoryStore
from calsync_core.testing import Died, DyingProvider, DyingStore, Fault, FaultKind, FaultyProvider, Toll
from calsync_core.testing.provider_contract.bench import START, WINDOW, meeting
from calsync_core.testing.provider_kit import Bench
from memory_bench import bench_of

BUSY = BlockContent(Span(START, START.replace(hour=10)), "🔒 Busy")
KEY = "k" * 32
T = TypeVar("T")

LISTING_FAULTS = [FaultKind.BLANK_PAGE, FaultKind.DOUBLED_PAGE, FaultKind.UNREADABLE_ITEM, FaultKind.STALE_READ]


def dice(seed: int) -> random.Random:
    return random.Random(seed)


class Scene:
    """A bench with three meetings behind a faulty provider, and the same without faults."""

    def __init__(self, **options: Any) -> None:
        self.service = MemoryService(page_size=1, **options)
        self.well = bench_of(self.service)
        self.faulty = FaultyProvider(self.well.writer)
        self.ill = evolve(self.well, provider=self.faulty)
        self.keys = {self.well.hands.put(meeting(uid)) for uid in ("a", "b", "c")}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def calls(bench: Bench) -> dict[str, Callable[[], object]]:
    return {
        "identify": lambda: bench.provider.identify(bench.session),
        "list_calendars": lambda: bench.provider.list_calendars(bench.session),
        "fetch_changes": bench.read,
        "fetch_items": lambda: bench.lookup("a"),
        "find_blocks": lambda: list(bench.writer.find_blocks(bench.session, bench.calendar)),
        "apply": lambda: bench.create(KEY, BUSY),
    }


def until_it_breaks(answers: Iterator[T]) -> list[T]:
    heard: list[T] = []
    try:
        heard.extend(answers)
    except Unavailable:
        return heard
    pytest.fail("it did not break")


def test_wrappers_are_providers_and_stores() -> None:
    provider = MemoryProvider(MemoryService(shows_tentative=False))
    for wrapped in (FaultyProvider(provider), DyingProvider(provider, Toll())):
        assert isinstance(wrapped, Provider)
        assert (wrapped.batch_size, wrapped.shows_tentative) == (provider.batch_size, False)
    assert isinstance(DyingStore(MemoryStore(), Toll()), Store)


class SilentProvider:
    """A provider that has no more than the port asks for; inherits nothing, so that it pushes nothing."""

    batch_size, shows_tentative = 1, True

    def __init__(self, inner: MemoryProvider) -> None:
        for name in ("identify", "list_calendars", "native_id", "fetch_changes", "fetch_items", "find_blocks", "apply"):
            setattr(self, name, getattr(inner, name))


class TalkativeProvider(MemoryProvider):
    """One that has everything."""

    one_worker_per_login = True

    def read_handshake(self, request: PushRequest) -> str | None:
        return request.query.get("echo")

    def renew_grant(self, account: Account, grant: Grant, clock: Clock) -> Grant:  # noqa: ARG002  (the port's signature)
        return grant


def test_wrappers_have_what_the_inner_one_has_and_no_more() -> None:
    inner = MemoryProvider(MemoryService())
    wraps: list[Callable[[Provider], Provider]] = [FaultyProvider, lambda inner: DyingProvider(inner, Toll())]
    for wrap in wraps:
        providers: list[Any] = [SilentProvider(inner), inner, TalkativeProvider(MemoryService())]
        for provider in providers:
            wrapped: Provider = wrap(wrap(provider))
            for port in (Provider, PushProvider, EchoingProvider, GrantingProvider, ExclusiveProvider):
                assert isinstance(wrapped, port) is isinstance(provider, port)


@pytest.mark.parametrize("operation", calls(Scene().ill))
def test_an_error_comes_before_anything_happens_and_only_once(scene: Scene, operation: str) -> None:
    scene.faulty.schedule(Fault(FaultKind.ERROR, operation, error=AuthExpired("injected")))
    scene.faulty.schedule(Fault(FaultKind.RATE_LIMITED, operation, retry_after=7))
    scene.faulty.schedule(Fault(FaultKind.ERROR, operation))
    ask = calls(scene.ill)[operation]
    with pytest.raises(AuthExpired):
        ask()
    with pytest.raises(RateLimited) as limited:
        ask()
    assert limited.value.retry_after == 7
    with pytest.raises(Unavailable):
        ask()
    assert scene.service.writes == []
    ask()
    assert [kind for _, kind in scene.faulty.injected] == [FaultKind.ERROR, FaultKind.RATE_LIMITED, FaultKind.ERROR]


def test_a_lost_answer_hides_a_write_that_happened(scene: Scene) -> None:  # I-04
    scene.faulty.schedule(Fault(FaultKind.LOST_ANSWER))
    with pytest.raises(Unavailable):
        scene.ill.create(KEY, BUSY)
    assert [write.native_id for write in scene.service.writes] == [scene.well.native_id(KEY)]
    assert scene.ill.create(KEY, BUSY, in_doubt=True).status is OutcomeStatus.DONE
    assert len(scene.service.writes) == 1


@pytest.mark.parametrize(("kind", "told", "written"), [(FaultKind.LOST_ANSWER, 2, 3), (FaultKind.CUT_SHORT, 2, 2)])
def test_a_batch_breaks_half_way(scene: Scene, kind: FaultKind, told: int, written: int) -> None:
    scene.faulty.schedule(Fault(kind, position=2))
    intents = [scene.ill.intent(OperationKind.CREATE, f"{number:032d}", BUSY) for number in range(4)]
    heard = until_it_breaks(scene.faulty.apply(scene.ill.session, scene.ill.calendar, intents))
    assert [outcome.status for outcome in heard] == [OutcomeStatus.DONE] * told
    assert len(scene.service.writes) == written


def test_put_off_writes_nothing(scene: Scene) -> None:
    scene.faulty.schedule(Fault(FaultKind.PUT_OFF, retry_after=12))
    outcome = scene.ill.create(KEY, BUSY)
    assert (outcome.status, outcome.retry_after) == (OutcomeStatus.RETRY, 12)
    assert scene.service.writes == []


def test_a_listing_cut_short_gives_no_cursor(scene: Scene) -> None:  # I-07, I-11
    scene.faulty.schedule(Fault(FaultKind.CUT_SHORT, "fetch_changes"))
    pages = until_it_breaks(scene.faulty.fetch_changes(scene.ill.session, ReadRequest(scene.ill.calendar, WINDOW)))
    assert len(pages) == 2
    assert all(page.cursor is None for page in pages)


def test_an_empty_snapshot_hides_everything_but_not_by_id(scene: Scene) -> None:  # I-07, I-09
    scene.faulty.schedule(Fault(FaultKind.EMPTY_LISTING))
    reading = scene.ill.read()
    assert reading.snapshot
    assert reading.quiet
    assert {item.key for item in scene.ill.lookup(*scene.keys).items} == scene.keys


@pytest.mark.parametrize("kind", [FaultKind.EMPTY_LISTING, *LISTING_FAULTS])
def test_no_listing_fault_loses_a_change_for_ever(scene: Scene, kind: FaultKind) -> None:
    cursor = scene.well.read().cursor
    key = scene.well.hands.put(meeting("late"))
    scene.well.hands.remove("a")
    scene.faulty.schedule(Fault(kind, "fetch_changes", behind=1))
    first = scene.ill.read(cursor)
    second = scene.ill.read(first.cursor)
    named = first.keys() | second.keys() | {one.key for one in first.unreadable}
    assert key in named
    assert "a" in first.removed + second.removed


@pytest.mark.parametrize("kind", LISTING_FAULTS)
def test_a_listing_fault_keeps_every_item_named(scene: Scene, kind: FaultKind) -> None:
    scene.faulty.schedule(Fault(kind, "fetch_changes", behind=0))
    reading = scene.ill.read()
    assert reading.keys() | {one.key for one in reading.unreadable} == scene.keys
    assert scene.faulty.injected == [("fetch_changes", kind)]
    blank, doubled = reading.sizes[0] == 0, len(reading.sizes) == 4 and reading.sizes[0] == 1
    assert (blank, doubled) == {
        FaultKind.BLANK_PAGE: (True, False),
        FaultKind.DOUBLED_PAGE: (False, True),
        FaultKind.UNREADABLE_ITEM: (True, False),
        FaultKind.STALE_READ: (False, False),
    }[kind]


def test_an_unreadable_item_is_one_by_id_too(scene: Scene) -> None:
    scene.faulty.schedule(Fault(FaultKind.UNREADABLE_ITEM, "fetch_items"))
    found = scene.ill.lookup("a", "b")
    assert [one.key for one in found.unreadable] == ["a"]
    assert [item.key for item in found.items] == ["b"]


def test_a_stale_read_has_not_seen_the_last_changes(scene: Scene) -> None:  # I-47
    cursor = scene.well.read().cursor
    scene.well.create(KEY, BUSY)
    block = scene.well.native_id(KEY)
    scene.faulty.schedule(Fault(FaultKind.STALE_READ, "fetch_items"))
    scene.faulty.schedule(Fault(FaultKind.STALE_READ, "fetch_changes"))
    assert scene.ill.lookup(block).gone == (block,)
    stale = scene.ill.read(cursor)
    assert stale.quiet
    assert scene.ill.read(stale.cursor).keys() == {block}


def watching(bench: Bench, name: str = "first") -> Subscription:
    provider = bench.provider
    assert isinstance(provider, PushProvider)
    return provider.subscribe(
        bench.session, bench.calendar, subscription_id=name, secret="secret", url="https://host.example.com/push"
    )


def push_calls(bench: Bench, made: Subscription) -> dict[str, Callable[[], object]]:
    """On a subscription that is there already; the ids of new ones differ."""
    provider = bench.provider
    assert isinstance(provider, PushProvider)
    names = (f"made-{number}" for number in count())
    return {
        "subscribe": lambda: watching(bench, next(names)),
        "renew": lambda: provider.renew(bench.session, bench.calendar, made),
        "unsubscribe": lambda: provider.unsubscribe(bench.session, made),
    }


@pytest.mark.parametrize("operation", ["subscribe", "renew", "unsubscribe"])
def test_subscribing_fails_before_or_after_it_happened(scene: Scene, operation: str) -> None:  # I-30
    made = watching(scene.well)
    before = scene.service.subscriptions()
    scene.well.session.clock.sleep(60)
    scene.faulty.schedule(Fault(FaultKind.ERROR, operation, error=AuthExpired("injected")))
    scene.faulty.schedule(Fault(FaultKind.RATE_LIMITED, operation, retry_after=7))
    scene.faulty.schedule(Fault(FaultKind.LOST_ANSWER, operation))
    ask, sent = push_calls(scene.ill, made)[operation], scene.ill.session.meter.sent
    for kind in (AuthExpired, RateLimited):
        with pytest.raises(kind):
            ask()
        assert scene.service.subscriptions() == before
    with pytest.raises(Unavailable):
        ask()
    assert scene.service.subscriptions() != before
    assert scene.ill.session.meter.sent == sent + 3
    ask()


def test_what_comes_in_never_fails(scene: Scene) -> None:
    assert isinstance(scene.faulty, PushProvider)
    watching(scene.well)
    scene.well.hands.put(meeting("late"))
    scene.faulty.scatter(dice(1), rate=1)
    pushes = [push for request in scene.service.take_pushes() for push in scene.faulty.read_push(request)]
    assert [push.subscription_id for push in pushes] == ["first"]
    assert scene.faulty.injected == []


def test_faults_wait_for_their_turn(scene: Scene) -> None:
    scene.faulty.schedule(Fault(FaultKind.ERROR, "fetch_changes", skip=2))
    scene.ill.lookup("a")
    scene.ill.read()
    scene.ill.read()
    with pytest.raises(Unavailable):
        scene.ill.read()


def test_calm_ends_all_of_it(scene: Scene) -> None:
    scene.faulty.schedule(Fault(FaultKind.ERROR))
    scene.faulty.scatter(dice(1), rate=1)
    scene.faulty.calm()
    for ask in calls(scene.ill).values():
        ask()
    assert scene.faulty.injected == []


@pytest.mark.parametrize("seed", range(5))
def test_dice_repeat_themselves_and_only_provider_errors_escape(seed: int) -> None:
    def play() -> list[tuple[str, FaultKind]]:
        scene = Scene()
        scene.faulty.scatter(dice(seed), rate=0.7)
        for _ in range(20):
            for ask in calls(scene.ill).values():
                try:
                    ask()
                except ProviderError:
                    continue
        return scene.faulty.injected

    once = play()
    assert once == play()
    assert len({kind for _, kind in once}) > 5


def test_impossible_faults_are_refused() -> None:  # I-44
    with pytest.raises(InvalidValue, match=r"^on:"):
        Fault(FaultKind.LOST_ANSWER, "fetch_changes")
    with pytest.raises(InvalidValue, match=r"^on:"):
        Fault(FaultKind.ERROR, "no_such_method")
    blind = DyingProvider(MemoryProvider(MemoryService()), Toll())
    with pytest.raises(ConfigurationError, match=r"^kind:"):
        FaultyProvider(blind, Fault(FaultKind.STALE_READ))
    with pytest.raises(InvalidValue, match=r"^rate:"):
        FaultyProvider(blind).scatter(dice(1), rate=2)


def die_at(n: int | None, attempt: Callable[[Bench], object]) -> tuple[Scene, Toll]:
    scene, toll = Scene(), Toll(n)
    bench = evolve(scene.well, provider=DyingProvider(scene.well.writer, toll))
    if n is None:
        attempt(bench)
    else:
        with pytest.raises(Died):
            attempt(bench)
    return scene, toll


def test_a_create_dies_before_or_after_it_is_committed() -> None:  # I-05
    def create(bench: Bench) -> object:
        return bench.create(KEY, BUSY)

    assert die_at(None, create)[1].crossed == ("request", "after apply")
    assert [len(die_at(n, create)[0].service.writes) for n in (1, 2)] == [0, 1]


def test_every_boundary_of_a_whole_visit_kills() -> None:  # I-05
    def visit(bench: Bench) -> None:
        for ask in calls(bench).values():
            ask()
        bench.update(KEY, BUSY, None)
        list(bench.writer.find_blocks(bench.session, bench.calendar))

    whole = die_at(None, visit)[1].crossed
    assert {where.removeprefix("after ") for where in whole} == {"request", *calls(Scene().well)}
    for n in range(1, len(whole) + 1):
        assert die_at(n, visit)[1].crossed == whole[:n]


def test_subscriptions_are_mortal_and_what_comes_in_is_not() -> None:  # I-05
    def visit(bench: Bench) -> None:
        for ask in push_calls(bench, watching(bench)).values():
            ask()

    whole = die_at(None, visit)[1].crossed
    steps = ("subscribe", "subscribe", "renew", "unsubscribe")
    assert whole == tuple(where for step in steps for where in ("request", f"after {step}"))
    for n in range(1, len(whole) + 1):
        assert die_at(n, visit)[1].crossed == whole[:n]
    living = [len(die_at(n, visit)[0].service.subscriptions()) for n in range(1, len(whole) + 1)]
    assert living == [0, 1, 1, 2, 2, 2, 2, 1]
    dead = DyingProvider(TalkativeProvider(MemoryService()), Toll(1))
    assert isinstance(dead, EchoingProvider)
    assert dead.read_handshake(PushRequest({}, {"echo": "text"})) == "text"
    with pytest.raises(InvalidValue):
        dead.read_push(PushRequest({}))


def test_the_dead_stay_dead_on_every_wrapper_and_thread() -> None:
    scene, toll = Scene(), Toll(1)
    provider, store = DyingProvider(scene.well.writer, toll), DyingStore(MemoryStore(), toll)
    with pytest.raises(Died):
        provider.identify(scene.well.session)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            store.load_accounts()
        except Died as death:
            raised.append(death)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(raised) == 1
    assert toll.dead
    assert toll.crossed == ("request",)


def test_no_mending_of_errors_mends_death() -> None:
    assert not issubclass(Died, Exception)


def test_a_store_method_dies_before_or_after_it_happened() -> None:  # I-05
    kept = []
    for n in (1, 2):
        inner = MemoryStore()
        with pytest.raises(Died):
            DyingStore(inner, Toll(n)).save_account(Account("ana", "memory", "a"))
        kept.append(len(inner.load_accounts()))
    assert kept == [0, 1]
    toll = Toll()
    assert DyingStore(MemoryStore(), toll).save_account(Account("ana", "memory", "a")).id is not None
    assert toll.crossed == ("before save_account", "after save_account")


def test_every_method_of_the_store_port_is_mortal() -> None:
    names = [name for name, _ in inspect.getmembers(Store, inspect.isfunction) if not name.startswith("_")]
    assert len(names) > 30
    for name in names:
        with pytest.raises(Died):
            getattr(DyingStore(MemoryStore(), Toll(1)), name)(list)  # dead before it looks at what it was given


def test_what_is_done_together_has_boundaries_around_it_or_is_done_one_by_one() -> None:
    crossed = []
    for apart in (False, True):
        toll = Toll()
        store = DyingStore(MemoryStore(), toll, apart=apart)
        assert store.together(lambda store=store: store.load_accounts()) == []  # type: ignore[misc]  # a lambda with a default
        crossed.append(toll.crossed)
    inside = ("before load_accounts", "after load_accounts")
    assert crossed == [("before together", *inside, "after together"), inside]
