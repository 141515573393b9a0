"""Leases and the record of syncs in SQL."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from attrs import evolve

from calsync_core.core.recording import is_newest
from calsync_core.errors import LeaseBusy, LeaseLost
from calsync_core.models import CalendarId, Lease, Standing, SyncReport, Vitals, Written, require_utc
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode, encode
from calsync_core.stores.sql.inbox import DONE
from calsync_core.stores.sql.rows import Role, insert, insert_one, lease_now, note_lease, require_run
from calsync_core.stores.sql.standings import load_standings
from calsync_core.stores.sql.vitals import count_vitals

__all__ = ["SQLLeases", "SQLRuns"]


_THE_LEASE = sa.update(tables.leases).where(tables.leases.c.name == sa.bindparam("the_name"))
_MY_LEASE = _THE_LEASE.where(
    tables.leases.c.token == sa.bindparam("the_token"), tables.leases.c.holder == sa.bindparam("the_holder")
)


class SQLLeases(Role):
    """``LeaseStore`` in SQL: between all processes that share the database."""

    def acquire_lease(self, name: str, holder: str, ttl: float, at: datetime) -> Lease:
        """See ``LeaseStore.acquire_lease``."""
        at = require_utc("at", at)
        with self._database.writing() as connection:
            current, token = lease_now(connection, name)
            if current is not None and current.expires_at > at:
                raise LeaseBusy(f"lease {name!r} is held by {current.holder}")
            lease = Lease(name, holder, token + 1, at + timedelta(seconds=ttl))
            columns = {"holder": holder, "token": lease.token, "expires_at": lease.expires_at}
            if token:
                connection.execute(_THE_LEASE, {"the_name": name, **columns})
            else:
                # The first one ever of this name: where another worker is faster, this call is repeated and finds it
                # taken.
                insert(connection, tables.leases, [{"name": name, **columns}])
            note_lease(connection, lease)
            return lease

    def renew_lease(self, lease: Lease, ttl: float, at: datetime) -> Lease:
        """See ``LeaseStore.renew_lease``."""
        renewed = evolve(lease, expires_at=require_utc("at", at) + timedelta(seconds=ttl))
        with self._database.writing() as connection:
            if not is_newest(lease_now(connection, lease.name)[0], lease):
                raise LeaseLost(f"lease {lease.name!r} is not ours any more")
            connection.execute(_THE_LEASE, {"the_name": lease.name, "expires_at": renewed.expires_at})
            note_lease(connection, renewed)
        return renewed

    def release_lease(self, lease: Lease) -> None:
        """See ``LeaseStore.release_lease``. The row stays: its token must never be given again."""
        mine = {"the_name": lease.name, "the_token": lease.token, "the_holder": lease.holder}
        with self._database.writing() as connection:
            if connection.execute(_MY_LEASE, {**mine, "expires_at": None}).rowcount:
                note_lease(connection, lease, free=True)


class SQLRuns(Role):
    """``RunStore`` in SQL."""

    def save_run(self, report: SyncReport) -> SyncReport:
        """See ``RunStore.save_run``."""
        table, link = tables.runs, tables.run_calendars
        columns = {"finished_at": report.finished_at, "value": encode(evolve(report, id=None))}
        with self._database.writing() as connection:
            if report.id is None:
                run_id = insert_one(connection, table, columns)
            else:
                # Not deleted and made again: what it wrote would go with it.
                run_id = report.id
                if not connection.execute(sa.update(table).where(table.c.id == run_id).values(columns)).rowcount:
                    connection.execute(sa.insert(table).values(id=run_id, **columns))
                connection.execute(sa.delete(link).where(link.c.run_id == run_id))
            calendars = [{"run_id": run_id, "calendar_id": key} for key in sorted(set(report.calendars))]
            insert(connection, link, calendars)
        return evolve(report, id=run_id)

    def load_run(self, run_id: int) -> SyncReport:
        """See ``RunStore.load_run``."""
        with self._database.reading() as connection:
            return require_run(connection, run_id)

    def load_writes(self, run_id: int) -> list[Written]:
        """See ``RunStore.load_writes``."""
        table = tables.writes
        wanted = sa.select(table.c.value).where(table.c.run_id == run_id).order_by(table.c.intent_id)
        with self._database.reading() as connection:
            return [decode(Written, value) for value in connection.scalars(wanted)]

    def load_runs(
        self, calendar_id: CalendarId | None = None, limit: int = 50, *, since: datetime | None = None
    ) -> list[SyncReport]:
        """See ``RunStore.load_runs``."""
        table, link = tables.runs, tables.run_calendars
        wanted = sa.select(table.c.id, table.c.value).order_by(table.c.id.desc()).limit(max(0, limit))
        if calendar_id is not None:
            wanted = wanted.join(link, link.c.run_id == table.c.id).where(link.c.calendar_id == calendar_id)
        if since is not None:
            wanted = wanted.where(table.c.finished_at >= since)
        with self._database.reading() as connection:
            return [evolve(decode(SyncReport, row.value), id=row.id) for row in connection.execute(wanted)]

    def load_vitals(self) -> Vitals:
        """See ``RunStore.load_vitals``."""
        with self._database.reading() as connection:
            return count_vitals(connection)

    def load_standings(self, owner: str | None = None, *, limit: int | None = None, offset: int = 0) -> list[Standing]:
        """See ``RunStore.load_standings``."""
        with self._database.reading() as connection:
            return load_standings(connection, owner, limit, offset)

    def cleanup(self, before: datetime, *, dry_run: bool = False) -> int:
        """See ``RunStore.cleanup``."""
        run, block, notification = tables.runs, tables.blocks, tables.notifications
        before = require_utc("before", before)
        database = self._database
        with database.reading() if dry_run else database.writing() as connection:
            # Ids ascend as runs begin to write or end: one that has none finished after it never will.
            newest = connection.scalar(sa.select(sa.func.max(run.c.id)).where(run.c.finished_at < before)) or 0
            old = (
                (block, block.c.slot_end < before),
                (run, (run.c.finished_at < before) | (run.c.finished_at.is_(None) & (run.c.id < newest))),
                (notification, notification.c.status.in_(DONE) & (notification.c.finished_at < before)),
            )
            if dry_run:
                counts = [sa.select(sa.func.count()).select_from(table).where(where) for table, where in old]
                return sum(connection.execute(count).scalar_one() for count in counts)
            return sum(connection.execute(sa.delete(table).where(where)).rowcount for table, where in old)
