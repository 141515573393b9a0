"""Django's migrations make the tables that the store's own do, and Django's models say what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connections, models
from django.db.migrations.loader import MigrationLoader

from calsync_core.contrib.django.fields import InstantField
from calsync_core.contrib.django.operations import UpgradeTables
from calsync_core.contrib.django.store import DjangoStore
from calsync_core.errors import ConfigurationError
from calsync_core.models import Account
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.columns import Instant
from calsync_core.stores.sql.schema import REVISION, VERSION_TABLE
from calsync_core.stores.sql.tables import metadata
from django_bench import EVERYWHERE, OFTEN, database_at, database_on, in_file
from store_servers import KINDS, new_database


def shape(engine: sa.Engine) -> dict[str, Any]:
    """Whatever a database says of its tables of ours."""
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        return {
            name: {
                "columns": [
                    (each["name"], str(each["type"]), repr(each["type"]), each["nullable"], each["default"])
                    for each in inspector.get_columns(name)
                ],
                "primary key": inspector.get_pk_constraint(name),
                "foreign keys": sorted(inspector.get_foreign_keys(name), key=str),
                "unique": sorted(inspector.get_unique_constraints(name), key=str),
                "indexes": sorted(inspector.get_indexes(name), key=str),
            }
            for name in inspector.get_table_names()
            if name.startswith("calsync_")
        }


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_djangos_migrations_and_the_stores_own_make_the_same_tables(kind: str, tmp_path: Path) -> None:
    with database_on(kind, tmp_path) as alias:
        store = DjangoStore(alias)
        assert store.load_accounts() == []
        made = shape(store._database._open().engine)
        store.close()
    if kind in KINDS:
        with new_database(kind) as url:
            own = SQLStore(url)
            own.load_accounts()
            expected = shape(own._database._open().engine)
            own.close()
    else:
        own = SQLStore(f"sqlite:///{tmp_path}/own.db")
        own.load_accounts()
        expected = shape(own._database._open().engine)
        own.close()
    assert len(expected) == len(metadata.tables) + 1
    assert made == expected


def kind_of(column: sa.Column[Any]) -> tuple[type[models.Field[Any, Any]], int | None]:
    """The field of Django's for a column, and its length."""
    if column.primary_key and column.table.autoincrement_column is column:
        return models.BigAutoField, None
    if column.foreign_keys and len(next(iter(column.foreign_keys)).constraint.columns) == 1:  # type: ignore[union-attr]  # each has one
        return models.ForeignKey, None
    length = getattr(column.type, "length", None)
    plain: list[tuple[type[Any], type[models.Field[Any, Any]]]] = [
        *((Instant, InstantField), (sa.Boolean, models.BooleanField)),
        *((sa.BigInteger, models.BigIntegerField), (sa.Integer, models.IntegerField)),
    ]
    for type_of_column, kind in plain:
        if isinstance(column.type, type_of_column):
            return kind, None
    return (models.TextField, None) if length is None else (models.CharField, length)


def differences() -> list[str]:
    """What Django's models say otherwise than the store's tables, each in a line."""
    known = {
        model._meta.db_table: model for model in apps.get_app_config("calsync").get_models() if not model._meta.proxy
    }
    found = [f"{name}: there is no model" for name in metadata.tables.keys() - known.keys()]
    found += [f"{name}: there is no such table" for name in known.keys() - metadata.tables.keys()]
    for name, model in known.items():
        table = metadata.tables[name]
        fields = {field.column: field for field in model._meta.concrete_fields if field.column}
        found += [f"{name}.{column}: no field" for column in table.columns.keys() - fields.keys()]
        found += [f"{name}.{column}: no column" for column in fields.keys() - table.columns.keys()]
        for column in table.columns:
            field = fields.get(column.name)
            if field is not None:
                found += [f"{name}.{column.name}: {each}" for each in _compared(column, field)]
        keys = [field.column for field in model._meta.pk_fields]
        if keys != [column.name for column in table.primary_key.columns]:
            found.append(f"{name}: its primary key is {keys}")
    return found


