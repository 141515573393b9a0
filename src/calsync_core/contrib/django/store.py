"""The store of a Django project: ``SQLStore`` over one of its databases."""

from __future__ import annotations

from calsync_core.contrib.django.database import DjangoDatabase
from calsync_core.stores.sql import SQLStore

__all__ = ["DjangoStore"]


class DjangoStore(SQLStore):
    """Keeps everything in tables of the project's own database, which ``manage.py migrate`` makes and upgrades.

    It has connections of its own, made by Django's backend as ``DATABASES`` says, since what the store commits must not
    depend on what becomes of a request. Inside ``transaction.atomic()`` on the same database every call is refused with
    InsideTransaction, except what takes in a push: that becomes part of the transaction.

    Args:
        alias: Key of ``DATABASES``.

    Raises:
        ConfigurationError: names ``DATABASES``: there is none of this name, or it is of a kind that is not supported;
            on first use also: it can't be opened, or its tables are behind.
    """

    def __init__(self, alias: str = "default") -> None:
        super(SQLStore, self).__init__(DjangoDatabase(alias))

    def __repr__(self) -> str:
        database = self._database
        assert isinstance(database, DjangoDatabase)  # noqa: S101  (we made it)
        return f"DjangoStore({database.alias!r})"
