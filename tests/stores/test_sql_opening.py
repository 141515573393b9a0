"""How a SQL store is opened: URLs, files, migrations, processes and forks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from calsync_core.errors import ConfigurationError
from calsync_core.models import Account
from calsync_core.stores.sql import SQLStore
from forking import forks, in_a_child


@pytest.mark.parametrize(
    "url",
    [
        *("", "calsync.db", "nosuch:///x", "sqlite+nosuch:///x", "mysql+nosuch://h/x", "mssql+pyodbc://h/x"),
        *("sqlite:///x.db?synchronous=maybe", "sqlite:///x.db?pool_size=3", "sqlite+aiosqlite:///x.db"),
        *("sqlite://ana:secret@/x.db", "sqlite://x.db"),
    ],
)
def test_a_wrong_url_is_told_before_anything_is_opened(url: str) -> None:  # I-44
    with pytest.raises(ConfigurationError, match="store url"):
        SQLStore(url)


def test_a_missing_driver_is_named() -> None:  # I-44
    with pytest.raises(ConfigurationError, match=r"store url: .*driver.* aiomysql"):
        SQLStore("mysql+aiomysql://user:secret@host/db")


@pytest.mark.parametrize(
    ("url", "driver", "extra"),
    [
        ("postgresql://u:secret@h/d", "psycopg", "postgresql"),
        ("postgresql+psycopg://u:secret@h/d", "psycopg", "postgresql"),
        ("mysql://u:secret@h/d", "pymysql", "mariadb"),
        ("mariadb://u:secret@h/d", "pymysql", "mariadb"),
        ("mysql+pymysql://u:secret@h/d", "pymysql", "mariadb"),
    ],
)
def test_a_missing_driver_of_ours_names_its_extra(
    url: str, driver: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # I-39, I-44
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(ConfigurationError, match=rf"store url: .* calsync-core\[{extra}\]") as caught:
        SQLStore(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("asked", ["synchronous=maybe", "synchronous=normal", "pool_size=0", "pool_size=many"])
def test_an_option_that_means_nothing_on_a_server_is_refused(asked: str) -> None:  # I-44
    with pytest.raises(ConfigurationError, match=rf"store url: {asked.partition('=')[0]}"):
        SQLStore(f"postgresql://u@h/d?{asked}")


def test_a_password_is_never_shown(tmp_path: Path) -> None:  # I-39
    assert "secret" not in repr(SQLStore("postgresql://ana:secret@host/db"))
    assert "secret" not in repr(SQLStore(f"sqlite:///{tmp_path}/x.db?key=secret"))
    with pytest.raises(ConfigurationError) as caught:
        SQLStore("nosuch://ana:secret@host/db")
    assert "secret" not in str(caught.value)


def test_nothing_is_opened_before_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    store = SQLStore(f"sqlite:///{path}")
    assert not path.exists()
    assert store.load_accounts() == []
    assert path.exists()
    store.close()


def test_what_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:  # I-44
    path = tmp_path / "notes.txt"
    path.write_text("shopping list\n" * 100)
    for url in (f"sqlite:///{path}", f"sqlite:///{tmp_path}/no/such/folder/x.db"):
        store = SQLStore(url)
        with pytest.raises(ConfigurationError, match="store url"):
            store.load_accounts()
        store.close()
    assert path.read_text().startswith("shopping list")


def test_a_file_is_opened_as_it_should_be(file_store: SQLStore) -> None:
    with file_store._database.reading() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1}


@pytest.mark.parametrize(
    ("asked", "promised", "otherwise"), [("", 2, 1), ("?synchronous=full", 2, 2), ("?synchronous=off", 0, 0)]
)
def test_what_was_promised_survives_a_power_failure(
    tmp_path: Path, asked: str, promised: int, otherwise: int
) -> None:  # I-28, I-36
    store = SQLStore(f"sqlite:///{tmp_path}/x.db{asked}")
    # One connection goes from one kind of transaction to the other and back.
    for _ in range(2):
        for each, expected in ((True, promised), (False, otherwise)):
            with store._database.writing(promised=each) as connection:
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == expected
    store.close()


@forks
def test_a_store_made_and_used_before_a_fork_works_after_it(file_store: SQLStore) -> None:
    mine = file_store.save_account(Account("ana", "memory", "parent"))

    def works() -> bool:
        same = file_store.load_accounts() == [mine]
        file_store.save_account(Account("ana", "memory", "child"))
        return same

    assert in_a_child(works)
    assert [account.name for account in file_store.load_accounts()] == ["parent", "child"]
    file_store.save_account(Account("ana", "memory", "parent again"))
