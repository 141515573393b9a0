"""Django in the process of the tests: configured once, with databases that come and go.

A module that imports this has Django ready; none of the others notices.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import django
import pytest
import sqlalchemy as sa
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from calsync_core.contrib.django import installation as module
from calsync_core.contrib.django.configuration import read_configuration
from calsync_core.contrib.django.installation import Installation
from calsync_core.contrib.django.store import DjangoStore
from calsync_core.engine import SyncEngine
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.web.wsgi import webhook_app
from planted import secret
from store_servers import KINDS, new_database

__all__ = [
    "EVERYWHERE",
    "OFTEN",
    "SEARCHING",
    "SECRET",
    "a_memory",
    "database_at",
    "database_on",
    "databases_of",
    "in_file",
    "project_of",
]

SECRET = secret("django")
EVERYWHERE = ["sqlite", *(pytest.param(kind, marks=pytest.mark.server) for kind in KINDS)]
SEARCHING = os.environ.get("HYPOTHESIS_PROFILE") in {"search", "torture"}
"""There is time: everything is tried on every database."""
OFTEN = EVERYWHERE if SEARCHING else EVERYWHERE[:1]
"""Where what the stores' own tests hold on every database is tried once more."""
_ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgresql": "django.db.backends.postgresql",
    "mariadb": "django.db.backends.mysql",
}
_numbers = count(1)

try:
    import MySQLdb  # noqa: F401  (is it there?)
except ImportError:  # it must be built, and PyMySQL behaves like it
    import pymysql

    pymysql.install_as_MySQLdb()

if not settings.configured:
    settings.configure(
        SECRET_KEY=secret("of Django's, which it wants to be long and of many different letters"),
        ALLOWED_HOSTS=["testserver"],
        USE_TZ=True,
        TIME_ZONE="Europe/Berlin",
        DATABASES={"default": {"ENGINE": _ENGINES["sqlite"], "NAME": "file:nothing?mode=memory&cache=shared"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        ROOT_URLCONF="django_urls",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "calsync_core.contrib.django",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        CALSYNC={"secret": SECRET, "providers": {"memory": "django_bench.a_memory"}},
    )
    django.setup()


def a_memory() -> MemoryProvider:
    """What a dotted path may name."""
    return MemoryProvider(MemoryService())


def in_file(path: Path) -> dict[str, Any]:
    """``DATABASES`` of an SQLite file."""
    return {"ENGINE": _ENGINES["sqlite"], "NAME": str(path)}


def _of_url(kind: str, url: str) -> dict[str, Any]:
    parts = sa.make_url(url)
    return {
        "ENGINE": _ENGINES[kind],
        "NAME": parts.database,
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.host or "",
        "PORT": str(parts.port or ""),
    }


@contextmanager
def databases_of(kind: str, folder: Path) -> Iterator[dict[str, Any]]:
    """A new database of this kind, as ``DATABASES`` says it. Skips the test where there is no server."""
    if kind in KINDS:
        with new_database(kind) as url:
            yield _of_url(kind, url)
    else:
        yield in_file(folder / "django.db")


@contextmanager
def database_at(alias: str, how: dict[str, Any], *, migrate: bool = True) -> Iterator[str]:
    """One more of the project's databases, or another in place of one, for a while."""
    before = connections.databases.get(alias)
    plain = {"USER": "", "PASSWORD": "", "HOST": "", "PORT": "", "OPTIONS": {}}
    connections.databases[alias] = {**connections.databases["default"], **plain, **how}
    connections[alias].close()
    del connections[alias]
    try:
        if migrate:
            call_command("migrate", database=alias, verbosity=0)
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]
        if before is not None:
            connections.databases[alias] = before


@contextmanager
def database_on(
    kind: str, folder: Path, *, migrate: bool = True, options: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """A new one of this kind. Skips the test where there is no server."""
    alias = f"{kind}{next(_numbers)}"
    with (
        databases_of(kind, folder) as how,
        database_at(alias, {**how, "OPTIONS": dict(options or {})}, migrate=migrate),
    ):
        yield alias


@contextmanager
def project_of(engine: SyncEngine, **changes: Any) -> Iterator[Installation]:
    """Have the project's engine in this process be this one: with a virtual clock, and services that are none."""
    with override_settings(CALSYNC={**settings.CALSYNC, **changes}):
        configuration = read_configuration()
        made = Installation(
            configuration,
            DjangoStore(configuration.database),
            engine,
            webhook_app(engine, drain=False, max_body=configuration.max_body),
            lambda: None,
        )
        module._made = (os.getpid(), made)
        yield made
    made.store.close()
