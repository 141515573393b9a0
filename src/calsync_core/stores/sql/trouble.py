"""A database's errors in our words, without the statement or its values: those hold titles (I-39)."""

from __future__ import annotations

import re

from sqlalchemy import exc

from calsync_core.errors import CalsyncError, ConfigurationError, StoreError

__all__ = ["Contended", "code_of", "in_our_words"]

# Names of SQLite's results, PostgreSQL's five-letter states, MariaDB's numbers: no two look alike.
_CONTENDED = (
    *("SQLITE_BUSY", "SQLITE_LOCKED"),
    *("40001", "40P01", "55P03"),  # serialization failure, deadlock, lock not available in time
    *("1020", "1205", "1213"),  # record changed, lock wait timeout, deadlock
)
_NO_DATABASE_FILE = ("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_READONLY")
_REFUSED = {
    *("28000", "28P01", "3D000", "42501"),  # who it is, password, no such database, privilege
    *("1044", "1045", "1049", "1142", "1227", "1698"),  # database, password, no such database, privilege, user
}
_NOT_REACHED = {"1040", "2002", "2003", "2005", "53300", "57P03"}  # too many connections, and nobody there
# Of a refused connection psycopg only knows the server's words.
_REFUSED_IN_WORDS = re.compile(
    r"authentication failed|no password supplied|does not exist|pg_hba\.conf|permission denied|not permitted|"
    r"invalid connection option|invalid .*value"
)


class Contended(StoreError):
    """Another transaction was in the way, and ours was undone: it may be tried again as it is."""


def in_our_words(error: exc.SQLAlchemyError) -> CalsyncError:
    """What a call of the store raises in place of this."""
    cause = getattr(error, "orig", None)
    if isinstance(cause, CalsyncError):
        return cause
    code = code_of(cause)
    if code.startswith(_NO_DATABASE_FILE):
        return ConfigurationError(f"store url: this file can't be used as a database ({code})")
    what = f"{type(cause or error).__name__} {code}".strip()
    unconnected = isinstance(error, exc.DBAPIError) and error.statement is None and not code
    if code in _REFUSED or (unconnected and _REFUSED_IN_WORDS.search(str(cause))):
        return ConfigurationError(
            f"store url: the database server refuses it: wrong user, password or database, or rights missing ({what})"
        )
    if unconnected or code in _NOT_REACHED:
        return StoreError(f"store url: no connection to the database server now ({what})")
    # Every method looks before it writes: what breaks a key all the same was done by somebody else meanwhile.
    if code.startswith(_CONTENDED) or isinstance(error, exc.IntegrityError):
        return Contended(f"the database can't do it now: {what}")
    return StoreError(f"the database can't do it now: {what}")


def code_of(cause: object) -> str:
    """What kind of error a driver's exception is, in its database's terms; empty if it does not say."""
    named = getattr(cause, "sqlite_errorname", None)
    number = cause.args[0] if isinstance(cause, Exception) and cause.args else None
    if named is None and isinstance(number, int):
        return str(number)  # pymysql: its SQLSTATE says less
    return str(named or getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or "")
