"""Push repaired in the right order, with the right login, and blamed for nothing that others did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from attrs import evolve

from calsync_core.errors import LeaseBusy, Unavailable
from calsync_core.models import Calendar, CalendarId, ChangePage, Credential, Lease, Password, PushKind
from calsync_core.protocols import ReadRequest, Session, Subscription
from calsync_core.providers.memory import MemoryProvider
from calsync_core.testing.store_contract.bench import count_waiting
from planted import PASSWORD
from push_world import PushWorld
from waiting import Renewing
from world import at


class Overheard(MemoryProvider):
    """A service to whose calendars something happens before it answers a request.

    Attributes:
        before: What happens before a subscription is made or renewed, once.
        during: What happens while a calendar is read.
    """

    before: Callable[[], object] | None = None
    during: Callable[[Calendar], object] | None = None

    def subscribe(self, session: Session, calendar: Calendar, **asked: str) -> Subscription:
        self._happen()
        return super().subscribe(session, calendar, **asked)

    def renew(self, session: Session, calendar: Calendar, subscription: Subscription) -> Subscription | None:
        self._happen()
        return super().renew(session, calendar, subscription)

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        if self.during is not None:
            self.during(request.calendar)
        yield from super().fetch_changes(session, request)

    def _happen(self) -> None:
        before, self.before = self.before, None
        if before is not None:
            before()


@pytest.fixture
def world() -> PushWorld:
    """Two calendars that push, read once, at rest for so long that any may be read and renewed at once."""
    world = PushWorld(("work", "home"), store=Watched())
    world.provider = Overheard(world.memory)
    world.restart()
    world.settle(20 * 60)
    return world


def overheard(world: PushWorld) -> Overheard:
    assert isinstance(world.provider, Overheard)
    return world.provider


class Watched(Renewing):
    """A store that says when somebody begins to work on a calendar, and when that worker looks at it.

    Attributes:
        on_lease: What happens right before its lease is taken, once.
        on_look: What happens right after it is read under its lease, once.
    """

    on_lease: Callable[[], object] | None = None
    on_look: Callable[[], object] | None = None

    def acquire_lease(self, name: str, holder: str, ttl: float, at: datetime) -> Lease:
        if name.startswith("calendar:"):
            happens, self.on_lease = self.on_lease, None
            if happens is not None:
                happens()
        return super().acquire_lease(name, holder, ttl, at)

    def load_calendar(self, calendar_id: CalendarId) -> Calendar:
        found = super().load_calendar(calendar_id)
        if f"calendar:{calendar_id}" in self._rows.leases:
            happens, self.on_look = self.on_look, None
            if happens is not None:
                happens()
        return found


def watched(world: PushWorld) -> Watched:
    assert isinstance(world.store, Watched)
    return world.store


# -- first repaired, then read (I-31) -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PushKind.ENDED, PushKind.REAUTHORIZE])
def test_what_changes_until_push_is_repaired_is_read_after_the_repair(world: PushWorld, kind: PushKind) -> None:  # I-31
    """Nothing announces it: by then there is no subscription, or one that has been told to be silent."""

    def change() -> None:
        world.book("work", "unheard", at(1))
        world.memory.lose_pushes()

    world.memory.send_push(world.subscription("work").remote_id, kind)
    world.deliver()
    overheard(world).before = change
    world.engine.process_notifications()
    assert overheard(world).before is None
    assert world.starts("home") == [at(1)]


def test_what_changes_until_a_subscription_is_made_is_read_in_the_same_pass(world: PushWorld) -> None:  # I-30, I-32
    """The last one ran out while no process was there, and no timer did."""
    world.memory.push = evolve(world.memory.push, lifetime=timedelta(hours=1))
    world.engine.replace_subscriptions()
    world.settle(60)
    world.clock.advance(timedelta(hours=2))
    assert world.live_at_service("work") == []
    overheard(world).before = lambda: world.book("work", "unheard", at(1))
    world.tick()
    assert overheard(world).before is None
    assert world.starts("home") == [at(1)]


# -- with a login that lasts ----------------------------------------------------------------------------------------


class Renewable:
    """A login that can be renewed, and counts how often it was."""

    def __init__(self, login: Password) -> None:
        self.login = login
        self.renewals = 0

    def credential(self, *, renew: bool = False) -> Credential:
        self.renewals += renew
        return self.login


def test_a_subscription_is_renewed_with_a_fresh_login_only_if_its_provider_asked_for_that(world: PushWorld) -> None:
    """Microsoft's ends with the login that renewed it last, and says so beforehand; else there is no need."""
    login = Renewable(Password("ana-work", PASSWORD))
    world.engine.attach(world.calendars["work"].account_id, login)
    before = world.subscription("work")
    world.until(before.expires_at, step=600, tick=600)
    renewed = world.subscription("work")
    assert renewed.remote_id == before.remote_id
    assert renewed.expires_at > before.expires_at
    assert login.renewals == 0
    world.memory.send_push(renewed.remote_id, PushKind.REAUTHORIZE)
    world.settle(10)
    assert world.subscription("work").expires_at > renewed.expires_at
    assert login.renewals == 1


