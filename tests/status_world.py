"""An installation for the status page: calendars that are well and some that are not, and a day of runs."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve, field

from calsync_core import SyncEngine
from calsync_core.models import (
    Account,
    AccountStatus,
    Block,
    BlockContent,
    BlockState,
    Calendar,
    CalendarStatus,
    Changes,
    Cursor,
    Debt,
    Lease,
    Notification,
    PushKind,
    PushState,
    Span,
    SyncFailure,
    SyncReport,
    SyncType,
    Watch,
)
from calsync_core.protocols import Store
from calsync_core.stores import MemoryStore
from calsync_core.testing import VirtualClock

__all__ = ["StatusWorld"]

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@define
class StatusWorld:
    """An engine that never asks a provider, over a store that is filled by hand."""

    store: Store = field(factory=MemoryStore)
    clock: VirtualClock = field(factory=VirtualClock)
    engine: SyncEngine = field(init=False)
    _leases: dict[int, Lease] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.engine = SyncEngine(store=self.store, providers={}, secret="a secret for tests only", clock=self.clock)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def account(self, owner: str, provider: str, name: str, **fields: Any) -> Account:
        return self.store.save_account(Account(owner, provider, name, **fields))

    def calendar(self, account: Account, name: str, **fields: Any) -> Calendar:
        remote_id = f"remote {account.key} {name}"
        given = {"enabled": True, "publish": True, "receive": True, **fields}
        return self.store.save_calendar(Calendar(account.key, account.owner, remote_id, name, **given))

    def lease(self, calendar: Calendar) -> Lease:
        if calendar.key not in self._leases:
            name = f"calendar:{calendar.key}"
            self._leases[calendar.key] = self.store.acquire_lease(name, "test", 3600, self.now)
        return self._leases[calendar.key]

    def read(self, calendar: Calendar, ago: timedelta = 7 * MINUTE) -> None:
        """It was read completely."""
        read = Changes(self.now - ago, cursor=Cursor("c", "1"), round=1, snapshot_done=True)
        self.store.save_changes(self.lease(calendar), calendar.key, read)

    def fails(self, calendar: Calendar, failures: int, error: str) -> None:
        """Reading it has failed since."""
        state = evolve(self.store.load_read_state(calendar.key), failures=failures, last_error=error)
        self.store.save_read_state(self.lease(calendar), calendar.key, state, self.now)

    def pushes(self, calendar: Calendar, state: PushState = PushState.ACTIVE, **fields: Any) -> None:
        """It has a subscription that lives, unless said otherwise."""
        live = {"subscribed_at": self.now - HOUR, "expires_at": self.now + 50 * HOUR, "due_at": self.now + 5 * HOUR}
        self.store.save_watch(self.lease(calendar), calendar.key, Watch(**{**live, **fields}), state, self.now)

    def polled(self, calendar: Calendar) -> None:
        """It is read by a timer."""
        watch = Watch(interval=900.0, due_at=self.now + 8 * MINUTE)
        self.store.save_watch(self.lease(calendar), calendar.key, watch, PushState.NONE, self.now)

    def blocks(self, source: Calendar, target: Calendar, count: int, **fields: Any) -> None:
        """So many blocks stand on it."""
        hours = [Span(self.now + number * HOUR, self.now + (number + 1) * HOUR) for number in range(count)]
        self.store.save_blocks(
            [
                Block(
                    key=f"{source.key}-{target.key}-{number}",
                    generation=0,
                    owner=target.owner,
                    source_id=source.key,
                    target_id=target.key,
                    uid=f"u{number}",
                    slot="",
                    native_id=f"n{number}",
                    content=BlockContent(span, "Busy"),
                    state=BlockState.LIVE,
                    **fields,
                )
                for number, span in enumerate(hours)
            ]
        )

    def office(self) -> list[Calendar]:
        """Four owners, eight calendars, three of them in trouble."""
        mara = [
            self.calendar(self.account("mara", provider, name), name)
            for provider, name in (("google", "mara@studio.example"), ("microsoft", "Agency"), ("icloud", "Family"))
        ]
        jonas = [
            self.calendar(self.account("jonas", "google", "jonas@studio.example"), "jonas@studio.example"),
            self.calendar(
                self.account("jonas", "microsoft", "Agency", status=AccountStatus.AUTH_EXPIRED),
                "j.brandt@agency.example",
            ),
        ]
        lin = [
            self.calendar(self.account("lin", "google", "lin@studio.example"), "lin@studio.example"),
            self.calendar(self.account("lin", "icloud", "iCloud"), "Home", status=CalendarStatus.READ_ONLY),
        ]
        room = self.calendar(self.account("studio", "google", "rooms"), "Meeting room")
        everything = [*mara, *jonas, *lin, room]
        for number, calendar in enumerate(everything[:-1]):
            self.read(calendar, number * 5 * MINUTE + 40 * timedelta(seconds=1))
        for calendar in (mara[0], mara[1], jonas[0], jonas[1], lin[0]):
            self.pushes(calendar)
        for calendar in (mara[2], lin[1], room):
            self.polled(calendar)
        self.pushes(mara[1], PushState.FAILING, failures=4, due_at=self.now + 3 * MINUTE)
        self.fails(jonas[1], 7, "AuthExpired: the login was refused")
        self.store.save_changes(
            self.lease(lin[0]),
            lin[0].key,
            Changes(self.now, debts=(Debt("k", "unreadable", self.now, self.now),)),
        )
        for number, (source, target) in enumerate([(mara[0], mara[1]), (mara[1], mara[0]), (mara[0], mara[2])]):
            self.blocks(source, target, 40 + 17 * number)
        self.blocks(jonas[0], jonas[1], 22)
        self.blocks(lin[1], lin[0], 3, held_since=self.now)
        waiting = Notification(mara[0].key, 1, PushKind.CHANGED, self.now, self.now - 4 * timedelta(seconds=1))
        self.store.save_notifications([waiting])
        return everything

    def day(self, calendars: list[Calendar], runs: int = 180) -> None:
        """Runs of the last day: few by night, a push for most of the news, and some failures in the afternoon."""
        for number in range(runs):
            at = self.now - (runs - number) * 24 * HOUR / runs
            wakeful = max(0.0, math.sin((at.hour - 6) / 14 * math.pi))
            kind = SyncType.FULL if number % 90 == 5 else SyncType.POLLING if number % 4 == 0 else SyncType.WEBHOOK
            pushed, written = kind is SyncType.WEBHOOK, round(wakeful * (number * 7 % 5))
            took = timedelta(seconds=0.6 + (number * 37 % 100) ** 2 / 900)
            calendar = calendars[number % len(calendars)]
            failures = (SyncFailure("Agency", None, "AuthExpired", "refused"),) if number % 41 == 40 else ()
            self.store.save_run(
                SyncReport(
                    kind,
                    at,
                    at + took,
                    owner=calendar.owner,
                    calendars=(calendar.key,),
                    events_updated=written,
                    busy_blocks_created=written // 2,
                    busy_blocks_updated=written - written // 2,
                    webhook_triggered=pushed,
                    echo=pushed and not written and number % 3 == 0,
                    notified_at=at - timedelta(seconds=0.3) if pushed else None,
                    reading_calls=1 + number % 3 + 8 * (kind is SyncType.FULL),
                    api_calls=1 + number % 3 + 8 * (kind is SyncType.FULL) + written,
                    calendars_read=1 + 7 * (kind is SyncType.FULL),
                    calendars_changed=bool(written),
                    errors=failures,
                )
            )
