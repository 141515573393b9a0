"""What each extra promises, where the wheel and that extra alone are installed: ``python tests/extra.py NAME``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from calsync_core import Account, Password, SyncEngine
from calsync_core.credentials import KeptLogin, new_key
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores import MemoryStore


def credentials() -> None:
    """A login is sealed and opened."""
    from calsync_core.credentials.vault import Vault  # noqa: PLC0415  (an extra)

    vault, account = Vault(new_key()), Account("ana", "caldav", "home", id=1)
    kept = KeptLogin.of(Password("ana", "secret"))
    assert vault.unseal(account, vault.seal(account, kept)) == kept


def google() -> None:
    """The provider can be used, with its logins sealed."""
    from calsync_core.providers.google import GoogleProvider  # noqa: PLC0415  (an extra)

    SyncEngine(
        store=MemoryStore(),
        providers={"google": GoogleProvider()},
        secret="a secret for this test",
        encryption_key=new_key(),
    )


def microsoft() -> None:
    """The provider can be used, with its logins sealed."""
    from calsync_core.providers.microsoft import MicrosoftProvider  # noqa: PLC0415  (an extra)

    SyncEngine(
        store=MemoryStore(),
        providers={"microsoft": MicrosoftProvider()},
        secret="a secret for this test",
        encryption_key=new_key(),
    )


def caldav() -> None:
    """Both providers can be used."""
    from calsync_core.providers.caldav import CalDAVProvider, ICloudProvider  # noqa: PLC0415  (an extra)

    providers = {"caldav": CalDAVProvider(), "icloud": ICloudProvider()}
    SyncEngine(store=MemoryStore(), providers=providers, secret="a secret for this test")


def sql() -> None:
    """SQLite is opened and gets its tables."""
    from calsync_core.stores.sql import SQLStore  # noqa: PLC0415  (an extra)

    store = SQLStore("sqlite:///extra.db")
    assert store.load_accounts() == []
    store.close()


def postgresql() -> None:
    """The driver is there: it is a server that is missing."""
    _asks_a_server("postgresql+psycopg://nobody@127.0.0.1:1/none")


def mariadb() -> None:
    """The driver is there: it is a server that is missing."""
    _asks_a_server("mysql+pymysql://nobody@127.0.0.1:1/none")


def _asks_a_server(url: str) -> None:
    from calsync_core.errors import StoreError  # noqa: PLC0415  (where it is used)
    from calsync_core.stores.sql import SQLStore  # noqa: PLC0415  (an extra)

    try:
        SQLStore(url).load_accounts()
    except StoreError:
        return
    raise AssertionError("a server answered at a port where none can be")


def celery() -> None:
    """The tasks are registered."""
    from celery import Celery  # noqa: PLC0415  (an extra)

    from calsync_core.contrib.celery import calsync_tasks  # noqa: PLC0415  (an extra)

    app = Celery("extra", broker="memory://")
    calsync_tasks(app, lambda: SyncEngine(store=MemoryStore(), providers={}, secret="a secret for this test"))
    assert "calsync.polling" in app.tasks


def django() -> None:
    """A project has the store in its own database, where ``migrate`` made the tables."""
    import django  # noqa: PLC0415  (an extra)
    from django.conf import settings  # noqa: PLC0415  (an extra)
    from django.core.management import call_command  # noqa: PLC0415  (an extra)

    settings.configure(
        INSTALLED_APPS=["calsync_core.contrib.django"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "extra.db"}},
        CALSYNC={"secret": "a secret of 16 letters", "providers": {"memory": MemoryProvider(MemoryService())}},
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from calsync_core.contrib.django import engine  # noqa: PLC0415  (once Django is set up)

    assert engine().accounts() == []


def cli() -> None:
    """The command is there, and does what needs no provider and no database."""
    assert "Exit codes" in _calsync("--help")
    assert "calsync, version" in _calsync("--version")
    _calsync("init")
    assert Path("calsync.toml").exists()


def demo() -> None:
    """The whole story is told."""
    _calsync("demo", "--json")


def everything() -> None:
    """All of them beside each other."""
    for name, promise in PROMISES.items():
        if name not in {"all", "demo"}:
            promise()


def _calsync(*words: str) -> str:
    command = [str(Path(sys.executable).with_name("calsync")), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


PROMISES: Mapping[str, Callable[[], None]] = {
    "all": everything,
    "caldav": caldav,
    "celery": celery,
    "cli": cli,
    "credentials": credentials,
    "demo": demo,
    "django": django,
    "google": google,
    "mariadb": mariadb,
    "microsoft": microsoft,
    "postgresql": postgresql,
    "sql": sql,
}

if __name__ == "__main__":
    for path in ("calsync.toml", "extra.db"):
        Path(path).unlink(missing_ok=True)
    PROMISES[sys.argv[1]]()
