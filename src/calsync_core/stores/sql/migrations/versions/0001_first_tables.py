"""The first tables.

A revision is a record of what was: it repeats column types instead of importing those of today.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
_MARIADB = ("mysql", "mariadb")


def _name(length: int = 255) -> sa.String:
    # MariaDB's other binary collation thinks that "ana" and "ana " are the same.
    exact = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin")
    return sa.String(length).with_variant(exact, *_MARIADB)


def _text() -> sa.Text:
    return sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), *_MARIADB)


def _instant() -> sa.DateTime:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), *_MARIADB)


def _id() -> sa.BigInteger:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _required(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _counted() -> sa.Column[int]:
    return sa.Column("id", _id(), primary_key=True, autoincrement=True)


def _key(name: str, kind: sa.types.TypeEngine[Any], references: str | None = None) -> sa.Column[Any]:
    keys = [sa.ForeignKey(references, ondelete="CASCADE")] if references else []
    return sa.Column(name, kind, *keys, primary_key=True, autoincrement=False)


def _belongs(name: str, references: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _id(), sa.ForeignKey(references, ondelete="CASCADE"), nullable=nullable)


def upgrade() -> None:
    """Create all tables."""
    metadata = sa.MetaData(naming_convention=_NAMING)
    _directory(metadata)
    _reading(metadata)
    _writing(metadata)
    _pushing(metadata)
    _working(metadata)
    metadata.create_all(op.get_bind(), checkfirst=False)


def _directory(metadata: sa.MetaData) -> None:
    sa.Table(
        "calsync_accounts",
        metadata,
        _counted(),
        _required("owner", _name()),
        _required("name", _name()),
        _required("value", _text()),
        _required("status", sa.String(32)),
        sa.UniqueConstraint("owner", "name"),
        sqlite_autoincrement=True,
    )
    sa.Table(
        "calsync_credentials",
        metadata,
        _key("account_id", _id(), "calsync_accounts.id"),
        _required("sealed", _text()),
        _required("saved_at", _instant()),
    )
    sa.Table(
        "calsync_calendars",
        metadata,
        _counted(),
        _belongs("account_id", "calsync_accounts.id"),
        sa.Column("owner", _name(), nullable=False, index=True),
        _required("remote_hash", sa.String(64)),
        _required("enabled", sa.Boolean()),
        _required("value", _text()),
        sa.UniqueConstraint("account_id", "remote_hash"),
        sqlite_autoincrement=True,
    )
    sa.Table(
        "calsync_rules", metadata, _key("owner", _name()), _key("position", sa.Integer()), _required("value", _text())
    )


def _reading(metadata: sa.MetaData) -> None:
    sa.Table(
        "calsync_read_states",
        metadata,
        _key("calendar_id", _id(), "calsync_calendars.id"),
        sa.Column("due_at", _instant(), index=True),
        _required("value", _text()),
        _required("failures", sa.Integer()),
    )
    sa.Table(
        "calsync_items",
        metadata,
        _key("calendar_id", _id(), "calsync_calendars.id"),
        _key("key_hash", sa.String(64)),
        _required("key", _text()),
        sa.Column("etag", _text()),
        sa.Column("version", _instant()),
        sa.Column("series", _text()),
        sa.Column("series_hash", sa.String(64)),
        _required("round", sa.BigInteger()),
        sa.Index(None, "calendar_id", "series_hash"),
        sa.Index(None, "calendar_id", "round"),
    )
    sa.Table(
        "calsync_events",
        metadata,
        _key("calendar_id", _id()),
        _key("key_hash", sa.String(64)),
        _key("position", sa.Integer()),
        _required("identity", _text()),
        _required("identity_hash", sa.String(64)),
        _required("plannable", sa.Boolean()),
        _required("starts_at", _instant()),
        sa.Column("ends_at", _instant()),
        sa.Column("mark_hash", sa.String(64)),
        _required("value", _text()),
        sa.ForeignKeyConstraint(
            ["calendar_id", "key_hash"], ["calsync_items.calendar_id", "calsync_items.key_hash"], ondelete="CASCADE"
        ),
        sa.Index(None, "calendar_id", "identity_hash"),
        sa.Index(None, "calendar_id", "plannable", "ends_at", "starts_at"),
        sa.Index(None, "calendar_id", "mark_hash"),
    )
    sa.Table(
        "calsync_debts",
        metadata,
        _key("calendar_id", _id(), "calsync_calendars.id"),
        _key("key_hash", sa.String(64)),
        _required("key", _text()),
        _required("reason", _text()),
        _required("since", _instant()),
        _required("due_at", _instant()),
        _required("attempts", sa.Integer()),
        sa.Index(None, "due_at", "calendar_id"),
    )
    sa.Table(
        "calsync_journal",
        metadata,
        _counted(),
        _required("owner", _name()),
        sa.Column(
            "calendar_id", _id(), sa.ForeignKey("calsync_calendars.id", ondelete="CASCADE"), nullable=True, index=True
        ),
        _required("is_key", sa.Boolean()),
        _required("word", _text()),
        sa.Index(None, "owner", "id"),
        sqlite_autoincrement=True,
    )


def _writing(metadata: sa.MetaData) -> None:
    sa.Table(
        "calsync_blocks",
        metadata,
        _key("ref", _name(191)),
        sa.Column("key", _name(191), nullable=False, index=True),
        _required("owner", _name()),
        _required("source_id", _id()),
        _belongs("target_id", "calsync_calendars.id"),
        _required("uid_hash", sa.String(64)),
        _required("native_hash", sa.String(64)),
        _required("state", sa.String(32)),
        sa.Column("held_since", _instant(), index=True),
        sa.Column("changed_at", _instant()),
        _required("slot_end", _instant()),
        _required("value", _text()),
        sa.Index(None, "owner", "uid_hash"),
        sa.Index(None, "target_id", "native_hash"),
        sa.Index(None, "source_id", "state", "changed_at"),
        sa.Index(None, "slot_end"),
    )
    sa.Table(
        "calsync_intents",
        metadata,
        _counted(),
        _required("owner", _name()),
        _belongs("target_id", "calsync_calendars.id"),
        sa.Column("ref", _name(191), nullable=False, unique=True),
        _required("slot_at", _instant()),
        _required("due_at", _instant()),
        _required("attempts", sa.Integer()),
        sa.Column("claimed_name", _name()),
        sa.Column("claimed_token", sa.BigInteger()),
        _required("value", _text()),
        sa.Index(None, "target_id", "slot_at", "id"),
        sa.Index(None, "due_at", "target_id"),
        sa.Index(None, "owner", "due_at", "target_id"),
        sqlite_autoincrement=True,
    )


def _pushing(metadata: sa.MetaData) -> None:
    sa.Table(
        "calsync_subscriptions",
        metadata,
        _counted(),
        sa.Column(
            "calendar_id", _id(), sa.ForeignKey("calsync_calendars.id", ondelete="CASCADE"), nullable=False, index=True
        ),
        sa.Column("name_hash", sa.String(64), nullable=False, unique=True),
        _required("value", _text()),
        sqlite_autoincrement=True,
    )
    sa.Table(
        "calsync_watches",
        metadata,
        _key("calendar_id", _id(), "calsync_calendars.id"),
        sa.Column("due_at", _instant(), index=True),
        sa.Column("check_at", _instant(), index=True),
        sa.Column("pushed_at", _instant()),
        sa.Column("state", sa.String(32), index=True),
        sa.Column("value", _text()),
    )
    sa.Table(
        "calsync_notifications",
        metadata,
        _counted(),
        _belongs("calendar_id", "calsync_calendars.id"),
        sa.Column("message_hash", sa.String(64), unique=True),
        _required("status", sa.String(32)),
        _required("received_at", _instant()),
        _required("due_at", _instant()),
        sa.Column("finished_at", _instant()),
        _required("value", _text()),
        sa.Index(None, "calendar_id", "id"),
        sa.Index(None, "calendar_id", "status"),
        sa.Index(None, "status", "due_at", "calendar_id"),
        sa.Index(None, "status", "finished_at"),
        sqlite_autoincrement=True,
    )
    sa.Table(
        "calsync_notices",
        metadata,
        _counted(),
        _required("owner", _name()),
        _required("due_at", _instant()),
        _required("attempts", sa.Integer()),
        _required("value", _text()),
        sa.Index(None, "owner", "id"),
        sqlite_autoincrement=True,
    )


def _working(metadata: sa.MetaData) -> None:
    sa.Table(
        "calsync_plan_states",
        metadata,
        _key("owner", _name()),
        sa.Column("shape", _text()),
        sa.Column("horizon_end", _instant()),
    )
    sa.Table(
        "calsync_leases",
        metadata,
        _key("name", _name()),
        _required("holder", _name()),
        _required("token", sa.BigInteger()),
        sa.Column("expires_at", _instant()),
    )
    sa.Table(
        "calsync_runs",
        metadata,
        _counted(),
        sa.Column("finished_at", _instant(), index=True),
        _required("value", _text()),
        sqlite_autoincrement=True,
    )
    sa.Table(
        "calsync_run_calendars",
        metadata,
        _key("calendar_id", _id()),
        sa.Column("run_id", _id(), sa.ForeignKey("calsync_runs.id", ondelete="CASCADE"), primary_key=True, index=True),
    )


def downgrade() -> None:
    """Drop all tables, children first."""
    for table in (
        "calsync_run_calendars",
        "calsync_runs",
        "calsync_leases",
        "calsync_plan_states",
        "calsync_notices",
        "calsync_notifications",
        "calsync_watches",
        "calsync_subscriptions",
        "calsync_intents",
        "calsync_blocks",
        "calsync_journal",
        "calsync_debts",
        "calsync_events",
        "calsync_items",
        "calsync_read_states",
        "calsync_rules",
        "calsync_calendars",
        "calsync_credentials",
        "calsync_accounts",
    ):
        op.drop_table(table)
