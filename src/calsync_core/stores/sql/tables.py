"""The tables. What is not searched by is in ``value``, as JSON by ``codec``.

Ids are never given twice: a forgotten calendar's id must not come to mean another one.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from calsync_core.stores.sql.columns import HASH, ID, INSTANT, JSON_TEXT, NAME, REF, WORD

__all__ = [
    "accounts",
    "blocks",
    "calendars",
    "credentials",
    "debts",
    "events",
    "intents",
    "items",
    "journal",
    "leases",
    "metadata",
    "notices",
    "notifications",
    "plan_states",
    "read_states",
    "rules",
    "run_calendars",
    "runs",
    "subscriptions",
    "watches",
    "writes",
]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_STATUS = sa.String(32)


def _calendar(name: str = "calendar_id", **options: Any) -> Column[int]:
    return Column(name, ID, ForeignKey("calsync_calendars.id", ondelete="CASCADE"), **options)


accounts = Table(
    "calsync_accounts",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("owner", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("value", JSON_TEXT, nullable=False),
    Column("status", _STATUS, nullable=False),
    UniqueConstraint("owner", "name"),
    sqlite_autoincrement=True,
)

# ``sealed`` is ciphertext: whoever reads the database learns no login from it.
credentials = Table(
    "calsync_credentials",
    metadata,
    Column(
        "account_id", ID, ForeignKey("calsync_accounts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("sealed", WORD, nullable=False),
    Column("saved_at", INSTANT, nullable=False),
)

calendars = Table(
    "calsync_calendars",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("account_id", ID, ForeignKey("calsync_accounts.id", ondelete="CASCADE"), nullable=False),
    Column("owner", NAME, nullable=False, index=True),
    Column("remote_hash", HASH, nullable=False),
    Column("enabled", sa.Boolean, nullable=False),
    Column("value", JSON_TEXT, nullable=False),
    UniqueConstraint("account_id", "remote_hash"),
    sqlite_autoincrement=True,
)

rules = Table(
    "calsync_rules",
    metadata,
    Column("owner", NAME, primary_key=True),
    Column("position", sa.Integer, primary_key=True, autoincrement=False),
    Column("value", JSON_TEXT, nullable=False),
)

# One row per owner that has a calendar, a mode, a plan or a journal line. Its row lock puts the writers of one owner's
# journal and blocks in line: journal ids of an owner become visible in ascending order, so "up to" misses none.
plan_states = Table(
    "calsync_plan_states",
    metadata,
    Column("owner", NAME, primary_key=True),
    Column("shape", WORD),
    Column("horizon_end", INSTANT),
    Column("resets", sa.Integer, nullable=False, server_default="0"),
    Column("mode", _STATUS, nullable=False, server_default="write"),
)

read_states = Table(
    "calsync_read_states",
    metadata,
    _calendar(primary_key=True, autoincrement=False),
    Column("due_at", INSTANT, index=True),
    Column("value", JSON_TEXT, nullable=False),
    Column("failures", sa.Integer, nullable=False),
)

items = Table(
    "calsync_items",
    metadata,
    _calendar(primary_key=True, autoincrement=False),
    Column("key_hash", HASH, primary_key=True),
    Column("key", WORD, nullable=False),
    Column("etag", WORD),
    Column("version", INSTANT),
    Column("series", WORD),
    Column("series_hash", HASH),
    Column("round", sa.BigInteger, nullable=False),
    Index(None, "calendar_id", "series_hash"),
    Index(None, "calendar_id", "round"),
)

events = Table(
    "calsync_events",
    metadata,
    Column("calendar_id", ID, primary_key=True, autoincrement=False),
    Column("key_hash", HASH, primary_key=True),
    Column("position", sa.Integer, primary_key=True, autoincrement=False),
    Column("identity", WORD, nullable=False),
    Column("identity_hash", HASH, nullable=False),
    Column("plannable", sa.Boolean, nullable=False),
    Column("starts_at", INSTANT, nullable=False),
    Column("ends_at", INSTANT),
    Column("mark_hash", HASH),
    Column("value", JSON_TEXT, nullable=False),
    sa.ForeignKeyConstraint(
        ["calendar_id", "key_hash"], ["calsync_items.calendar_id", "calsync_items.key_hash"], ondelete="CASCADE"
    ),
    Index(None, "calendar_id", "identity_hash"),
    Index(None, "calendar_id", "plannable", "ends_at", "starts_at"),
    Index(None, "calendar_id", "mark_hash"),
)

debts = Table(
    "calsync_debts",
    metadata,
    _calendar(primary_key=True, autoincrement=False),
    Column("key_hash", HASH, primary_key=True),
    Column("key", WORD, nullable=False),
    Column("reason", WORD, nullable=False),
    Column("since", INSTANT, nullable=False),
    Column("due_at", INSTANT, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Index(None, "due_at", "calendar_id"),
)

journal = Table(
    "calsync_journal",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("owner", NAME, nullable=False),
    _calendar(nullable=True, index=True),
    Column("is_key", sa.Boolean, nullable=False),
    Column("word", WORD, nullable=False),
    Index(None, "owner", "id"),
    sqlite_autoincrement=True,
)

# ``source_id`` is no foreign key: a block outlives its forgotten source until it is taken back.
blocks = Table(
    "calsync_blocks",
    metadata,
    Column("ref", REF, primary_key=True),
    Column("key", REF, nullable=False, index=True),
    Column("owner", NAME, nullable=False),
    Column("source_id", ID, nullable=False),
    _calendar("target_id", nullable=False),
    Column("uid_hash", HASH, nullable=False),
    Column("native_hash", HASH, nullable=False),
    Column("state", _STATUS, nullable=False),
    Column("held_since", INSTANT, index=True),
    Column("changed_at", INSTANT),
    Column("slot_end", INSTANT, nullable=False),
    Column("value", JSON_TEXT, nullable=False),
    Index(None, "owner", "uid_hash"),
    Index(None, "target_id", "native_hash"),
    Index(None, "source_id", "state", "changed_at"),
    Index(None, "slot_end"),
)

intents = Table(
    "calsync_intents",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("owner", NAME, nullable=False),
    _calendar("target_id", nullable=False),
    Column("ref", REF, nullable=False, unique=True),
    Column("slot_at", INSTANT, nullable=False),
    Column("due_at", INSTANT, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Column("claimed_name", NAME),
    Column("claimed_token", sa.BigInteger),
    Column("ordered", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("value", JSON_TEXT, nullable=False),
    Index(None, "target_id", "slot_at", "id"),
    Index(None, "due_at", "target_id"),
    Index(None, "owner", "due_at", "target_id"),
    sqlite_autoincrement=True,
)

# ``name_hash`` stands for provider and remote id together: neither has an end, and requests of strangers are looked up.
subscriptions = Table(
    "calsync_subscriptions",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    _calendar(nullable=False, index=True),
    Column("name_hash", HASH, nullable=False, unique=True),
    Column("value", JSON_TEXT, nullable=False),
    sqlite_autoincrement=True,
)

# Every calendar has a row, made with it, so that two processes that hear of it at once need not make one; without a
# state and a value it is no Watch yet. Instants in columns are not in ``value``.
watches = Table(
    "calsync_watches",
    metadata,
    _calendar(primary_key=True, autoincrement=False),
    Column("due_at", INSTANT, index=True),
    Column("check_at", INSTANT, index=True),
    Column("pushed_at", INSTANT),
    Column("called", sa.Integer, index=True),
    Column("state", _STATUS, index=True),
    Column("value", JSON_TEXT),
)

# ``message_hash`` stands for subscription and message together; the same one twice is refused, nameless ones never.
# ``subscription_id`` is no foreign key: what came is processed, also when its subscription was replaced meanwhile.
notifications = Table(
    "calsync_notifications",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    _calendar(nullable=False),
    Column("message_hash", HASH, unique=True),
    Column("status", _STATUS, nullable=False),
    Column("received_at", INSTANT, nullable=False),
    Column("due_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT),
    Column("value", JSON_TEXT, nullable=False),
    Index(None, "calendar_id", "id"),
    Index(None, "calendar_id", "status"),
    Index(None, "status", "due_at", "calendar_id"),
    Index(None, "status", "finished_at"),
    sqlite_autoincrement=True,
)

notices = Table(
    "calsync_notices",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("owner", NAME, nullable=False),
    Column("due_at", INSTANT, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Column("value", JSON_TEXT, nullable=False),
    Index(None, "owner", "id"),
    sqlite_autoincrement=True,
)

leases = Table(
    "calsync_leases",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("holder", NAME, nullable=False),
    Column("token", sa.BigInteger, nullable=False),
    Column("expires_at", INSTANT),
)

runs = Table(
    "calsync_runs",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("finished_at", INSTANT, index=True),
    Column("value", JSON_TEXT, nullable=False),
    sqlite_autoincrement=True,
)

# No foreign key to calendars: a run is remembered longer than a forgotten calendar.
run_calendars = Table(
    "calsync_run_calendars",
    metadata,
    Column("calendar_id", ID, primary_key=True, autoincrement=False),
    Column("run_id", ID, ForeignKey("calsync_runs.id", ondelete="CASCADE"), primary_key=True, index=True),
)

# What each run wrote. ``intent_id`` is no foreign key: the intent is closed by what is remembered here.
writes = Table(
    "calsync_writes",
    metadata,
    Column("run_id", ID, ForeignKey("calsync_runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("intent_id", ID, primary_key=True, autoincrement=False),
    _calendar("target_id", nullable=False, index=True),
    Column("value", JSON_TEXT, nullable=False),
)
