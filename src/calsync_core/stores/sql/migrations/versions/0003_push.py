"""Push: subscriptions, watches, the inbox and the outbox; and what is counted of accounts and reads.

A revision is a record of what was: it repeats column types instead of importing those of today.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

_MARIADB = ("mysql", "mariadb")
_EXACT = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}


def _name() -> sa.String:
    return sa.String(255).with_variant(mysql.VARCHAR(255, **_EXACT), *_MARIADB)


def _text() -> sa.Text:
    return sa.Text().with_variant(mysql.LONGTEXT(**_EXACT), *_MARIADB)


def _instant() -> sa.DateTime:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), *_MARIADB)


def _id() -> sa.BigInteger:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _required(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _counted(table: str) -> tuple[sa.Column[int], sa.PrimaryKeyConstraint]:
    return sa.Column("id", _id(), autoincrement=True), sa.PrimaryKeyConstraint("id", name=f"pk_{table}")


def _of_a_calendar(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_calendar_id"
    return sa.ForeignKeyConstraint(["calendar_id"], ["calendars.id"], name=name, ondelete="CASCADE")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def upgrade() -> None:
    """Create the tables; add what is counted, with what it is in the rows that are there."""
    _subscriptions()
    _watches()
    _notifications()
    _notices()
    op.add_column("accounts", sa.Column("status", sa.String(32), nullable=False, server_default="active"))
    op.add_column("read_states", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    _fill("accounts", "id", "status", sa.String(32))
    _fill("read_states", "calendar_id", "failures", sa.Integer())


def _fill(name: str, key: str, column: str, kind: sa.types.TypeEngine[Any]) -> None:
    """Give each row in its new column what its value says; a field at its default is not in the value."""
    table = sa.table(name, sa.column(key, _id()), sa.column("value", _text()), sa.column(column, kind))
    connection = op.get_bind()
    for row_id, value in connection.execute(sa.select(table.c[key], table.c.value)).all():
        said = json.loads(value).get(column)
        if said is not None:
            connection.execute(sa.update(table).where(table.c[key] == row_id).values({column: said}))


def _subscriptions() -> None:
    op.create_table(
        "subscriptions",
        *_counted("subscriptions"),
        _required("calendar_id", _id()),
        _required("name_hash", sa.String(64)),
        _required("value", _text()),
        _of_a_calendar("subscriptions"),
        sa.UniqueConstraint("name_hash", name="uq_subscriptions_name_hash"),
        sqlite_autoincrement=True,
    )
    _index("subscriptions", "calendar_id")


def _watches() -> None:
    op.create_table(
        "watches",
        sa.Column("calendar_id", _id(), autoincrement=False),
        sa.Column("due_at", _instant()),
        sa.Column("check_at", _instant()),
        sa.Column("pushed_at", _instant()),
        sa.Column("state", sa.String(32)),
        sa.Column("value", _text()),
        sa.PrimaryKeyConstraint("calendar_id", name="pk_watches"),
        _of_a_calendar("watches"),
    )
    _index("watches", "due_at")
    _index("watches", "check_at")
    op.execute("INSERT INTO watches (calendar_id) SELECT id FROM calendars")


def _notifications() -> None:
    op.create_table(
        "notifications",
        *_counted("notifications"),
        _required("calendar_id", _id()),
        sa.Column("message_hash", sa.String(64)),
        _required("status", sa.String(32)),
        _required("received_at", _instant()),
        _required("due_at", _instant()),
        sa.Column("finished_at", _instant()),
        _required("value", _text()),
        _of_a_calendar("notifications"),
        sa.UniqueConstraint("message_hash", name="uq_notifications_message_hash"),
        sqlite_autoincrement=True,
    )
    _index("notifications", "calendar_id", "id")
    _index("notifications", "calendar_id", "status")
    _index("notifications", "status", "due_at", "calendar_id")
    _index("notifications", "status", "finished_at")


def _notices() -> None:
    op.create_table(
        "notices",
        *_counted("notices"),
        _required("owner", _name()),
        _required("due_at", _instant()),
        _required("attempts", sa.Integer()),
        _required("value", _text()),
        sqlite_autoincrement=True,
    )
    _index("notices", "owner", "id")


def downgrade() -> None:
    """Drop them; subscriptions end by themselves, and what was in the inbox is found by polling."""
    # Not by copying the table, as batches do in SQLite: dropping the old one would take along what refers to it.
    op.drop_column("read_states", "failures")
    op.drop_column("accounts", "status")
    for table in ("notices", "notifications", "watches", "subscriptions"):
        op.drop_table(table)
