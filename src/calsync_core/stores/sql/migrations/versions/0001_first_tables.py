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
_EXACT = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}


def _name(length: int = 255) -> sa.String:
    return sa.String(length).with_variant(mysql.VARCHAR(length, **_EXACT), *_MARIADB)


def _text() -> sa.Text:
    return sa.Text().with_variant(mysql.LONGTEXT(**_EXACT), *_MARIADB)


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
    _working(metadata)
    metadata.create_all(op.get_bind(), checkfirst=False)


def _directory(metadata: sa.MetaData) -> None:
    sa.Table(
        "accounts",
        metadata,
        _counted(),
        _required("owner", _name()),
        _required("name", _name()),
        _required("value", _text()),
        sa.UniqueConstraint("owner", "name"),
        sqlite_autoincrement=True,
    )
    sa.Table(
        "calendars",
        metadata,
        _counted(),
        _belongs("account_id", "accounts.id"),
        sa.Column("owner", _name(), nullable=False, index=True),
        _required("remote_hash", sa.String(64)),
        _required("enabled", sa.Boolean()),
        _required("value", _text()),
        sa.UniqueConstraint("account_id", "remote_hash"),
        sqlite_autoincrement=True,
    )
    sa.Table("rules", metadata, _key("owner", _name()), _key("position", sa.Integer()), _required("value", _text()))


def _reading(metadata: sa.MetaData) -> None:
    sa.Table(
        "read_states",
        metadata,
        _key("calendar_id", _id(), "calendars.id"),
        sa.Column("due_at", _instant(), index=True),
        _required("value", _text()),
    )
    sa.Table(
        "items",
        metadata,
        _key("calendar_id", _id(), "calendars.id"),
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
        "events",
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
            ["calendar_id", "key_hash"], ["items.calendar_id", "items.key_hash"], ondelete="CASCADE"
        ),
        sa.Index(None, "calendar_id", "identity_hash"),
        sa.Index(None, "calendar_id", "plannable", "ends_at", "starts_at"),
        sa.Index(None, "calendar_id", "mark_hash"),
    )
    sa.Table(
        "debts",
        metadata,
        _key("calendar_id", _id(), "calendars.id"),
        _key("key_hash", sa.String(64)),
        _required("key", _text()),
        _required("reason", _text()),
        _required("since", _instant()),
        _required("due_at", _instant()),
        _required("attempts", sa.Integer()),
        sa.Index(None, "due_at", "calendar_id"),
    )
    sa.Table(
        "journal",
        metadata,
        _counted(),
        _required("owner", _name()),
        sa.Column("calendar_id", _id(), sa.ForeignKey("calendars.id", ondelete="CASCADE"), nullable=True, index=True),
        _required("is_key", sa.Boolean()),
        _required("word", _text()),
        sa.Index(None, "owner", "id"),
        sqlite_autoincrement=True,
    )


def _writing(metadata: sa.MetaData) -> None:
    sa.Table(
        "blocks",
        metadata,
        _key("ref", _name(191)),
        sa.Column("key", _name(191), nullable=False, index=True),
        _required("owner", _name()),
        _required("source_id", _id()),
        _belongs("target_id", "calendars.id"),
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
        "intents",
        metadata,
        _counted(),
        _required("owner", _name()),
        _belongs("target_id", "calendars.id"),
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


def _working(metadata: sa.MetaData) -> None:
    sa.Table(
        "plan_states",
        metadata,
        _key("owner", _name()),
        sa.Column("shape", _text()),
        sa.Column("horizon_end", _instant()),
    )
    sa.Table(
        "leases",
        metadata,
        _key("name", _name()),
        _required("holder", _name()),
        _required("token", sa.BigInteger()),
        sa.Column("expires_at", _instant()),
    )
    sa.Table(
        "runs",
        metadata,
        _counted(),
        sa.Column("finished_at", _instant(), index=True),
        _required("value", _text()),
        sqlite_autoincrement=True,
    )
    sa.Table(
        "run_calendars",
        metadata,
        _key("calendar_id", _id()),
        sa.Column("run_id", _id(), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, index=True),
    )


def downgrade() -> None:
    """Drop all tables, children first."""
    for table in (
        "run_calendars",
        "runs",
        "leases",
        "plan_states",
        "intents",
        "blocks",
        "journal",
        "debts",
        "events",
        "items",
        "read_states",
        "rules",
        "calendars",
        "accounts",
    ):
        op.drop_table(table)
