"""What the roles share: fencing, locks, bulk writes, and the journal.

Statements are made once, in constants, and given their values when they are sent: to make one costs SQLAlchemy more
than to send it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, partial, wraps
from types import FunctionType
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from attrs import evolve
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from calsync_core.core.recording import Line, calendars_of, holds
from calsync_core.errors import InsideTransaction, LeaseLost, StoreError, UnknownAccount, UnknownCalendar, UnknownRun
from calsync_core.models import (
    Account,
    AccountId,
    Block,
    Calendar,
    CalendarId,
    Lease,
    Mode,
    PlanState,
    SyncReport,
    require_utc,
)
from calsync_core.stores.sql import tables
from calsync_core.stores.sql.codec import decode
from calsync_core.stores.sql.database import Database
from calsync_core.stores.sql.opening import LEASES

__all__ = [
    "CHUNK",
    "Role",
    "account_of",
    "among",
    "calendar_of",
    "chunks",
    "delete",
    "fence",
    "forget_shape",
    "insert",
    "insert_one",
    "lease_now",
    "load_plan_state",
    "lock_owners",
    "mode_of",
    "note",
    "note_lease",
    "replace",
    "require_account",
    "require_calendar",
    "require_run",
    "require_targets",
]

CHUNK = 500
"""Values in one ``IN (…)``: below what any supported database allows (SQLite before 3.32: 999 parameters)."""

_TAKES_IN_A_PUSH = {"find_subscriptions", "load_watches", "save_notifications"}

T = TypeVar("T")


class Role:
    """What every role of a ``SQLStore`` has: the database. A subclass's public methods are one transaction each, and
    are repeated where another transaction was in the way; inside the host's transaction, only those that take in a push
    can be called, and once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def together(self, call: Callable[[], T], *, writes: bool = True) -> T:
        """See ``TransactionStore.together``."""
        return self._database.together(call, writes=writes)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, method in list(vars(cls).items()):
            if isinstance(method, FunctionType) and not name.startswith("_"):
                setattr(cls, name, _repeated(method))


def _repeated(method: Callable[..., T]) -> Callable[..., T]:
    @wraps(method)
    def repeated(self: Role, *values: Any, **named: Any) -> T:
        if self._database.joined:
            if method.__name__ not in _TAKES_IN_A_PUSH:
                raise InsideTransaction(
                    f"{method.__name__}: inside the host's transaction, only a push can be taken in; "
                    "ask the engine outside of it: before, or after its commit"
                )
            return method(self, *values, **named)
        if self._database.is_part:
            return method(self, *values, **named)
        return self._database.repeat(partial(method, self, *values, **named))

    return repeated


