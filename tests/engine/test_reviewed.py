"""Defects that a review demonstrated: each came from one of these stories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from calsync_core.engine import SyncEngine
from calsync_core.errors import IdentityChanged, InvalidValue, NotFound, StoreError
from calsync_core.models import (
    Account,
    AccountStatus,
    CalendarRole,
    ChangeCount,
    ChangePage,
    Changes,
    Lease,
    Mark,
    NoticeKind,
    Password,
    Span,
    SyncPolicy,
)
from calsync_core.protocols import ReadRequest, Session
from calsync_core.stores import MemoryStore
from calsync_core.system import StaticTokens
from calsync_core.testing.faults import Fault, FaultKind, FaultyProvider
from planted import PASSWORD
from world import SECRET, World, at

RESPECT = SyncPolicy(horizon_days=30, on_block_deleted="respect")
FORTNIGHT = SyncPolicy(horizon_days=14)


class Interrupted(FaultyProvider):
    """Something happens while a calendar is being read."""

    meanwhile: Callable[[Session, ReadRequest], None] | None = None

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        for page in super().fetch_changes(session, request):
            if self.meanwhile is not None:
                self.meanwhile(session, request)
            yield page


def interruptible(world: World) -> Interrupted:
    provider = Interrupted(world.provider)
    world.provider = provider
    world.restart()
    return provider


def pair() -> World:
    return World(("work", "home"))


def account(world: World, name: str) -> int:
    return world.store.load_calendar(world.id(name)).account_id


def fill(world: World, count: int = 25, day: int = 1) -> None:
    for number in range(count):
        world.book("work", f"w{number}", at(day + number % 14, 8 + number // 14))


def remove(world: World, numbers: range) -> None:
    for number in numbers:
        world.service.remove(world.remote["work"], f"w{number}")


def with_lost_store(world: World, policy: SyncPolicy | None = None) -> World:
    """The same calendars and secret, and a store that knows nothing."""
    policy = policy or SyncPolicy(horizon_days=30)
    again = World((), service=world.service, clock=world.clock, policy=policy)
    again.remote = dict(world.remote)
    for name in world.remote:
        again.connect(name)
    return again


# -- what is far does not decide what is near


def test_a_copy_beyond_the_horizon_hides_none_inside_it() -> None:  # I-01
    world = World(("a", "b", "c"), policy=FORTNIGHT)
    world.book("b", "x", at(14, 20))
    world.sync()
    world.sync()
    world.book("a", "u", at(15, 10))
    world.book("b", "u", at(5, 9))
    world.service.retitle(world.remote["b"], "x", "has the far day looked at too")
    world.sync()
    assert world.starts("c") == [at(5, 9), at(14, 20)]
    world.check()


def test_a_copy_beyond_the_horizon_doubles_none_inside_it() -> None:  # I-06
    world = World(("a", "b"), policy=FORTNIGHT)
    world.book("a", "x", at(14, 20))
    world.sync()
    world.sync()
    world.book("a", "u", at(15, 15))
    world.service.put(world.remote["a"], world.service.event("u", at(2, 11), at(2, 12), id="u-copy"))
    world.service.move(world.remote["a"], "x", at(14, 21))
    world.sync()
    assert world.starts("b") == [at(2, 11), at(14, 21)]
    world.check()


# -- deletions that wait for the host (I-08)


@pytest.mark.parametrize("verb", ["approve", "drop"])
def test_a_decision_on_some_held_deletions_decides_nothing_on_the_others(verb: str) -> None:  # I-08
    world = pair()
    fill(world)
    world.sync()
    remove(world, range(25))
    assert world.sync().held == 25
    refs = [held.ref for held in world.engine.held()]
    assert getattr(world.engine, verb)(refs[:10]) == 10
    report = world.sync()
    assert (report.busy_blocks_deleted, report.held) == (10 if verb == "approve" else 0, 15)
    assert len(world.blocks("home")) == (15 if verb == "approve" else 25)


def test_a_day_that_passes_is_no_decision() -> None:  # I-08
    world = pair()
    fill(world, 30)
    world.sync()
    remove(world, range(18))
    assert world.sync().busy_blocks_deleted == 18
    remove(world, range(18, 23))
    assert world.sync().held == 5
    world.clock.advance(timedelta(hours=49))
    report = world.sync()
    assert (report.busy_blocks_deleted, report.held) == (0, 5)


def test_deletions_that_wait_for_a_paused_target_count() -> None:  # I-08
    world = pair()
    fill(world, 60)
    world.sync()
    world.engine.pause(account(world, "home"))
    for first in range(0, 60, 15):
        remove(world, range(first, first + 15))
        world.sync()
    world.engine.resume(account(world, "home"))
    report = world.sync()
    assert (report.busy_blocks_deleted, report.held) == (30, 30)


def test_blocks_of_the_past_do_not_make_a_mass_deletion_look_small() -> None:  # I-08
    world = pair()
    for number in range(40):
        world.book("work", f"past{number}", at(1 + number // 5, 10 + number % 5))
    world.sync()
    world.clock.advance(timedelta(days=12))
    fill(world, day=14)
    world.sync()
    remove(world, range(25))
    report = world.sync()
    assert (report.busy_blocks_deleted, report.held) == (0, 25)


def test_what_the_host_ordered_makes_no_later_deletion_suspicious() -> None:  # I-08, decision 18
    world = pair()
    fill(world)
    world.sync()
    world.engine.disable(world.id("work"))
    world.sync()
    world.engine.enable(world.id("work"))
    world.sync()
    remove(world, range(1))
    report = world.sync()
    assert (report.busy_blocks_deleted, report.held) == (1, 0)


def test_blocks_that_the_user_deleted_make_no_later_deletion_suspicious() -> None:  # I-08, I-47
    world = pair()
    fill(world)
    world.sync()
    world.sync()
    world.clock.advance(timedelta(minutes=5))
    for block in world.blocks("home"):
        world.service.remove(world.remote["home"], block.key)
    assert world.sync().busy_blocks_created == 25
    remove(world, range(1))
    report = world.sync()
    assert (report.busy_blocks_deleted, report.held) == (1, 0)


def test_no_block_is_created_because_its_deletion_is_suspicious() -> None:  # I-08
    world = pair()
    world.sync()
    world.engine.pause(account(world, "home"))
    fill(world)
    world.sync()
    remove(world, range(25))
    world.sync()
    world.engine.resume(account(world, "home"))
    world.sync()
    assert world.blocks("home") == []
    world.check()


def test_a_pinned_block_leaves_a_target_that_is_switched_off() -> None:  # decision 18
    world = pair()
    fill(world)
    world.sync()
    remove(world, range(25))
    world.sync()
    world.engine.drop()
    world.sync()
    assert len(world.blocks("home")) == 25
    world.engine.disable(world.id("home"))
    world.sync()
    assert world.blocks("home") == []


# -- a lost store (I-49)


def test_a_moved_series_is_adopted_by_a_new_store() -> None:  # I-49
    world = pair()
    start = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
    series = world.service.event("s", start, start + timedelta(hours=1), recurrence=("RRULE:FREQ=DAILY;COUNT=25",))
    world.service.put(world.remote["work"], series)
    world.sync()
    later = Span(start + timedelta(hours=1), start + timedelta(hours=2))
    world.service.put(world.remote["work"], evolve(series, span=later))
    assert world.sync().busy_blocks_updated == 25  # re-pointed: their keys tell another slot
    again = with_lost_store(world)
    report = again.sync()
    assert (report.writes, report.held) == (0, 0)
    assert len(again.blocks("home")) == 25
    again.check()


def test_a_held_orphan_that_is_wanted_again_is_not_doubled() -> None:  # I-49, I-06
    world = pair()
    fill(world)
    world.book("work", "keep", at(20))
    world.sync()
    remove(world, range(25))
    again = with_lost_store(world)
    assert again.sync().held == 25
    fill(again)
    assert again.sync().held == 0
    assert len(again.blocks("home")) == 26
    again.check()


def test_an_orphan_beyond_the_horizon_is_judged_once_the_horizon_reaches_it() -> None:  # I-49, I-23
    world = World(("work", "home"), policy=SyncPolicy(horizon_days=60))
    world.book("work", "m1", at(45))
    world.book("work", "m2", at(2))
    world.sync()
    world.service.remove(world.remote["work"], "m1")
    again = with_lost_store(world, SyncPolicy(horizon_days=30))
    again.sync()
    assert again.starts("home") == [at(2), at(45)]
    again.clock.advance(timedelta(days=20))
    again.sync()
    assert again.starts("home") == [at(2)]
    again.check()


def test_an_orphan_is_judged_once_its_source_owes_nothing() -> None:  # I-49, I-07
    world = pair()
    world.book("work", "m1", at(3))
    world.book("work", "m2", at(2))
    world.sync()
    world.service.remove(world.remote["work"], "m1")
    world.service.corrupt(world.remote["work"], "m2")
    again = with_lost_store(world)
    again.sync()
    assert again.starts("home") == [at(2), at(3)]  # m1 may be what can't be read
    world.service.mend(world.remote["work"], "m2")
    again.clock.advance(timedelta(hours=1))
    again.sync()
    assert again.starts("home") == [at(2)]
    again.check()


def test_textual_copies_with_one_mark_are_all_taken_back() -> None:  # I-17
    world = pair()
    world.sync()
    email = world.store.load_account(account(world, "work")).email
    mark = Mark(f"{email}:{world.remote['work']}:gone", 0, None, textual=True)
    for number in range(3):
        event = world.service.event(f"t{number}", at(2 + number), at(2 + number, 10), mark=mark)
        world.service.put(world.remote["home"], event)
    world.sync()
    assert world.service.items(world.remote["home"]) == []
    world.check()


# -- whose login it is (I-46)


def shared_with_eve() -> tuple[World, FaultyProvider]:
    """Everything is synced; eve may write to the calendar at home, and there is something to write."""
    world = pair()
    provider = interruptible(world)
    world.service.add_user("eve", PASSWORD)
    world.service.share(world.remote["home"], "eve", CalendarRole.WRITER)
    world.sync()
    world.sync()
    world.book("work", "m1", at(1))
    return world, provider


def test_a_login_that_could_not_be_checked_is_not_used() -> None:  # I-46
    world, provider = shared_with_eve()
    world.engine.attach(account(world, "home"), Password("eve", PASSWORD))
    provider.schedule(Fault(FaultKind.ERROR, "identify"))
    for _ in range(2):
        assert world.engine.sync_calendars_needing_polling().writes == 0
    assert len(world.told(NoticeKind.IDENTITY_CHANGED)) == 1
    assert world.blocks("home") == []


def test_a_push_on_another_calendar_uses_no_unchecked_login() -> None:  # I-46
    world, _ = shared_with_eve()
    world.engine.attach(account(world, "home"), Password("eve", PASSWORD))
    report = world.engine.sync_from_webhook(world.id("work"))
    assert report is not None
    assert [failure.kind for failure in report.errors] == ["IdentityChanged"]
    assert world.blocks("home") == []


def test_a_login_that_the_host_looks_up_is_checked_too() -> None:  # I-46
    world, _ = shared_with_eve()
    engine = SyncEngine(
        store=world.store,
        providers={"memory": world.provider},
        secret=SECRET,
        clock=world.clock,
        tokens=lambda one: StaticTokens(Password("eve" if one.name == "home" else "ana-work", PASSWORD)),
    )
    report = engine.sync_calendars_needing_polling()
    assert [failure.kind for failure in report.errors] == ["IdentityChanged"]
    assert world.blocks("home") == []


def test_a_login_at_another_provider_bars_no_account_of_its_name() -> None:  # I-46
    world, _ = shared_with_eve()
    two = {"memory": world.provider, "elsewhere": world.provider}
    engine = SyncEngine(store=world.store, providers=two, secret=SECRET, clock=world.clock)
    with pytest.raises(InvalidValue, match=r"^name: 'home' is the name of an account at 'memory'"):
        engine.connect(Account(owner="ana", provider="elsewhere", name="home"), Password("eve", PASSWORD))
    assert {each.status for each in engine.accounts()} == {AccountStatus.ACTIVE}


def test_what_was_planned_without_a_barred_target_is_planned_again_with_it() -> None:  # I-46, I-01
    world, _ = shared_with_eve()
    with pytest.raises(IdentityChanged):
        world.engine.connect(Account(owner="ana", provider="memory", name="home"), Password("eve", PASSWORD))
    assert world.sync().writes == 0
    world.connect("home")
    world.sync()
    assert world.starts("home") == [at(1)]
    world.check()


def test_an_audit_repairs_what_no_journal_line_names() -> None:  # I-01
    world, _ = shared_with_eve()
    home = world.store.load_account(account(world, "home"))
    world.store.save_account(evolve(home, status=AccountStatus.IDENTITY_CHANGED))
    world.sync()
    world.store.save_account(home)
    audit = world.engine.audit()
    assert (audit.missing, audit.repaired, audit.ok) == (1, 0, False)
    audit = world.engine.audit(repair=True)
    assert (audit.missing, audit.repaired, audit.ok) == (0, 1, True)
    assert world.starts("home") == [at(1)]


# -- the host decides meanwhile


def test_a_calendar_switched_off_while_it_vanishes_stays_off() -> None:  # I-42
    world = pair()
    provider = interruptible(world)
    world.sync()

    def vanish(_session: Session, request: ReadRequest) -> None:
        if request.calendar.id == world.id("home"):
            world.engine.disable(world.id("home"))
            raise NotFound("gone")

    provider.meanwhile = vanish
    world.engine.sync_calendars_needing_polling()
    assert not world.store.load_calendar(world.id("home")).enabled


def test_an_account_paused_while_its_login_recovers_stays_paused() -> None:  # I-35
    world = pair()
    provider = interruptible(world)
    world.sync()
    home = account(world, "home")
    world.store.save_account(evolve(world.store.load_account(home), status=AccountStatus.AUTH_EXPIRED))

    def pause(_session: Session, request: ReadRequest) -> None:
        if request.calendar.id == world.id("home"):
            world.engine.pause(home)

    provider.meanwhile = pause
    world.engine.sync_calendars_needing_polling()
    assert world.store.load_account(home).status is AccountStatus.PAUSED


# -- taking back


def test_a_source_disconnected_while_a_target_is_paused_gets_its_block_back() -> None:  # I-43, decision 18
    world = World()
    world.book("work", "m1", at(1))
    world.sync()
    world.engine.pause(account(world, "club"))
    world.engine.disconnect(account(world, "work"))
    world.engine.resume(account(world, "club"))
    world.sync()
    assert world.blocks("club") == []


def test_a_debt_on_a_target_that_was_switched_off_is_paid() -> None:  # decision 18, I-07
    world = World()
    world.book("work", "m1", at(1))
    world.sync()
    key = world.blocks("home")[0].key
    world.service.corrupt(world.remote["home"], key)
    world.sync()
    world.engine.disable(world.id("home"))
    world.service.mend(world.remote["home"], key)
    world.clock.advance(timedelta(hours=3))
    world.sync()
    assert world.blocks("home") == []


def names_left(world: World, name: str) -> tuple[str, ...]:
    """The blocks on a calendar, as a report on a purge names them."""
    return tuple(f"{name}: {block.key}" for block in world.blocks(name))


def test_a_purge_names_what_a_paused_target_keeps() -> None:  # I-43
    world = World()
    world.book("work", "m1", at(1))
    world.sync()
    world.engine.pause(account(world, "club"))
    report = world.engine.disconnect(account(world, "work"))
    assert world.blocks("home") == []
    assert len(world.blocks("club")) == 1
    assert report.residue == names_left(world, "club")
    assert not report.ok


def test_a_purge_names_what_a_strangers_login_can_not_take_back() -> None:  # I-43, I-46
    world, _ = shared_with_eve()
    world.sync()
    with pytest.raises(IdentityChanged):
        world.engine.connect(Account(owner="ana", provider="memory", name="home"), Password("eve", PASSWORD))
    report = world.engine.purge()
    assert len(world.blocks("home")) == 1
    assert report.residue == names_left(world, "home")


def test_a_purge_checks_whose_login_it_uses() -> None:  # I-46
    world, _ = shared_with_eve()
    world.sync()
    world.engine.attach(account(world, "home"), Password("eve", PASSWORD))
    report = world.engine.purge()
    assert len(world.blocks("home")) == 1
    assert report.residue == names_left(world, "home")
    assert [failure.kind for failure in report.errors] == ["IdentityChanged"]


def test_a_purge_names_what_it_may_no_longer_write_to() -> None:  # I-43, I-42
    world = pair()
    world.book("work", "m1", at(1))
    world.sync()
    world.service.share(world.remote["home"], "ana-home", CalendarRole.READER)
    world.engine.discover(account(world, "home"))
    report = world.engine.purge()
    assert len(world.blocks("home")) == 1
    assert report.residue == names_left(world, "home")


@pytest.mark.parametrize("failures", [1, 9])
def test_a_purge_tells_the_truth_about_a_target_that_failed(failures: int) -> None:  # I-43
    world = World()
    provider = interruptible(world)
    world.book("work", "m1", at(1))
    world.sync()
    world.service.move(world.remote["work"], "m1", at(2))
    for _ in range(failures):  # the first of them leaves a write in doubt, to be tried again later
        provider.schedule(Fault(FaultKind.ERROR, "apply", skip=1))
    world.engine.sync_calendars_needing_polling()
    provider.schedule(Fault(FaultKind.ERROR, "apply"))
    report = world.engine.purge(account_id=account(world, "work"))
    left = (*names_left(world, "home"), *names_left(world, "club"))
    assert set(report.residue) == set(left)
    assert report.ok == (not left)


def test_a_purged_source_leaves_nothing_in_the_past_of_others() -> None:  # I-43, decision 17
    world = World()
    world.book("work", "m1", at(1))
    world.book("home", "h1", at(1, 15))
    world.sync()
    world.clock.advance(timedelta(days=3))
    world.sync()
    report = world.engine.purge(account_id=account(world, "work"))
    assert report.ok
    assert world.starts("club") == [at(1, 15)]


# -- what the user does


def test_a_respected_deletion_is_forgotten_when_the_source_moves() -> None:  # decision 10
    world = World(("work", "home"), policy=RESPECT)
    world.book("work", "m1", at(1))
    world.sync()
    world.sync()
    world.clock.advance(timedelta(minutes=10))
    world.service.remove(world.remote["home"], world.blocks("home")[0].key)
    world.service.move(world.remote["work"], "m1", at(3))
    world.engine.sync_from_webhook(world.id("work"))  # the update finds nothing
    world.clock.advance(timedelta(minutes=10))
    world.sync()
    assert world.starts("home") == [at(3)]
    world.check()


def test_a_deletion_that_waits_is_withdrawn_from_a_respected_block() -> None:  # decision 10, I-01
    world = World(("work", "home"), policy=RESPECT)
    world.book("work", "m1", at(1))
    world.sync()
    world.sync()
    world.clock.advance(timedelta(minutes=10))
    world.service.move(world.remote["home"], world.blocks("home")[0].key, at(5))
    world.sync()
    world.engine.pause(account(world, "home"))
    world.service.remove(world.remote["work"], "m1")
    world.sync()
    world.book("work", "m1", at(1))
    world.sync()
    world.engine.resume(account(world, "home"))
    assert world.sync().busy_blocks_deleted == 0
    world.check()


def test_the_past_is_neither_restored_nor_retitled() -> None:  # decision 17
    world = pair()
    world.book("work", "m1", at(0, 9))
    world.book("work", "m2", at(0, 10))
    world.sync()
    world.sync()
    world.clock.advance(timedelta(hours=5))
    world.service.remove(world.remote["home"], world.blocks("home")[0].key)
    assert world.sync().writes == 0
    world.restart(policy=SyncPolicy(horizon_days=30, title="Other"))
    assert world.sync().writes == 0


def test_a_block_is_ours_again_once_its_guests_are_gone() -> None:  # I-45
    world = World()
    world.book("work", "m1", at(1))
    world.sync()
    key = world.blocks("home")[0].key
    world.service.adorn(world.remote["home"], key)
    world.sync()
    assert world.starts("work") == [at(1)]
    world.service.edit(world.remote["home"], key, adorned=False)
    world.sync()
    assert world.starts("work") == []
    world.service.remove(world.remote["work"], "m1")
    world.sync()
    assert world.blocks("home") == world.blocks("club") == []
    world.check()


# -- slow, limited, broken


def test_a_page_slower_than_a_lease_is_stored_all_the_same() -> None:  # I-05
    world = pair()
    provider = interruptible(world)
    world.sync()
    world.book("work", "m1", at(1))

    def dawdle(_session: Session, _request: ReadRequest) -> None:
        world.clock.advance(timedelta(seconds=61))

    provider.meanwhile = dawdle
    world.sync()
    assert world.starts("home") == [at(1)]


class Quirky(MemoryStore):
    """A store that is locked whenever one calendar is written to."""

    locked: int | None = None

    def save_changes(self, lease: Lease, calendar_id: int, changes: Changes) -> ChangeCount:
        if calendar_id == self.locked:
            raise StoreError("locked")
        return super().save_changes(lease, calendar_id, changes)


def test_a_strangers_exception_ends_no_sweep_and_is_not_quoted() -> None:  # I-37, I-39
    world = World()
    provider = interruptible(world)
    world.sync()
    world.book("home", "m1", at(1))

    def fail(session: Session, _request: ReadRequest) -> None:
        if session.account.name == "work":
            raise ValueError("could not parse 'Layoffs'")

    provider.meanwhile = fail
    report = world.engine.sync_calendars_needing_polling()
    assert [(failure.account, failure.calendar, failure.kind) for failure in report.errors] == [
        ("work", "work", "ValueError")
    ]
    assert "Layoffs" not in str(report.as_dict())
    assert world.starts("club") == [at(1)]


def test_a_store_that_fails_for_one_calendar_ends_no_sweep() -> None:  # I-37
    store = Quirky()
    world = World(store=store)
    world.sync()
    world.book("home", "m1", at(1))
    store.locked = world.id("work")
    report = world.engine.sync_calendars_needing_polling()
    assert [failure.kind for failure in report.errors] == ["StoreError"]
    assert world.starts("club") == [at(1)]


def test_an_account_forgotten_meanwhile_ends_no_sweep() -> None:  # I-37
    world = World()
    provider = interruptible(world)
    world.sync()
    world.book("club", "m1", at(1))
    home = account(world, "home")

    def forget(session: Session, _request: ReadRequest) -> None:
        if session.account.name == "work":
            world.store.delete_account(home)

    provider.meanwhile = forget
    report = world.engine.sync_calendars_needing_polling()
    assert {failure.kind for failure in report.errors} == {"UnknownAccount"}
    assert world.starts("work") == [at(1)]


def with_second_calendar() -> tuple[World, Interrupted]:
    """The account "work" has two calendars, and there is something to write to both of them."""
    world = pair()
    provider = interruptible(world)
    world.service.add_calendar("ana-work", "second", timezone="UTC")
    for calendar in world.engine.discover(account(world, "work")):
        world.engine.enable(calendar.key)
    world.sync()
    world.sync()
    world.book("home", "m1", at(1))
    return world, provider


@pytest.mark.parametrize("operation", ["fetch_changes", "apply"])
def test_a_rate_limit_holds_for_the_whole_account_reads_and_writes(operation: str) -> None:  # I-33
    world, provider = with_second_calendar()
    asked: list[str] = []
    provider.meanwhile = lambda session, _request: asked.append(session.account.name)
    provider.schedule(Fault(FaultKind.RATE_LIMITED, operation, retry_after=3600.0))
    report = world.engine.sync_calendars_needing_polling()
    assert [failure.kind for failure in report.errors] == ["RateLimited"]
    assert report.writes == 0
    asked.clear()
    world.clock.advance(timedelta(minutes=59))
    report = world.engine.sync_calendars_needing_polling()
    assert asked == ["home"]
    assert (report.api_calls, report.writes) == (1, 0)
    world.clock.advance(timedelta(minutes=2))
    assert world.sync().writes == 2
    world.check()


def test_a_snapshot_that_shows_only_another_owners_blocks_has_listed_empty() -> None:  # I-08, I-16
    world = pair()
    other = World(("x", "y"), owner="bob", service=world.service, clock=world.clock)
    world.service.share(world.remote["work"], "bob-y", CalendarRole.WRITER)
    found = {calendar.remote_id: calendar for calendar in other.engine.discover(account(other, "y"))}
    other.engine.enable(found[world.remote["work"]].key, publish=False)
    other.book("x", "b1", at(3))
    other.sync()
    fill(world, 10)
    world.sync()
    remove(world, range(10))
    report = world.engine.sync_all_calendars()
    assert (report.busy_blocks_deleted, report.held) == (0, 10)


# -- looking


def test_a_plan_for_one_calendar_shows_its_deletions() -> None:
    world = pair()
    world.book("work", "m1", at(1))
    world.sync()
    world.service.remove(world.remote["work"], "m1")
    for name in ("work", "home"):
        plan = world.engine.plan(calendar_id=world.id(name))
        assert [str(operation.kind) for operation in plan.operations] == ["delete"]


def test_an_audit_sees_a_deleted_block_that_stands_again() -> None:  # I-01, I-50
    world = pair()
    world.book("work", "m1", at(1))
    world.sync()
    (block,) = world.blocks("home")
    world.service.remove(world.remote["work"], "m1")
    world.sync()
    world.memory.put(world.remote["home"], block)
    audit = world.engine.audit()
    assert (audit.extra, audit.ok) == (1, False)
    assert world.engine.audit(repair=True).ok
    assert world.blocks("home") == []


def test_a_cursor_of_another_shape_has_everything_read_afresh() -> None:  # I-12
    world = pair()
    for number in range(3):
        world.book("work", f"m{number}", at(1 + number))
    world.sync()
    world.sync()
    assert world.sync().events_processed == 0
    world.memory.window_listing = True  # as a calendar's other time zone does with CalDAV
    assert world.sync().events_processed == 6  # unchanged etags prove nothing
    world.check()