# -- who is to blame ------------------------------------------------------------------------------------------------


def test_a_server_that_answers_nobody_speaks_neither_against_the_login_nor_against_push(world: PushWorld) -> None:
    """It is not even asked, since others found out. Its subscription lives, and is looked after soon (I-37)."""
    context = world.engine._context
    for name in ("work", "home", "work"):
        context.silences.note(context.store.load_account(world.calendars[name].account_id), world.clock.monotonic())
    before = world.subscription("work").renewed_at
    world.engine.replace_subscriptions(world.id("work"))
    watch = world.watch("work")
    assert (watch.failures, watch.last_error) == (0, None)
    assert world.push_of("work") == "active"
    assert watch.check_at == world.clock.now() + timedelta(minutes=5)
    assert world.subscription("work").renewed_at == before


def test_a_push_that_waits_hides_no_doubt(world: PushWorld) -> None:  # I-30, I-32
    """It came before the write that no push follows, and waits because its calendar can't be read."""
    dead = world.subscription("home").remote_id
    world.memory.send_push(dead, PushKind.CHANGED)
    world.deliver()
    world.memory.kill_subscription(dead)

    def refuse(calendar: Calendar) -> None:
        if calendar.name == "home":
            raise Unavailable("down")

    overheard(world).during = refuse
    world.clock.advance(timedelta(minutes=1))
    world.book("work", "m1", at(1))
    world.until(world.clock.now() + timedelta(minutes=11))
    assert world.starts("home") == [at(1)]
    assert count_waiting(world.store, world.id("home")) == 1
    assert world.subscription("home").remote_id != dead


# -- a call for a look is heard ------------------------------------------------------------------------------------


def due(world: PushWorld) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Calendars to be read, and those whose push is to be looked after."""
    context = world.engine._context
    waits = world.store.load_due(world.clock.now(), context.shape, context.horizon().end)
    return waits.calendars, waits.checks


def test_who_reads_a_calendar_does_not_answer_a_call_for_a_look(world: PushWorld) -> None:
    """It came during the read, and was not about what was read."""
    world.book("work", "m1", at(1))
    world.deliver()
    overheard(world).during = lambda calendar: world.store.call_for_checks([calendar.key])
    world.engine.process_notifications()
    overheard(world).during = None
    called = (world.id("work"),)
    assert due(world) == (called, called)
    # Looking after its push alone leaves the read to be done.
    world.engine.maintain_subscriptions()
    assert due(world) == (called, ())
    world.tick()
    assert due(world) == ((), ())


def test_who_looks_after_a_calendar_as_it_was_does_not_answer_a_later_call(world: PushWorld) -> None:
    """The host switches it off right after the worker has read that it is on."""
    watched(world).on_look = lambda: world.engine.disable(world.id("work"))
    world.engine.replace_subscriptions(world.id("work"))
    assert not world.store.load_calendar(world.id("work")).enabled
    world.tick()
    assert world.live_at_service("work") == []
    assert due(world) == ((), ())


def test_who_answers_a_call_knows_what_was_called_for(world: PushWorld) -> None:
    """The host resumes the account while a worker, who saw it paused, still waits for the calendar's lease."""
    account = world.calendars["work"].account_id
    world.engine.pause(account)
    watched(world).on_lease = lambda: world.engine.resume(account)
    before = world.subscription("work").remote_id
    world.engine.replace_subscriptions(world.id("work"))
    assert world.subscription("work").remote_id != before


# -- a worker that is slow ------------------------------------------------------------------------------------------


def test_a_worker_keeps_an_owners_inbox_however_slow_the_server_is(
    world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:  # I-06, I-27
    monkeypatch.setattr("calsync_core.steps.context._KEEP_SECONDS", 0.005)
    refused = []

    def dawdle(_calendar: Calendar) -> None:
        watched(world).outlast(world.clock, "inbox:ana")
        with pytest.raises(LeaseBusy) as busy:
            world.store.acquire_lease("inbox:ana", "another worker", 60, world.clock.now())
        refused.append(busy)

    world.book("work", "m1", at(1))
    world.deliver()
    overheard(world).during = dawdle
    assert world.engine.process_notifications().completed == 1
    assert len(refused) == 1
    assert world.starts("home") == [at(1)]
