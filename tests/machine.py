"""Random histories: people at their calendars, networks, clocks, hosts, other workers and backups against the engine's
promises.

``Histories`` is a Hypothesis state machine over a ``MemoryService``; subclass it to run the same histories on another
store (``open_store``) or another service (``open_service``). After every sync, settled or not, no user event may have
changed (I-02) and no block may have been mirrored (I-15); once all is calm again, ``oracle.examine`` must agree with
what stands (I-01, I-06), the audit with the oracle, and a second sync must write nothing (I-03).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
from attrs import evolve
from hypothesis import event, note
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from calsync_core.core.identity import Keyring
from calsync_core.engine import SyncEngine
from calsync_core.errors import InvalidValue, LeaseBusy, LeaseLost, ProviderError
from calsync_core.models import (
    Availability,
    CalendarRole,
    Event,
    EventKind,
    Item,
    MirrorRule,
    Moment,
    PurgeReport,
    Response,
    SyncPolicy,
)
from calsync_core.protocols import Store
from calsync_core.providers.memory import MemoryService
from calsync_core.stores import MemoryStore
from calsync_core.testing.clock import VirtualClock
from calsync_core.testing.deaths import Died, DyingProvider, DyingStore
from calsync_core.testing.faults import Fault, FaultKind, FaultyProvider
from interruptions import Interruption, Skewed, Stall
from mixed_service import MixedService, Service
from oracle import examine
from planted import PASSWORD
from world import SECRET, START, World, providers_of

__all__ = ["SHAPES", "TALLY", "Histories", "counted"]

TALLY: Counter[str] = Counter()
"""How often each thing happened, over all histories of this process."""

T = TypeVar("T")

NAMES = ("work", "home", "club")
ZONES = (UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"))
RULES = (
    "RRULE:FREQ=DAILY;COUNT=4",
    "RRULE:FREQ=DAILY",
    "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=7",
    "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=5",
    "RRULE:FREQ=WEEKLY",
)
WAITS = (timedelta(minutes=2), timedelta(hours=1), timedelta(hours=7), timedelta(days=1), timedelta(days=3))

# A read by id that trails behind the writes for longer than the grace time breaks the promise that decision 10 rests
# on, so stale answers come from listings only.
FAULTS = [
    *(Fault(kind, on="fetch_changes") for kind in FaultKind if kind not in {FaultKind.LOST_ANSWER, FaultKind.PUT_OFF}),
    *(Fault(kind, on="fetch_items") for kind in (FaultKind.ERROR, FaultKind.UNREADABLE_ITEM, FaultKind.RATE_LIMITED)),
    *(
        Fault(kind, on="apply", position=position, retry_after=pause)
        for kind in (
            FaultKind.ERROR,
            FaultKind.LOST_ANSWER,
            FaultKind.CUT_SHORT,
            FaultKind.PUT_OFF,
            FaultKind.RATE_LIMITED,
        )
        for position, pause in ((0, None), (1, 30.0))
    ),
]

WAYS = ("polling", "polling", "full", "owner", "webhook", "calendar", "plan")

calendars = st.sampled_from(NAMES)
ways = st.sampled_from(WAYS)
picks = st.integers(0, 1000)
uids = st.sampled_from([f"u{number}@example.com" for number in range(7)])
days = st.integers(-1, 20)
clocks = st.integers(0, 23)
lengths = st.sampled_from([0.5, 1.0, 1.0, 3.0, 26.0, 0.0])
looks = st.fixed_dictionaries(
    {},
    optional={
        "availability": st.sampled_from(Availability),
        "response": st.sampled_from(Response),
        "private": st.booleans(),
        "kind": st.sampled_from(EventKind),
    },
)
titles = st.sampled_from(["Plan", "Talk", "Dentist appointment"])


SHAPES: dict[str, Any] = {
    "shape": st.fixed_dictionaries(
        {"page_size": st.sampled_from([1, 3, 100])},
        optional={
            "shows_tentative": st.booleans(),
            "etag_on_write": st.booleans(),
            "renormalise_titles": st.booleans(),
            "enforce_preconditions": st.booleans(),
            "assigns_ids": st.booleans(),
        },
    ),
    "series": st.sampled_from([{}, {"split_series": True}, {"window_listing": True}]),
    "wary": st.sampled_from([False, False, False, True]),
    "respect": st.sampled_from([False, False, True]),
    "full_hours": st.sampled_from([24, 2000]),
}
"""What differs from history to history."""


def counted(name: str) -> None:
    TALLY[name] += 1
    event(name)


interruptions = st.builds(
    Interruption,
    boundary=st.integers(1, 60),
    deed=st.sampled_from(["nothing", "cancel", "drag", "rules", "switch"]),
    pick=picks,
    minutes=st.sampled_from([0, 0, 1, 3, 90]),
    theirs=st.sampled_from([None, *WAYS]),
    ahead=st.sampled_from([0, 0, -2, 2, 20]),
    dies=st.booleans(),
)


class Histories(RuleBasedStateMachine):
    """One owner with three calendars, and later perhaps a second owner who sees one of them, and a second installation
    on the same ones.

    Attributes:
        shared: The calendar of the first owner's that the second one sees.
        faulty: The main engine's adapters, by provider's name.
    """

    shared = "club"

    world: World
    service: Service | MixedService
    faulty: dict[str, FaultyProvider]
    clock: VirtualClock

    def open_store(self) -> Store:
        """A new, empty store."""
        return MemoryStore()

    def snapshot(self) -> object:
        """A backup of the main store."""
        assert isinstance(self.world.store, MemoryStore)
        return self.world.store.snapshot()

    def bring_back(self, backup: object) -> None:
        """Return one."""
        assert isinstance(self.world.store, MemoryStore)
        self.world.store.restore(backup)

    def open_service(self, **shape: Any) -> Service | MixedService:
        """A new, empty service; ``shape`` is of ``MemoryService``, another makes of it what it can."""
        return MemoryService(**shape)

    def open_world(self, **options: Any) -> World:
        """The first owner's, with all three calendars."""
        return World(NAMES, **options)

    def spoil(self, fault: Fault) -> None:
        """Let a request go wrong."""
        for faulty in self.faulty.values():
            faulty.schedule(fault)

    def calm(self) -> None:
        """From now on all requests go well."""
        for faulty in self.faulty.values():
            faulty.calm()

    @initialize(**SHAPES)
    def begin(
        self, *, shape: dict[str, Any], series: dict[str, bool], wary: bool, respect: bool, full_hours: int
    ) -> None:
        self.clock = VirtualClock(START)
        self.service = self.open_service(**shape, **series)
        self.faulty = {kind: FaultyProvider(adapter) for kind, adapter in providers_of(self.service).items()}
        self.guarded: dict[str, Any] = {"guard_max": 2, "guard_share": 0.2} if wary else {"guard_max": 10_000}
        self.policy = SyncPolicy(
            horizon_days=14,
            full_hours=full_hours,
            on_block_deleted="respect" if respect else "restore",
            **self.guarded,
        )
        self.world = self.open_world(
            service=self.service,
            providers=self.faulty,
            clock=self.clock,
            store=self.open_store(),
            policy=self.policy,
        )
        self.other: World | None = None
        self.neighbour: World | None = None
        self.backups: list[object] = []
        self.desk: str | None = None
        self.before: dict[tuple[str, str], str | None] = {}
        self.untagged: set[str] = set()
        self.adorned: set[str] = set()
        self.block_ids: set[str] = set()
        self.spoiled: set[tuple[str, str]] = set()
        self.serial = 0

    # -- what people do to their events ---------------------------------------------------------------------------

    def moment(self, day: int, hour: int, zone: Any) -> datetime:
        today = self.clock.now().date() + timedelta(days=day)
        return datetime(today.year, today.month, today.day, hour, tzinfo=zone)

    def theirs(self, name: str) -> list[Item]:
        return [item for item in self.service.items(self.world.remote[name]) if not _is_block(item) and item.events]

    def pick(self, found: Sequence[T], pick: int, act: Callable[[T], object], what: str) -> None:
        if found:
            counted(what)
            act(found[pick % len(found)])

    @rule(name=calendars, uid=uids, day=days, hour=clocks, hours=lengths, zone=st.sampled_from(ZONES), look=looks)
    def book(self, *, name: str, uid: str, day: int, hour: int, hours: float, zone: Any, look: dict[str, Any]) -> None:
        start = self.moment(day, hour, zone)
        end = (start.astimezone(UTC) + timedelta(hours=hours)).astimezone(zone)
        self.service.put(self.world.remote[name], self.service.event(uid, start, end, **{"title": "Plan"} | look))
        counted("book")

    @rule(name=calendars, uid=uids, day=days, length=st.integers(1, 3), look=looks)
    def book_days(self, *, name: str, uid: str, day: int, length: int, look: dict[str, Any]) -> None:
        first = self.clock.now().date() + timedelta(days=day)
        made = self.service.event(uid, first, first + timedelta(days=length), **{"title": "Trip"} | look)
        self.service.put(self.world.remote[name], made)
        counted("book days")

    @rule(
        name=calendars,
        uid=uids,
        day=st.integers(-9, 10),
        hour=clocks,
        zone=st.sampled_from(ZONES),
        lines=st.sampled_from(RULES),
        all_day=st.booleans(),
        look=looks,
    )
    def book_series(
        self, *, name: str, uid: str, day: int, hour: int, zone: Any, lines: str, all_day: bool, look: dict[str, Any]
    ) -> None:
        start: Moment = self.moment(day, hour, zone)
        length = timedelta(hours=1)
        if all_day:
            start, length = start.date() if isinstance(start, datetime) else start, timedelta(days=1)
        made = self.service.event(uid, start, start + length, **{"title": "Series", "recurrence": (lines,)} | look)
        self.service.put(self.world.remote[name], made)
        counted("book series")

    @rule(name=calendars, pick=picks, day=days, hour=clocks)
    def drag(self, *, name: str, pick: int, day: int, hour: int) -> None:
        def act(one: Event) -> None:
            start: Moment = self.moment(day, hour, getattr(one.span.start, "tzinfo", UTC))
            if one.span.all_day:
                start = self.clock.now().date() + timedelta(days=day)
            self.service.move(self.world.remote[name], one.id, start, start + _length(one))

        self.pick(_movable(self.theirs(name)), pick, act, "drag")

    @rule(name=calendars, pick=picks, look=looks, title=titles, cancelled=st.sampled_from([False, False, True]))
    def edit(self, *, name: str, pick: int, look: dict[str, Any], title: str, cancelled: bool) -> None:
        def act(one: Event) -> None:
            self.service.edit(self.world.remote[name], one.id, title=title, cancelled=cancelled, **look)

        self.pick([one for item in self.theirs(name) for one in item.events], pick, act, "edit")

    @rule(name=calendars, pick=picks)
    def cancel(self, *, name: str, pick: int) -> None:
        self.pick(
            self.theirs(name), pick, lambda item: self.service.remove(self.world.remote[name], item.key), "remove"
        )

    @rule(name=calendars, pick=picks, lines=st.sampled_from([*RULES, ""]))
    def change_rule(self, *, name: str, pick: int, lines: str) -> None:
        def act(master: Event) -> None:
            self.service.put(self.world.remote[name], evolve(master, recurrence=(lines,) if lines else ()))

        self.pick(_singles(self.theirs(name)), pick, act, "change rule")

    @rule(name=calendars, pick=picks, nth=st.integers(0, 12), deed=st.sampled_from(["cancel", "move", "answer"]))
    def except_one(self, *, name: str, pick: int, nth: int, deed: str) -> None:
        def act(master: Event) -> None:
            original = _nth(master, nth)
            changes: dict[str, Any] = {"cancelled": True}
            if deed == "move":
                changes = {"start": original + timedelta(days=1 if master.span.all_day else 0, hours=3)}
            elif deed == "answer":
                changes = {"response": Response.DECLINED}
            made = self.service.exception(master, original, **changes)
            self.service.put(self.world.remote[name], made)

        self.pick(_masters(self.theirs(name)), pick, act, "exception")

    @rule(name=calendars, pick=picks)
    def restore_one(self, *, name: str, pick: int) -> None:
        exceptions = [one for item in self.theirs(name) for one in item.events if one.series is not None]
        self.pick(exceptions, pick, lambda one: self.service.remove(self.world.remote[name], one.id), "restore one")

    @rule(name=calendars, pick=picks, nth=st.integers(1, 6), hours=st.integers(0, 3))
    def split(self, *, name: str, pick: int, nth: int, hours: int) -> None:
        """This and following: the old series ends, a new one with another UID begins."""

        def act(master: Event) -> None:
            self.serial += 1
            start = _nth(master, nth) + timedelta(hours=0 if master.span.all_day else hours)
            last = f"RRULE:FREQ=DAILY;COUNT={nth}"
            remote = self.world.remote[name]
            self.service.put(remote, evolve(master, recurrence=(last,)))
            made = self.service.event(
                f"split{self.serial}@example.com",
                start,
                start + _length(master),
                recurrence=master.recurrence,
                title=master.title,
            )
            self.service.put(remote, made)

        self.pick(_masters(self.theirs(name)), pick, act, "split")

    # -- what people do to blocks ---------------------------------------------------------------------------------

    @rule(
        name=calendars,
        pick=picks,
        deed=st.sampled_from(["remove", "move", "retitle", "strip", "adorn", "copy", "answer", "repeat"]),
        day=st.integers(0, 9),
    )
    def tamper(self, *, name: str, pick: int, deed: str, day: int) -> None:
        remote = self.world.remote[name]

        def act(item: Item) -> None:
            if deed == "remove":
                self.service.remove(remote, item.key)
            elif deed == "move":
                start = item.events[0].span.start
                self.service.move(remote, item.key, start + timedelta(days=day))
            elif deed == "retitle":
                self.service.retitle(remote, item.key, "Lunch")
            elif deed == "strip":
                self.untagged.add(item.key)
                self.service.strip_tag(remote, item.key)
            elif deed == "adorn":
                self.adorned.add(item.key)
                self.service.adorn(remote, item.key)
            elif deed == "repeat":
                self.adorned.add(item.key)
                self.service.edit(remote, item.key, recurrence=("RRULE:FREQ=DAILY;COUNT=2",))
            elif deed == "answer":
                self.service.edit(remote, item.key, availability=Availability.FREE)
            else:
                self.serial += 1
                self.service.copy_block(remote, item.key, f"copy{self.serial}")

        # Nobody sees an unreadable one, and a copy of it nobody would mend.
        out_of_reach = self.adorned | {key for _, key in self.spoiled}
        blocks = [item for item in self.service.blocks(remote) if item.key not in out_of_reach]
        self.pick(blocks, pick, act, f"tamper {deed}")

    # -- what goes wrong ------------------------------------------------------------------------------------------

    @rule(fault=st.sampled_from(FAULTS), skip=st.integers(0, 3), behind=st.integers(1, 3))
    def spoil_a_request(self, *, fault: Fault, skip: int, behind: int) -> None:
        self.spoil(evolve(fault, skip=skip, behind=behind))
        counted(f"fault {fault.kind} on {fault.on}")

    @rule(name=calendars, pick=picks)
    def spoil_an_item(self, *, name: str, pick: int) -> None:
        def act(item: Item) -> None:
            self.service.corrupt(self.world.remote[name], item.key)
            self.spoiled.add((name, item.key))

        self.pick(self.service.items(self.world.remote[name]), pick, act, "unreadable item")

    @rule()
    def mend_items(self) -> None:
        for name, key in sorted(self.spoiled):
            if any(item.key == key for item in self.service.items(self.world.remote[name])):
                self.service.mend(self.world.remote[name], key)
        self.spoiled.clear()

    @rule(name=calendars)
    def expire_cursors(self, *, name: str) -> None:
        self.service.expire_cursors(self.world.remote[name])
        counted("cursor expired")

    @rule(name=calendars, gone=st.booleans())
    def calendar_comes_and_goes(self, *, name: str, gone: bool) -> None:
        (self.service.remove_calendar if gone else self.service.bring_back)(self.world.remote[name])
        counted("calendar vanishes" if gone else "calendar returns")

    @rule(name=calendars, role=st.sampled_from([CalendarRole.READER, CalendarRole.OWNER]))
    def change_rights(self, *, name: str, role: CalendarRole) -> None:
        self.service.share(self.world.remote[name], f"ana-{name}", role)
        counted(f"rights {role}")

    @rule(name=calendars, valid=st.booleans())
    def change_password(self, *, name: str, valid: bool) -> None:
        self.service.set_password(f"ana-{name}", PASSWORD if valid else "another")
        counted("login works" if valid else "login revoked")

    @rule(wait=st.sampled_from(WAITS))
    def time_passes(self, *, wait: timedelta) -> None:
        self.clock.advance(wait)
        counted(f"wait {wait}")

    # -- what the host does ---------------------------------------------------------------------------------------

    @rule(name=calendars, on=st.booleans(), publish=st.booleans(), receive=st.booleans())
    def switch(self, *, name: str, on: bool, publish: bool, receive: bool) -> None:
        if on and (publish or receive):
            self.world.engine.enable(self.world.id(name), publish=publish, receive=receive)
        else:
            self.world.engine.disable(self.world.id(name))
        counted("switch")

    @rule(
        wishes=st.lists(
            st.tuples(
                st.sampled_from([None, *NAMES]),
                st.sampled_from([None, *NAMES]),
                st.sampled_from([None, "{title}", "Away"]),
                st.sampled_from([None, "busy", "free", "skip"]),
            ),
            max_size=3,
        )
    )
    def set_rules(self, *, wishes: list[tuple[Any, Any, Any, Any]]) -> None:
        made = [
            MirrorRule(
                source=None if source is None else self.world.id(source),
                target=None if target is None else self.world.id(target),
                title=title,
                all_day=all_day,
            )
            for source, target, title, all_day in wishes
        ]
        self.world.engine.set_rules("ana", made)
        counted("rules")

    @rule(
        horizon=st.sampled_from([3, 14, 20]),
        title=st.sampled_from(["Busy", "{title}"]),
        all_day=st.sampled_from(["busy", "free", "skip"]),
        unanswered=st.sampled_from(["tentative", "busy", "none"]),
    )
    def change_policy(self, *, horizon: int, title: str, all_day: Any, unanswered: Any) -> None:
        changes = {"horizon_days": horizon, "title": title, "all_day": all_day, "unanswered": unanswered}
        self.policy = evolve(self.policy, **changes)
        self.reconfigure(policy=self.policy)
        counted("policy")

    @rule()
    def rotate_secret(self) -> None:
        secrets = self.world.options["secret"]
        known = [secrets] if isinstance(secrets, str) else secrets
        self.reconfigure(secret=[f"{SECRET} {len(known)}", *known])
        counted("secret rotated")

    def reconfigure(self, **changes: Any) -> None:
        """Both owners are looked after by one installation: all its processes have the same configuration."""
        for world in self.ours:
            world.restart(**changes)

    @rule()
    def restart(self) -> None:
        self.reconfigure()

    @rule(yes=st.booleans())
    def decide_holds(self, *, yes: bool) -> None:
        if self.world.engine.held():
            counted("approve" if yes else "drop")
            (self.world.engine.approve if yes else self.world.engine.drop)()

    @rule()
    def back_up(self) -> None:
        self.backups = [*self.backups[-2:], self.snapshot()]

    @precondition(lambda self: self.backups)
    @rule(pick=picks)
    def restore_backup(self, *, pick: int) -> None:
        self.bring_back(self.backups[pick % len(self.backups)])
        self.reconfigure()
        for world in self.ours:
            world.find_again()
        if self.neighbour is not None and not self.neighbour.calendars:
            # They came later than the backup. What was written for them is nobody's until they connect again.
            self.neighbour = None
        counted("store restored")

    @rule()
    def lose_store(self) -> None:
        self.connectable()
        self.world.store = self.open_store()
        self.world.restart()
        self.backups, self.neighbour = [], None
        for name in NAMES:
            self.world.connect(name)
        counted("store lost")

    @precondition(lambda self: self.other is None)
    @rule()
    def another_installation(self) -> None:
        self.connectable()
        self.other = World(
            (),
            service=self.service,
            providers=self.faulty,
            clock=self.clock,
            store=self.open_store(),
            secret="an entirely different secret",
            policy=self.policy,
        )
        for name in NAMES:
            self.other.remote[name] = self.world.remote[name]
            self.other.connect(name)
        counted("second installation")

    @precondition(lambda self: self.neighbour is None)
    @rule()
    def another_owner(self) -> None:
        """Bo has a desk, and sees one of Ana's calendars: the same installation looks after both."""
        self.connectable()
        bo = World(
            (),
            owner="bo",
            service=self.service,
            providers=self.faulty,
            clock=self.clock,
            store=self.world.store,
            **self.world.options,
        )
        desk, theirs = f"bo-{self.shared}", self.world.remote[self.shared]
        if self.desk is None:
            self.service.add_user(desk, PASSWORD)
            self.desk = self.service.add_calendar(desk, self.shared, timezone="Europe/Berlin", primary=True)
        # A reader would not be shown whether Ana has answered to a private meeting.
        self.service.share(theirs, desk, CalendarRole.WRITER)
        bo.remote[self.shared] = self.desk
        account = bo.store.load_account(bo.connect(self.shared).account_id)
        for calendar in bo.engine.discover(account.key):
            if calendar.remote_id == theirs:  # not every service lists what others share
                bo.engine.enable(calendar.key, publish=True, receive=False)
        self.neighbour = bo
        counted("second owner")

    # -- leaving, and coming back ---------------------------------------------------------------------------------

    @rule(name=calendars, pause=st.booleans())
    def leave_and_return(self, *, name: str, pause: bool) -> None:
        """Disconnect an account, perhaps go on without it for a while, and connect it again."""
        account_id = self.world.store.load_calendar(self.world.id(name)).account_id
        self.taken_back(lambda: self.world.engine.disconnect(account_id), [name], "disconnect")
        if pause:
            self.watched(self.world, self.world.engine.sync_calendars_needing_polling, "sync without a calendar")
        self.connectable()
        self.world.connect(name)

    @rule()
    def purge(self) -> None:
        """Take everything back, and switch on again."""
        self.taken_back(lambda: self.world.engine.purge("ana"), NAMES, "purge")
        self.connectable()
        for name in NAMES:
            self.world.engine.enable(self.world.id(name))

    def taken_back(self, work: Callable[[], PurgeReport], names: Sequence[str], what: str) -> None:
        """What it says of what is left is true (I-43)."""
        reports: list[PurgeReport] = []
        self.watched(self.world, lambda: reports.append(work()), what)
        ring = Keyring.of(self.world.options["secret"])
        for report in reports:
            if report.residue or report.errors:
                counted(f"{what} left something")
                continue
            left = [
                (name, item.key)
                for name in names
                for item in self.service.blocks(self.world.remote[name])
                for event in item.events
                if event.mark is not None and event.mark.tag is not None and not event.adorned
                if ring.wrote(event.mark.tag, "ana")
            ]
            assert not left, "a block was left, and nobody was told"  # I-43

    def connectable(self) -> None:
        """Whoever connects an account sees to it that the login works."""
        for name in NAMES:
            self.service.set_password(f"ana-{name}", PASSWORD)
            self.service.share(self.world.remote[name], f"ana-{name}", CalendarRole.OWNER)
            self.service.bring_back(self.world.remote[name])

    @property
    def ours(self) -> list[World]:
        """The owners that the main installation looks after."""
        return [self.world, *([self.neighbour] if self.neighbour else [])]

    # -- syncing and checking -------------------------------------------------------------------------------------

    @rule(way=ways, name=calendars, stop=st.none() | interruptions)
    def sync(self, *, way: str, name: str, stop: Interruption | None) -> None:
        if stop is None:
            self.watched(self.world, lambda: self.by_way(way, name), f"sync {way}")
        else:
            self.interrupted(way, name, stop)
        if self.other is not None:
            self.watched(self.other, self.other.engine.sync_calendars_needing_polling, "sync of the second")

    def by_way(self, way: str, name: str, engine: SyncEngine | None = None) -> object:
        engine = engine or self.world.engine
        if way == "webhook":
            return engine.sync_from_webhook(self.world.id(name))
        if way == "calendar":
            return engine.sync_calendar(self.world.id(name))
        if way == "owner":
            return engine.sync_calendars_needing_polling(owner="ana")
        if way == "plan":
            return engine.plan()
        return engine.sync_all_calendars() if way == "full" else engine.sync_calendars_needing_polling()

    def interrupted(self, way: str, name: str, stop: Interruption) -> None:
        """Another worker goes on while this one is stopped, or dead (I-05, I-06, I-50)."""
        other = self.world.worker(
            providers={kind: FaultyProvider(adapter) for kind, adapter in providers_of(self.service).items()},
            clock=Skewed(self.clock, timedelta(minutes=stop.ahead)),
        )

        def meanwhile() -> None:
            self.clock.advance(timedelta(minutes=stop.minutes))
            if stop.deed == "cancel":
                self.cancel(name=name, pick=stop.pick)
            elif stop.deed == "drag":
                self.drag(name=name, pick=stop.pick, day=stop.pick % 9, hour=stop.pick % 24)
            elif stop.deed == "rules":
                target = self.world.id(NAMES[stop.pick % 3])
                self.world.engine.set_rules(
                    "ana", [MirrorRule(source=self.world.id(name), target=target)] * (stop.pick % 2)
                )
            elif stop.deed == "switch":
                self.switch(name=name, on=stop.pick % 2 == 0, publish=True, receive=True)
            self.before = self.untouchable(self.world)
            if stop.theirs is not None:
                with suppress(ProviderError, LeaseBusy, LeaseLost):
                    self.by_way(stop.theirs, name, other)
            counted(f"{'killed' if stop.dies else 'interrupted'}, {stop.deed}, {stop.theirs or 'nobody else'}")

        stall = Stall(stop.boundary, meanwhile, dies=stop.dies)
        stalled = self.world.worker(
            store=cast("Store", DyingStore(self.world.store, stall, apart=True)),
            providers={kind: DyingProvider(adapter, stall) for kind, adapter in self.faulty.items()},
        )
        with suppress(Died):
            self.watched(self.world, lambda: self.by_way(way, name, stalled), f"interrupted sync {way}")

    def watched(self, world: World, work: Callable[[], object], what: str) -> None:
        """Do it, and check what must hold at every moment, whatever fails (I-02, I-15)."""
        self.block_ids |= {item.key for name in NAMES for item in self.service.blocks(self.world.remote[name])}
        self.before = self.untouchable(world)
        counted(what)
        try:
            work()
        except (ProviderError, InvalidValue, LeaseBusy, LeaseLost) as error:
            counted(f"{what} raised {type(error).__name__}")
        before, now = self.before, self.etags()
        changed = {place for place, etag in before.items() if now.get(place) != etag}
        assert not changed, "an event that is not our block was changed"  # I-02, I-16, I-45
        # Fewer may be untouchable than before: a block without tag, found under the name that only we can give it, is
        # adopted (I-49). What appears beside them must be ours.
        assert self.untouchable(world).keys() <= before.keys(), "something was written that is not our block"  # I-02
        for block in world.store.load_blocks("ana"):
            mirrored = block.uid.removeprefix("id:")
            known = mirrored in self.block_ids and mirrored not in self.adorned
            assert not known, "a block was mirrored"  # I-15

    def etags(self) -> dict[tuple[str, str], str | None]:
        return {(name, item.key): item.etag for name in NAMES for item in self.service.items(self.world.remote[name])}

    def untouchable(self, world: World) -> dict[tuple[str, str], str | None]:
        """Everything on the calendars that is none of this installation's business, with its etag."""
        ring = Keyring.of(world.options["secret"])
        recorded = {(block.target_id, block.native_id) for block in world.store.load_blocks("ana")}

        def ours(name: str, item: Item) -> bool:
            event = item.events[0]
            if not _is_block(item) or event.adorned or event.mark is None:
                return False
            if event.mark.tag is None:
                # The second owner has not all of the calendars, and shares the store with whoever has.
                calendar = world.calendars.get(name) or self.world.calendars[name]
                return (calendar.key, item.key) in recorded
            return ring.wrote(event.mark.tag, "ana")

        return {
            (name, item.key): item.etag
            for name in NAMES
            for item in self.service.items(self.world.remote[name])
            if not (item.events and ours(name, item))
        }

    @rule()
    def settle(self) -> None:
        """All is well again, time passes, and a few syncs later everything must be right."""
        self.calm()
        self.connectable()
        self.mend_items()
        worlds = [*self.ours, *([self.other] if self.other else [])]
        for pause in (2, 5, 70, 130, 400, 400, 2, 2):
            self.clock.advance(timedelta(minutes=pause))
            for world in worlds:
                self.watched(world, world.engine.sync_calendars_needing_polling, "settling sync")
        for world in worlds:
            self.check(world)

    def check(self, world: World) -> None:
        report = world.engine.sync_calendars_needing_polling()
        assert report.ok, report.errors
        assert report.writes == 0, "the engine does not come to rest"  # I-03
        verdict = examine(world, untagged=frozenset(self.untagged))
        note(f"excused: {dict(verdict.excused)}")
        assert verdict.ok, "\n".join(verdict.wrong)  # I-01, I-06
        audit = world.engine.audit()
        assert audit.ok, audit  # agrees with the oracle
        assert world.engine.sync_calendars_needing_polling().writes == 0
        counted("settled")
        TALLY["blocks compared"] += verdict.standing
        TALLY["blocks excused"] += verdict.excused.total()
        event(f"blocks compared: {min(verdict.standing, 40) // 10 * 10}+")
        for reason in verdict.excused:
            event(f"excused: {reason}")

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.settle()


def _is_block(item: Item) -> bool:
    return any(event.mark is not None and not event.mark.textual for event in item.events)


def _movable(items: Sequence[Item]) -> list[Event]:
    return [one for item in items for one in item.events if one.series is None]


def _singles(items: Sequence[Item]) -> list[Event]:
    return _movable(items)


def _masters(items: Sequence[Item]) -> list[Event]:
    return [one for one in _movable(items) if one.recurrence]


def _nth(master: Event, nth: int) -> Moment:
    """A day on which a daily series takes place; for another rule perhaps none of its own."""
    return master.span.start + timedelta(days=nth)


def _length(event: Event) -> timedelta:
    first, last = event.span.start, event.span.end
    if isinstance(first, datetime) and isinstance(last, datetime):
        return last - first
    assert event.span.all_day
    return timedelta(days=last.toordinal() - first.toordinal())
