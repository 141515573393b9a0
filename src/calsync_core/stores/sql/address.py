"""Where a database is: its URL, read and judged before anything is opened."""

from __future__ import annotations

import sqlalchemy as sa
from attrs import field, frozen
from sqlalchemy import exc
from sqlalchemy.pool import SingletonThreadPool

from calsync_core.errors import ConfigurationError

__all__ = ["Address", "check_engine", "parse_address"]

_POOL_SIZE = 10
_SYNCHRONOUS = {"sqlite": ("off", "normal", "full"), "postgresql": ("off", "full")}
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}
_EXTRAS = {"psycopg": "postgresql", "pymysql": "mariadb"}
_EXAMPLES = "like sqlite:///calsync.db, postgresql+psycopg://user@host/name or mysql+pymysql://user@host/name"


@frozen
class Address:
    """A database URL without what is ours in it.

    Attributes:
        synchronous: How hard each commit is pressed to the disk; None: what was promised hard, the rest softly.
        pool_size: At most so many connections, in each process, to a database on a server.
    """

    url: sa.URL = field(repr=False)  # SQLAlchemy hides its password, and not what stands behind a question mark
    synchronous: str | None = None
    pool_size: int = _POOL_SIZE

    @property
    def kind(self) -> str:
        """``sqlite``, ``postgresql`` or ``mysql``, which is also MariaDB's."""
        return self.url.get_backend_name()


def parse_address(text: str) -> Address:
    """Read a store's URL.

    Raises:
        ConfigurationError: names ``store url``: it can't be parsed, is of a database that is not supported, or its
            driver is not installed.
    """
    try:
        url = sa.make_url(text)
        # Without a driver, each version of SQLAlchemy would choose another one.
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        dialect = url.get_dialect()
        dialect.import_dbapi()
        # Connects to nothing, and refuses an SQLite URL with a user or a host.
        dialect().create_connect_args(url.set(query={}))
    except (exc.ArgumentError, AttributeError, TypeError, ValueError):
        raise ConfigurationError(f"store url: not a database URL that can be used, {_EXAMPLES}") from None
    except ImportError as error:
        raise ConfigurationError(f"store url: its database driver is not installed: {_missing(error.name)}") from None
    _check_kind(url, is_async=dialect.is_async)
    return _with_options(url)


def check_engine(engine: sa.Engine) -> None:
    """Raises ConfigurationError, naming ``store``, for a host's engine that a store can't use."""
    _check_kind(engine.url, is_async=engine.dialect.is_async)
    if isinstance(engine.pool, SingletonThreadPool):
        raise ConfigurationError(
            "store url: with this engine each thread has a database of its own: give it poolclass=StaticPool"
        )


def _check_kind(url: sa.URL, *, is_async: bool) -> None:
    # MariaDB's own dialect has its own name.
    if url.get_backend_name() not in {"sqlite", "postgresql", "mysql", "mariadb"} or is_async:
        raise ConfigurationError(f"store url: not a database or driver that calsync-core works with, {_EXAMPLES}")


def _missing(driver: str | None) -> str:
    extra = _EXTRAS.get(driver or "")
    return f"{driver}" if extra is None else f"{driver}, which the extra {extra} brings: calsync-core[{extra}]"


def _with_options(url: sa.URL) -> Address:
    said = {name: str(url.query[name]) for name in ("synchronous", "pool_size") if name in url.query}
    kind = url.get_backend_name()
    synchronous = said.get("synchronous")
    if synchronous is not None:
        synchronous = synchronous.lower()
        if kind not in _SYNCHRONOUS:
            raise ConfigurationError("store url: synchronous is not for MariaDB, which decides that for a whole server")
        if synchronous not in _SYNCHRONOUS[kind]:
            raise ConfigurationError(f"store url: synchronous must be one of {', '.join(_SYNCHRONOUS[kind])}")
    size = said.get("pool_size", str(_POOL_SIZE))
    if not (size.isascii() and size.isdigit() and int(size) > 0) or (kind == "sqlite" and "pool_size" in said):
        raise ConfigurationError("store url: pool_size must be a number from 1, for a database on a server")
    return Address(url.difference_update_query(list(said)), synchronous, int(size))
