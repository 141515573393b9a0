"""Leases, credentials and the record of syncs in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from attrs import evolve

from calsync_core.core.extent import slot_end
from calsync_core.core.recording import is_newest
from calsync_core.errors import LeaseBusy, LeaseLost, UnknownAccount
from calsync_core.models import (
    AccountId,
    AccountStatus,
    BlockState,
    Calendar,
    CalendarId,
    CalendarStatus,
    Lease,
    Mode,
    PushState,
    ReadState,
    Standing,
    SyncReport,
    Vitals,
    Written,
    require_utc,
)
from calsync_core.stores.memory.push import is_done, is_waiting
from calsync_core.stores.memory.rows import Role

__all__ = ["MemoryCredentials", "MemoryLeases", "MemoryRuns"]


class MemoryLeases(Role):
    """``LeaseStore`` in memory: between the threads of one process."""

    def acquire_lease(self, name: str, holder: str, ttl: float, at: datetime) -> Lease:
        """See ``LeaseStore.acquire_lease``."""
        at = require_utc("at", at)
        with self._lock:
            current = self._rows.leases.get(name)
            if current is not None and current.expires_at > at:
                raise LeaseBusy(f"lease {name!r} is held by {current.holder}")
            token = self._rows.tokens[name] = self._rows.tokens.get(name, 0) + 1
            lease = self._rows.leases[name] = Lease(name, holder, token, at + timedelta(seconds=ttl))
            return lease

    def renew_lease(self, lease: Lease, ttl: float, at: datetime) -> Lease:
        """See ``LeaseStore.renew_lease``."""
        with self._lock:
            if not is_newest(self._rows.leases.get(lease.name), lease):
                raise LeaseLost(f"lease {lease.name!r} is not ours any more")
            renewed = evolve(lease, expires_at=require_utc("at", at) + timedelta(seconds=ttl))
            self._rows.leases[lease.name] = renewed
            return renewed

    def release_lease(self, lease: Lease) -> None:
        """See ``LeaseStore.release_lease``."""
        with self._lock:
            current = self._rows.leases.get(lease.name)
            if current is not None and (current.token, current.holder) == (lease.token, lease.holder):
                del self._rows.leases[lease.name]


class MemoryCredentials(Role):
    """``CredentialStore`` in memory."""

    def save_credential(self, lease: Lease, account_id: AccountId, sealed: str, at: datetime) -> None:
        """See ``CredentialStore.save_credential``."""
        with self._lock:
            self._fence(lease, at)
            if account_id not in self._rows.accounts:
                raise UnknownAccount(f"account: there is none with id {account_id}")
            self._rows.credentials[account_id] = sealed

    def load_credential(self, account_id: AccountId) -> str | None:
        """See ``CredentialStore.load_credential``."""
        with self._lock:
            return self._rows.credentials.get(account_id)

    def load_credentials(self) -> Mapping[AccountId, str]:
        """See ``CredentialStore.load_credentials``."""
        with self._lock:
            return dict(sorted(self._rows.credentials.items()))

    def delete_credential(self, lease: Lease, account_id: AccountId, at: datetime) -> None:
        """See ``CredentialStore.delete_credential``."""
        with self._lock:
            self._fence(lease, at)
            self._rows.credentials.pop(account_id, None)


class MemoryRuns(Role):
    """``RunStore`` in memory."""

    def save_run(self, report: SyncReport) -> SyncReport:
        """See ``RunStore.save_run``."""
        with self._lock:
            saved = report if report.id is not None else evolve(report, id=self._rows.next_id())
            self._rows.runs[saved.id or 0] = saved
            return saved

    def load_run(self, run_id: int) -> SyncReport:
        """See ``RunStore.load_run``."""
        with self._lock:
            return self._rows.run(run_id)

    def load_writes(self, run_id: int) -> list[Written]:
        """See ``RunStore.load_writes``."""
        with self._lock:
            return [self._rows.writes[key] for key in sorted(self._rows.writes) if key[0] == run_id]

    def load_runs(
        self, calendar_id: CalendarId | None = None, limit: int = 50, *, since: datetime | None = None
    ) -> list[SyncReport]:
        """See ``RunStore.load_runs``."""
        since = None if since is None else require_utc("since", since)
        with self._lock:
            runs = [run for _, run in sorted(self._rows.runs.items(), reverse=True)]
        return [
            run
            for run in runs
            if (calendar_id is None or calendar_id in run.calendars)
            and (since is None or (run.finished_at is not None and run.finished_at >= since))
        ][: max(0, limit)]

    def load_vitals(self) -> Vitals:
        """See ``RunStore.load_vitals``."""
        with self._lock:
            rows = self._rows
            enabled = [calendar for calendar in rows.calendars.values() if calendar.enabled]
            states = [str(rows.watches[each.key][1]) for each in enabled if each.key in rows.watches]
            backlog = [each.due_at for each in rows.notifications.values() if is_waiting(each)]
            return Vitals(
                calendars=len(enabled),
                failing=sum(self._fails(calendar) for calendar in enabled),
                push=dict(sorted(Counter(states).items())),
                backlog=len(backlog),
                backlog_since=min(backlog, default=None),
                notices=len(rows.notices),
                open_intents=len(rows.intents),
                held=sum(block.held_since is not None for block in rows.blocks.values()),
            )

    def _fails(self, calendar: Calendar) -> bool:
        usable = self._rows.accounts[calendar.account_id].status in {AccountStatus.ACTIVE, AccountStatus.PAUSED}
        return not usable or self._rows.read_states.get(calendar.key, ReadState()).failures > 0

    def load_standings(self, owner: str | None = None, *, limit: int | None = None, offset: int = 0) -> list[Standing]:
        """See ``RunStore.load_standings``."""
        with self._lock:
            enabled = [
                calendar
                for calendar in self._rows.calendars.values()
                if calendar.enabled and owner in {None, calendar.owner}
            ]
            enabled.sort(key=lambda calendar: (not self._troubled(calendar), calendar.key))
            chosen = enabled[offset : None if limit is None else offset + limit]
            blocks = Counter(block.target_id for block in self._rows.blocks.values() if block.state is BlockState.LIVE)
            return [self._standing(calendar, blocks[calendar.key]) for calendar in chosen]

    def _troubled(self, calendar: Calendar) -> bool:
        push = self._rows.watches.get(calendar.key, (None, PushState.NONE))[1]
        unwell = calendar.status is not CalendarStatus.OK or push in {PushState.FAILING, PushState.SUSPENDED}
        return unwell or self._fails(calendar)

    def _standing(self, calendar: Calendar, blocks: int) -> Standing:
        rows, key = self._rows, calendar.key
        return Standing(
            account=rows.accounts[calendar.account_id],
            calendar=calendar,
            state=rows.read_states.get(key, ReadState()),
            watch=rows.watch(key),
            debts=len(rows.debts.get(key, ())),
            blocks=blocks,
            mode=rows.modes.get(calendar.owner, Mode.WRITE),
        )

    def cleanup(self, before: datetime, *, dry_run: bool = False) -> int:
        """See ``RunStore.cleanup``."""
        before = require_utc("before", before)
        with self._lock:
            rows = self._rows
            runs = {key for key, run in rows.runs.items() if run.finished_at is not None and run.finished_at < before}
            # Ids ascend as runs begin to write or end: one that has none finished after it never will.
            newest = max(runs, default=0)
            runs |= {key for key, run in rows.runs.items() if run.finished_at is None and key < newest}
            past = [ref for ref, block in rows.blocks.items() if slot_end(block) < before]
            done = [key for key, each in rows.notifications.items() if is_done(each, before)]
            if not dry_run:
                for key in runs:
                    del rows.runs[key]
                rows.writes = {key: each for key, each in rows.writes.items() if key[0] not in runs}
                for ref in past:
                    rows.drop_block(ref)
                for key in done:
                    rows.drop_notification(key)
            return len(runs) + len(past) + len(done)
