"""``calsync.toml`` as frozen values. Reading it sends no request and opens no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, fields, frozen

from calsync_core.cli.auth import read_login, web_address
from calsync_core.cli.tables import Table, load_toml
from calsync_core.core.identity import Keyring
from calsync_core.credentials import check_keys
from calsync_core.errors import ConfigurationError, InvalidValue
from calsync_core.extensions import has_provider, known_providers
from calsync_core.models import Account, Login, Mode, OAuthGrant, SyncPolicy

__all__ = ["AccountConfig", "Config", "load_config"]

_SECTIONS = ("installation", "store", "webhooks", "policy")
_ACCOUNT_KEYS = (
    "name",
    "owner",
    "provider",
    "email",
    "timezone",
    "base_url",
    "auth",
    "calendars",
    "publish",
    "receive",
)
_SQLITE_FILE = "sqlite:///"


@frozen
class AccountConfig:
    """One ``[[accounts]]`` table.

    Attributes:
        account: As it will be connected; without an id.
        login: As the file has it; a grant may have been renewed since.
        calendars: Ids or names as written, ``("*",)`` for all it owns, None for the login's own default.
        publish: Its events block the owner's other calendars.
        receive: The others' events block its calendars.
        where: How messages call this table: ``accounts[0] "ana-icloud"``.
    """

    account: Account
    login: Login = field(repr=False)
    calendars: tuple[str, ...] | None
    publish: bool
    receive: bool
    where: str

    @property
    def logs_in_by_device(self) -> bool:
        """Whether a person logs in by hand, and the store alone has what came of it."""
        login = self.login
        return isinstance(login, OAuthGrant) and not (login.refresh_token or login.acts_for)


@frozen
class Config:
    """The whole file.

    Attributes:
        path: Where it was read from.
        secrets: The installation's; the first one signs.
        store_url: SQLAlchemy URL; a relative SQLite file lies beside the configuration.
        encryption_keys: The first one seals the logins that the store keeps; empty: it keeps none.
        public_url: Where pushes can reach this machine; None: polling only.
        modes: Whether each owner of an account is written for or only observed.
    """

    path: Path
    secrets: tuple[str, ...] = field(repr=False)
    store_url: str = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    public_url: str | None
    policy: SyncPolicy
    accounts: tuple[AccountConfig, ...]
    modes: Mapping[str, Mode] = field(factory=dict)


def load_config(path: Path) -> Config:
    """Read and check the file.

    Raises:
        ConfigurationError: names the file, the table and the key.
    """
    root = Table(load_toml(path), path, "top level")
    root.only(*_SECTIONS, "owners", "accounts")
    installation, store, webhooks, policy = (
        Table(root.take(name, default={}), path, f"[{name}]") for name in _SECTIONS
    )
    installation.only("secret")
    store.only("url", "encryption_key")
    webhooks.only("public_url")
    accounts = _accounts(root, path)
    return Config(
        path=path,
        secrets=_secrets(installation),
        store_url=_store_url(store, path),
        encryption_keys=_encryption_keys(store),
        public_url=web_address(webhooks, "public_url"),
        policy=_policy(policy, path),
        accounts=accounts,
        modes=_modes(Table(root.take("owners", default={}), path, "[owners]"), accounts, path),
    )


def _secrets(installation: Table) -> tuple[str, ...]:
    secrets = installation.texts("secret", single=True)
    if secrets is None:
        raise installation.error("secret", "is missing (calsync init writes one)")
    try:
        Keyring.of(secrets)
    except ConfigurationError as error:
        raise installation.error("secret", str(error).partition(": ")[2]) from None
    return secrets


def _encryption_keys(store: Table) -> tuple[str, ...]:
    keys = store.texts("encryption_key", single=True)
    try:
        return () if keys is None else check_keys(keys)
    except ConfigurationError as error:
        raise store.error("encryption_key", str(error).partition(": ")[2]) from None


def _store_url(store: Table, path: Path) -> str:
    url = store.required("url")
    if "://" not in url:
        raise store.error("url", 'must be a database URL such as "sqlite:///calsync.db"')
    file = url.removeprefix(_SQLITE_FILE)
    if url.startswith(_SQLITE_FILE) and file and not file.startswith((":memory:", "file:")):
        return f"{_SQLITE_FILE}{path.absolute().parent / file}"
    return url


def _policy(table: Table, path: Path) -> SyncPolicy:
    table.only(*(attribute.name for attribute in fields(SyncPolicy)))
    chosen: dict[str, Any] = {}
    for attribute in fields(SyncPolicy):
        if isinstance(attribute.default, str):
            value: object = table.text(attribute.name)
        else:
            value = table.number(attribute.name, whole=attribute.type in {int, "int"})
        if value is not None:
            chosen[attribute.name] = value
    try:
        return SyncPolicy(**chosen)
    except InvalidValue as error:
        raise ConfigurationError(f"{path}: {table.where}: {error}") from None


def _modes(owners: Table, accounts: Sequence[AccountConfig], path: Path) -> dict[str, Mode]:
    """Everybody's mode; who has no table of their own is written for."""
    known = sorted({each.account.owner for each in accounts})
    owners.only(*known)
    modes = {}
    for name in known:
        table = Table(owners.take(name, default={}), path, f"[owners.{name}]")
        table.only("mode")
        try:
            modes[name] = Mode.of(table.text("mode") or Mode.WRITE)
        except InvalidValue as error:
            raise table.error("mode", str(error).partition(": ")[2]) from None
    return modes


def _accounts(root: Table, path: Path) -> tuple[AccountConfig, ...]:
    tables = root.take("accounts", default=[])
    if not isinstance(tables, list):
        raise root.error("accounts", "must be written as [[accounts]]")
    accounts: list[AccountConfig] = []
    for index, values in enumerate(tables):
        name = values.get("name") if isinstance(values, dict) else None
        label = f' "{name}"' if isinstance(name, str) else ""
        account = _account(Table(values, path, f"accounts[{index}]{label}"), path)
        for earlier in accounts:
            if earlier.account.name == account.account.name:
                raise ConfigurationError(f"{path}: {account.where}: name: is taken by {earlier.where}")
        accounts.append(account)
    return tuple(accounts)


def _account(table: Table, path: Path) -> AccountConfig:
    table.only(*_ACCOUNT_KEYS)
    name, owner, provider = table.required("name"), table.required("owner"), _provider(table)
    base_url = web_address(table, "base_url")
    if provider == "caldav" and base_url is None:
        raise table.error("base_url", "is missing: the address of the CalDAV server")
    try:
        account = Account(
            owner=owner,
            provider=provider,
            name=name,
            email=table.text("email"),
            timezone=table.text("timezone"),
            base_url=base_url,
        )
    except InvalidValue as error:
        raise ConfigurationError(f"{path}: {table.where}: {error}") from None
    return AccountConfig(
        account=account,
        login=read_login(table.table("auth"), provider),
        calendars=table.texts("calendars"),
        publish=table.flag("publish", default=True),
        receive=table.flag("receive", default=True),
        where=table.where,
    )


def _provider(table: Table) -> str:
    provider = table.required("provider")
    if has_provider(provider):
        return provider
    names = ", ".join(sorted(known_providers()))
    raise table.error("provider", f'unknown provider "{provider}" (known: {names})')