def _compared(column: sa.Column[Any], field: Any) -> list[str]:
    kind, length = kind_of(column)
    found = []
    if not isinstance(field, kind):
        found.append(f"is a {type(field).__name__}, not a {kind.__name__}")
    if length is not None and getattr(field, "max_length", None) != length:
        found.append(f"is of {field.max_length} characters, not of {length}")
    if field.null != column.nullable:
        found.append(f"null is {field.null}")
    if kind is models.ForeignKey:
        [target] = column.foreign_keys
        leads_to = field.related_model._meta.db_table  # pyright: ignore[reportOptionalMemberAccess]  # a foreign key has it
        if leads_to != target.column.table.name:
            found.append(f"leads to {leads_to}")
    if bool(column.unique) != field.unique and not field.primary_key:
        found.append(f"unique is {field.unique}")
    return found


def test_the_models_are_the_tables() -> None:
    assert differences() == []


def test_the_last_migration_brings_the_tables_to_what_the_store_expects() -> None:
    """After a new revision of the store's: change the models, ``makemigrations``, and put UpgradeTables beside it."""
    call_command("makemigrations", "calsync", check=True, dry_run=True, verbosity=0)
    loader = MigrationLoader(None)
    [leaf] = loader.graph.leaf_nodes("calsync")
    operations = loader.get_migration(*leaf).operations
    [upgrade] = [each for whole in operations for each in whole.database_operations]  # type: ignore[attr-defined]  # all of ours have them
    assert isinstance(upgrade, UpgradeTables)
    assert upgrade.revision == REVISION


@pytest.mark.parametrize("kind", OFTEN)
def test_tables_that_are_behind_are_told_of_in_one_line_that_says_what_to_do(kind: str, tmp_path: Path) -> None:  # I-44
    with database_on(kind, tmp_path, migrate=False) as alias:
        store = DjangoStore(alias)
        with pytest.raises(ConfigurationError) as caught:
            store.load_accounts()
        assert str(caught.value) == f"DATABASES['{alias}']: this database has no tables yet: run manage.py migrate"
        call_command("migrate", database=alias, verbosity=0)
        assert store.load_accounts() == []
        # Back and forth again, with nothing of it left.
        call_command("migrate", "calsync", "zero", database=alias, verbosity=0)
        assert [name for name in connections[alias].introspection.table_names() if name.startswith("calsync_")] == []
        call_command("migrate", database=alias, verbosity=0)
        assert store.save_account(Account("ana", "memory", "a")).id == 1
        store.close()


def test_a_database_that_a_store_of_a_url_used_is_taken_over(tmp_path: Path) -> None:
    before = SQLStore(f"sqlite:///{tmp_path}/django.db")
    kept = before.save_account(Account("ana", "memory", "a"))
    before.close()
    with database_on("sqlite", tmp_path) as alias:
        store = DjangoStore(alias)
        assert store.load_accounts() == [kept]
        store.close()


def test_a_table_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:  # I-44
    with database_on("sqlite", tmp_path, migrate=False) as alias:
        with connections[alias].cursor() as cursor:
            cursor.execute("CREATE TABLE calsync_accounts (theirs INTEGER)")
        with pytest.raises(CommandError, match="is there already"):
            call_command("migrate", database=alias, verbosity=0)
        assert "calsync_calendars" not in connections[alias].introspection.table_names()


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with database_on("sqlite", tmp_path) as alias:
        with connections[alias].cursor() as cursor:
            cursor.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608  (our own words)
        store = DjangoStore(alias)
        with pytest.raises(ConfigurationError, match="newer version"):
            store.load_accounts()
        store.close()


def test_flushing_empties_the_tables_and_leaves_them_as_they_are(tmp_path: Path) -> None:
    """As between two tests of a project's."""
    with database_on("sqlite", tmp_path) as alias:
        store = DjangoStore(alias)
        store.save_account(Account("ana", "memory", "a"))
        call_command("flush", database=alias, interactive=False, verbosity=0)
        assert store.load_accounts() == []
        store.close()


def test_rows_are_for_looking(tmp_path: Path) -> None:
    with database_on("sqlite", tmp_path) as alias:
        store = DjangoStore(alias)
        account = store.save_account(Account("ana", "memory", "a"))
        row = apps.get_model("calsync", "Account").objects.using(alias).get()
        assert row.stored == account
        for change in (row.save, row.delete):
            with pytest.raises(TypeError, match="read-only"):
                change()
        assert store.load_accounts() == [account]
        store.close()


def test_a_database_in_memory_that_each_connection_has_of_its_own_is_refused() -> None:  # I-44
    with database_at("memory", {**in_file(Path(":memory:"))}, migrate=False) as alias:
        store = DjangoStore(alias)
        with pytest.raises(ConfigurationError, match=r"DATABASES\['memory'\]: in memory"):
            store.load_accounts()
