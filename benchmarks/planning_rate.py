"""How many occurrences a second are found and planned, beside ``dateutil`` and the bare making of the same values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import evolve
from benchmarks.rates import Figure, take_turns
from dateutil.rrule import rrulestr

from calsync_core import Account, Calendar, SyncPolicy
from calsync_core.core.identity import Keyring
from calsync_core.core.occurrences import expand
from calsync_core.models import Changes, Cursor, Event, Item, Occurrence, Span, Window
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.steps.context import Context
from calsync_core.steps.fingerprint import plan_shape
from calsync_core.steps.plan import preview_owner
from calsync_core.stores import MemoryStore
from calsync_core.testing import VirtualClock

__all__ = ["planning_figures"]

BERLIN = ZoneInfo("Europe/Berlin")
HORIZON_DAYS = 90
RULES = ("FREQ=WEEKLY;BYDAY=MO,WE,FR", "FREQ=DAILY", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", "FREQ=MONTHLY;BYDAY=2TH")


def series(number: int, since: datetime) -> Event:
    """A series that has run for half a year."""
    start = (since - timedelta(days=180 + number % 7)).replace(hour=8 + number % 9, minute=0, tzinfo=BERLIN)
    return Event(
        id=f"series{number}",
        span=Span(start, start + timedelta(minutes=45)),
        uid=f"series{number}@example.com",
        title="A meeting of the planning group",
        recurrence=(f"RRULE:{RULES[number % len(RULES)]}",),
    )


def single(number: int, since: datetime) -> Event:
    """A meeting that takes place once."""
    start = since + timedelta(hours=3 + 5 * number % (24 * HORIZON_DAYS - 48))
    return Event(id=f"single{number}", span=Span(start, start + timedelta(minutes=30)), uid=f"s{number}@example.com")


def planning_figures(*, rounds: int, many: int = 80) -> Iterator[Figure]:
    """Expanding alone, then the plan of an owner who has so many series and as many single meetings."""
    now = VirtualClock().now()
    window = Window(now, now + timedelta(days=HORIZON_DAYS))
    masters = [series(number, now) for number in range(many)]
    found = expand(masters, window, UTC).occurrences

    def by_dateutil() -> int:
        starts = 0
        for event in masters:
            rule = rrulestr(event.recurrence[0], dtstart=event.span.start)
            starts += len(rule.between(now, window.end, inc=True))
        return starts

    def made() -> int:
        return len([Occurrence(one.event, one.slot, Span(one.span.start, one.span.end)) for one in found])

    works = {"ours": lambda: len(expand(masters, window, UTC).occurrences), "dateutil": by_dateutil, "values": made}
    paces = take_turns(works, rounds)
    yield Figure("expand", "occurrences", paces.pop("ours"), paces)
    singles = [single(number, now) for number in range(many)]
    yield _planned([*masters, *singles], rounds)


def _planned(events: list[Event], rounds: int) -> Figure:
    """All these on two other calendars, from a store in memory: no database has its part in it."""
    # Each round has a secret of its own: what is remembered of the round before is no part of the rate.
    contexts = [_context(events, f"only for this benchmark, {number}") for number in range(rounds + 2)]
    operations = preview_owner(contexts.pop(), "ana").operations
    works = {
        "ours": lambda: len(preview_owner(contexts.pop(), "ana").operations),
        "values": lambda: len([evolve(operation, content=evolve(operation.content)) for operation in operations]),
    }
    paces = take_turns(works, rounds)
    return Figure("plan", "blocks", paces.pop("ours"), paces)


def _context(events: list[Event], secret: str) -> Context:
    clock, store = VirtualClock(), MemoryStore()
    policy, keyring = SyncPolicy(horizon_days=HORIZON_DAYS), Keyring.of(secret)
    shape = plan_shape(policy, keyring)
    providers = {"memory": MemoryProvider(MemoryService())}
    context = Context(store, providers, keyring, policy, clock, shape)
    account = store.save_account(Account("ana", "memory", "ana"))
    names = ("source", "first", "second")
    calendars = [
        store.save_calendar(Calendar(account.key, "ana", name, name, publish=True, receive=True, enabled=True))
        for name in names
    ]
    for calendar, found in zip(calendars, (events, [], []), strict=True):
        items = tuple(Item(event.id, (event,)) for event in found)
        changes = Changes(clock.now(), items, round=1, cursor=Cursor("1", "bench"), snapshot_done=True)
        with context.lease(f"calendar:{calendar.key}") as lease:
            store.save_changes(lease.current(), calendar.key, changes)
    return context
