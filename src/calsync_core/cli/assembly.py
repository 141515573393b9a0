"""From a configuration to a running installation: store, providers, engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import cast

from attrs import define, field

from calsync_core.cli.config import Config
from calsync_core.cli.writes import WitnessedStore
from calsync_core.engine import SyncEngine
from calsync_core.errors import ConfigurationError
from calsync_core.extensions import load_provider, load_store
from calsync_core.models import Account, Login, Operation, Parked, Progress, SyncFailure
from calsync_core.notifiers import StructlogNotifier
from calsync_core.protocols import Store

__all__ = ["Installation", "build_installation"]


@define
class Installation:
    """Everything one call works with.

    Attributes:
        failures: Accounts that could not be made ready; the rest goes on.
    """

    config: Config
    store: Store
    engine: SyncEngine
    _witness: WitnessedStore
    failures: list[SyncFailure] = field(factory=list)

    def close(self) -> None:
        """Give the database back, if the store has something to give back."""
        close = getattr(self.store, "close", None)
        if close is not None:
            close()

    def written(self) -> list[Operation]:
        """The writes that calendars confirmed since the last call."""
        return self._witness.take_written()

    def parked(self) -> list[Parked]:
        """Events that the plans made since the last call could not place in time."""
        return self._witness.take_parked()

    def all_failures(self, errors: Iterable[SyncFailure], owner: str | None = None) -> tuple[SyncFailure, ...]:
        """A run's failures, those of accounts that could not be made ready for it, and every event still unreadable.

        An account that failed both before the run and in it is named once.
        """
        told = tuple(errors)
        known = {(failure.account, failure.kind) for failure in told}
        ready = (each for each in self.failures if (each.account, each.kind) not in known)
        return (*ready, *told, *self._unreadable(owner))

    def _unreadable(self, owner: str | None) -> Iterator[SyncFailure]:
        accounts = {account.id: account.name for account in self.store.load_accounts(owner)}
        calendars = [each for each in self.store.load_calendars(owner=owner) if each.enabled]
        owed = {whose: self.store.load_debtors(whose) for whose in {each.owner for each in calendars}}
        for calendar in calendars:
            for debt in owed[calendar.owner].get(calendar.key, ()):
                kind, _, reason = debt.reason.partition(": ")
                if kind == "unreadable":
                    message = f"{debt.key}: {reason}"
                    yield SyncFailure(accounts[calendar.account_id], calendar.name, "Unreadable", message)

    def owners(self) -> list[str]:
        """Everybody named in the file or known to the store, sorted."""
        configured = {each.account.owner for each in self.config.accounts}
        return sorted(configured | {account.owner for account in self.store.load_accounts()})

    def check_owner(self, owner: str | None) -> None:
        """Refuse a name that nobody has.

        Raises:
            ConfigurationError: lists the owners there are.
        """
        if owner is not None and owner not in self.owners():
            known = ", ".join(self.owners()) or "none"
            raise ConfigurationError(f'owner: there is no "{owner}" (known: {known})')


def build_installation(
    config: Config,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    lasting: bool = False,
) -> Installation:
    """Open the store and build the engine; no request is sent.

    Args:
        config: What the file says.
        on_progress: Told how far long work is.
        lasting: Don't remember what was written: a process that runs for months would remember it all.

    Raises:
        ConfigurationError: names what is wrong.
        StoreError: the database can't be used now.
    """
    try:
        witness = WitnessedStore(load_store(config.store_url))
        store = witness.inner if lasting else cast("Store", witness)
        stored = {account.provider for account in store.load_accounts()}
    except ConfigurationError as error:
        raise ConfigurationError(f"{config.path}: [store]: {str(error).removeprefix('store ')}") from None
    named = {each.account.provider for each in config.accounts}
    engine = SyncEngine(
        store=store,
        providers={name: load_provider(name) for name in sorted(named | stored)},
        secret=config.secrets,
        notifier=StructlogNotifier(),
        policy=config.policy,
        webhook_url=config.public_url,
        tokens=_logins(config, store),
        encryption_key=config.encryption_keys or None,
        on_progress=on_progress,
    )
    return Installation(config, store, engine, witness)


def _logins(config: Config, store: Store) -> Callable[[Account], Login | None]:
    logins = {each.account.name: each.login for each in config.accounts if not each.logs_in_by_device}

    def login(account: Account) -> Login | None:
        if account.name in logins:
            return logins[account.name]
        if config.encryption_keys and store.load_credential(account.key) is not None:
            return None
        raise ConfigurationError(f'account "{account.name}" is not in {config.path}, so its login is not known')

    return login
