"""Column types that mean the same in SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from calsync_core.errors import InvalidValue
from calsync_core.models import require_utc
from calsync_core.stores.sql.codec import escape, unescape

__all__ = ["HASH", "ID", "INSTANT", "JSON_TEXT", "NAME", "REF", "WORD", "Instant", "Name", "Word"]

LONGEST_NAME = 255
LONGEST_REF = 191
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _is_mariadb(dialect: sa.Dialect) -> bool:
    return dialect.name in {"mysql", "mariadb"}


def _text(dialect: sa.Dialect, length: int | None = None) -> sa.types.TypeEngine[Any]:
    """Text that is compared exactly; without a length it has no end."""
    if not _is_mariadb(dialect):
        return sa.Text() if length is None else sa.String(length)
    from sqlalchemy.dialects import mysql  # noqa: PLC0415  (all its drivers: whoever has another database waits for none)

    if length is None:
        # MariaDB's TEXT ends at 64 KB; a resource with hundreds of exceptions is longer.
        return mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
    # MariaDB's default collations think that "Ana" and "ana" are the same owner, and most that "ana " is, too.
    return mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin")


class Endless(sa.types.TypeDecorator[str]):
    """Text of any length."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Unbounded everywhere."""
        return _text(dialect)


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware datetime, stored as naive UTC with microseconds."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """MariaDB drops fractions of a second unless told otherwise."""
        if not _is_mariadb(dialect):
            return dialect.type_descriptor(sa.DateTime())
        from sqlalchemy.dialects import mysql  # noqa: PLC0415  (as above)

        return dialect.type_descriptor(mysql.DATETIME(fsp=6))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002  (SQLAlchemy's signature)
        """To naive UTC. Raises InvalidValue for a naive datetime."""
        return None if value is None else require_utc("datetime", value).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002  (SQLAlchemy's signature)
        """To aware UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class Name(sa.types.TypeDecorator[str]):
    """The host's own words (owners, account names): bounded, compared exactly, and indexed as they are."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int = LONGEST_NAME) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """With an exact collation where the default is not."""
        return _text(dialect, self.length)

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002  (SQLAlchemy's signature)
        """Raises InvalidValue for what some database could not keep: the caller gets the same answer from all."""
        if value is None:
            return None
        if len(value) > self.length:
            raise InvalidValue(f"name: at most {self.length} characters can be stored, got {len(value)}")
        if _UNSTORABLE.search(value):
            raise InvalidValue("name: contains characters that can't be stored")
        return value


class Word(Endless):
    """A provider's text of any length and content; searched by its ``digest`` in a column beside it."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002  (SQLAlchemy's signature)
        """To ASCII."""
        return None if value is None else escape(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002  (SQLAlchemy's signature)
        """Back from ASCII."""
        return None if value is None else unescape(value)


# SQLite counts up by itself only in a column of type INTEGER.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = Instant()
NAME = Name()
REF = Name(LONGEST_REF)
WORD = Word()
HASH = sa.String(64)
JSON_TEXT = Endless()