def chunks(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """Distinct values, in pieces that fit into one statement."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), CHUNK):
        yield distinct[start : start + CHUNK]


class _Among(FunctionElement[bool]):
    """See ``among``."""

    inherit_cache = True
    type = sa.Boolean()

    def self_group(self, against: object = None) -> _Among:  # noqa: ARG002  (SQLAlchemy's signature)
        """See ``ClauseElement.self_group``: it is a condition by itself, and not to be compared with true."""
        return self


def among(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """Whether a column is one of the values that the statement is given by this name.

    To PostgreSQL they are one value, an array, that it is to learn of only when it carries out its plan. If it counted
    five hundred values, and took a calendar for an average one, they would seem more than all that is there: it would
    read the whole calendar and look each row up among them, and so of the one calendar with fifty thousand events. Of
    what it does not know it supposes that it is short, and looks for each of the values in the index.
    """
    return _Among(column, sa.bindparam(name, expanding=True))


def _parts(among: _Among) -> tuple[sa.ColumnElement[Any], sa.BindParameter[Any]]:
    return cast("tuple[sa.ColumnElement[Any], sa.BindParameter[Any]]", tuple(among.clauses))


@compiles(_Among)
def _one_by_one(among: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = _parts(among)
    return compiler.process(column.in_(values), **options)


@compiles(_Among, "postgresql")
def _in_an_array(among: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = _parts(among)
    array = compiler.process(sa.bindparam(values.key, type_=sa.ARRAY(column.type)), **options)
    return f"{compiler.process(column, **options)} = ANY (ARRAY(SELECT unnest({array})))"


@cache
def _insertion(table: sa.Table) -> sa.Insert:
    return sa.insert(table)


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows in bulk; all have the same columns."""
    if rows:
        connection.execute(_insertion(table), list(rows))


def insert_one(connection: sa.Connection, table: sa.Table, columns: Mapping[str, Any]) -> int:
    """Add one row to a table that counts its ids; returns the new id."""
    key = connection.execute(_insertion(table), dict(columns)).inserted_primary_key
    if key is None:
        raise StoreError(f"the database gave no id for a row of {table.name}")
    return int(key[0])


@cache
def _deletion(column: sa.Column[Any]) -> sa.Delete:
    return sa.delete(column.table).where(among(column, "values"))


def delete(connection: sa.Connection, column: sa.Column[Any], values: Iterable[Any]) -> None:
    """Delete rows by the value of one column, in bulk."""
    for each in chunks(values):
        connection.execute(_deletion(column), {"values": each})


def replace(connection: sa.Connection, column: sa.Column[Any], rows: Mapping[Any, Mapping[str, Any]]) -> None:
    """Insert or replace rows by the value of one column, in bulk, in every dialect."""
    delete(connection, column, rows)
    insert(connection, column.table, list(rows.values()))


def account_of(row: sa.Row[Any]) -> Account:
    """An account from its row."""
    return evolve(decode(Account, row.value), id=row.id)


def calendar_of(row: sa.Row[Any]) -> Calendar:
    """A calendar from its row."""
    return evolve(decode(Calendar, row.value), id=row.id)


_ACCOUNT = sa.select(tables.accounts).where(tables.accounts.c.id == sa.bindparam("id"))
_CALENDAR = sa.select(tables.calendars).where(tables.calendars.c.id == sa.bindparam("id"))
_CALENDARS = sa.select(tables.calendars.c.id).where(among(tables.calendars.c.id, "ids"))


def require_account(connection: sa.Connection, account_id: AccountId) -> Account:
    """One account. Raises UnknownAccount."""
    row = connection.execute(_ACCOUNT, {"id": account_id}).one_or_none()
    if row is None:
        raise UnknownAccount(f"account: there is none with id {account_id}")
    return account_of(row)


def require_calendar(connection: sa.Connection, calendar_id: CalendarId) -> Calendar:
    """One calendar. Raises UnknownCalendar."""
    row = connection.execute(_CALENDAR, {"id": calendar_id}).one_or_none()
    if row is None:
        raise UnknownCalendar(f"calendar: there is none with id {calendar_id}")
    return calendar_of(row)


def require_run(connection: sa.Connection, run_id: int) -> SyncReport:
    """One run. Raises UnknownRun."""
    row = connection.execute(sa.select(tables.runs).where(tables.runs.c.id == run_id)).one_or_none()
    if row is None:
        raise UnknownRun(f"run: there is none with id {run_id}")
    return evolve(decode(SyncReport, row.value), id=row.id)


def require_targets(connection: sa.Connection, blocks: Collection[Block], more: Iterable[CalendarId] = ()) -> None:
    """Raises UnknownCalendar for a block on a calendar that is not there."""
    wanted, known = {*calendars_of(blocks), *more}, set()
    for ids in chunks(sorted(wanted)):
        known |= set(connection.scalars(_CALENDARS, {"ids": ids}))
    for calendar_id in sorted(wanted - known):
        raise UnknownCalendar(f"calendar: there is none with id {calendar_id}")


_LEASE = sa.select(tables.leases).where(tables.leases.c.name == sa.bindparam("name")).with_for_update()


def lease_now(connection: sa.Connection, name: str) -> tuple[Lease | None, int]:
    """The lease of this name if somebody has it, and the last token given; its row stays locked, and is read once in
    each transaction.
    """
    known = connection.get_execution_options().get(LEASES, {})
    if name not in known:
        row = connection.execute(_LEASE, {"name": name}).one_or_none()
        if row is None or row.expires_at is None:
            known[name] = None, row.token if row else 0
        else:
            known[name] = Lease(row.name, row.holder, row.token, row.expires_at), row.token
    current: tuple[Lease | None, int] = known[name]
    return current


def note_lease(connection: sa.Connection, lease: Lease, *, free: bool = False) -> None:
    """Remember in this transaction how it left a lease whose row it has locked."""
    connection.get_execution_options().get(LEASES, {})[lease.name] = (None if free else lease), lease.token


def fence(connection: sa.Connection, lease: Lease, at: datetime) -> None:
    """Hold the lease's row until the transaction ends. Raises LeaseLost unless the lease is the newest and valid."""
    current, _ = lease_now(connection, lease.name)
    if not holds(current, lease, require_utc("at", at)):
        raise LeaseLost(f"lease {lease.name!r} is not ours any more")


_PLAN_STATE = sa.select(tables.plan_states).where(tables.plan_states.c.owner == sa.bindparam("owner"))
_LOCKED_PLAN_STATE = _PLAN_STATE.with_for_update()
_FORGET_SHAPE = (
    sa.update(tables.plan_states)
    .where(tables.plan_states.c.owner == sa.bindparam("the_owner"))
    .values(shape=None, resets=tables.plan_states.c.resets + 1)
)


def load_plan_state(connection: sa.Connection, owner: str) -> PlanState:
    """How far an owner's plan reaches."""
    return _plan_state(connection.execute(_PLAN_STATE, {"owner": owner}).one_or_none())


def lock_owners(connection: sa.Connection, owners: Iterable[str]) -> dict[str, PlanState]:
    """Put the writers of these owners' journals and blocks in line; returns their plan states.

    Always in the same order, after the lease's row and before what belongs to the owners, so that two transactions
    can't wait for each other. Of several that make an owner's row at once, all but one begin anew: none may go on with
    the weak lock that a refused insert leaves behind in MariaDB.
    """
    states = {}
    for owner in sorted(set(owners)):
        row = connection.execute(_LOCKED_PLAN_STATE, {"owner": owner}).one_or_none()
        if row is None:
            insert(connection, tables.plan_states, [{"owner": owner}])
        states[owner] = _plan_state(row)
    return states


def _plan_state(row: sa.Row[Any] | None) -> PlanState:
    """From an owner's row, if there is one."""
    return PlanState() if row is None else PlanState(row.shape, row.horizon_end, row.resets)


def mode_of(connection: sa.Connection, owner: str) -> Mode:
    """What may be written for an owner."""
    table = tables.plan_states
    mode = connection.scalar(sa.select(table.c.mode).where(table.c.owner == owner))
    return Mode.WRITE if mode is None else Mode(mode)


def forget_shape(connection: sa.Connection, owners: Iterable[str]) -> None:
    """Have these owners planned again from scratch."""
    for owner in lock_owners(connection, owners):
        connection.execute(_FORGET_SHAPE, {"the_owner": owner})


def note(connection: sa.Connection, lines: Collection[Line], calendar_id: CalendarId | None) -> None:
    """Append to the journal of owners that are held."""
    insert(
        connection,
        tables.journal,
        [{"owner": line.owner, "calendar_id": calendar_id, "is_key": line.is_key, "word": line.word} for line in lines],
    )
