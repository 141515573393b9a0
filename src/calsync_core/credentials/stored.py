"""One account's login in the store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from attrs import field, frozen

from calsync_core.credentials.kept import KeptLogin
from calsync_core.credentials.vault import Vault
from calsync_core.models import Account, Lease
from calsync_core.protocols import Clock, Store

__all__ = ["Held", "LeaseTaker", "OwnLeases", "StoredLogin"]


class Held(Protocol):
    """A lease in use."""

    def current(self) -> Lease:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """The lease, renewed if need be. Raises LeaseLost."""


class LeaseTaker(Protocol):
    """Holds a lease for the length of a block."""

    def __call__(self, name: str, *, wait: bool = True) -> AbstractContextManager[Held]:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """Take it; without ``wait``, at once or not at all. Raises LeaseBusy."""


class OwnLeases:
    """Leases that a thread which has one may take again: checking a login under its lease may renew it."""

    def __init__(self, take: LeaseTaker) -> None:
        self._take = take
        self._mine = threading.local()

    @contextmanager
    def hold(self, name: str, *, wait: bool = True) -> Iterator[Held]:
        """As ``LeaseTaker`` says; at once if this thread has it."""
        mine: dict[str, Held] = self._mine.__dict__
        if name in mine:
            yield mine[name]
            return
        with self._take(name, wait=wait) as held:
            mine[name] = held
            try:
                yield held
            finally:
                del mine[name]


@frozen(eq=False)
class StoredLogin:
    """Where one account's login is kept, sealed. Every method may raise StoreError, and ConfigurationError for a
    login that can't be opened.
    """

    account: Account
    _store: Store = field(repr=False)
    _vault: Vault = field(repr=False)
    _leases: OwnLeases = field(repr=False)
    _clock: Clock = field(repr=False)

    def alone(self, *, wait: bool = True) -> AbstractContextManager[Held]:
        """Be the only one, over all processes, who renews or replaces this login. Raises LeaseBusy."""
        return self._leases.hold(f"credential:{self.account.key}", wait=wait)

    def load(self) -> KeptLogin | None:
        """The login as somebody saved it last; None: there is none."""
        sealed = self._store.load_credential(self.account.key)
        return None if sealed is None else self._vault.unseal(self.account, sealed)

    def save(self, kept: KeptLogin) -> None:
        """Replace it; durable when this returns. Raises UnknownAccount, LeaseBusy and LeaseLost."""
        self._write(self._vault.seal(self.account, kept))

    def forget(self) -> None:
        """Delete it, if there is one. Raises LeaseBusy and LeaseLost."""
        with self.alone() as lease:
            self._store.delete_credential(lease.current(), self.account.key, self._clock.now())

    def reseal(self) -> bool:
        """Seal it under the first key; whether that had to be done. Raises LeaseBusy and LeaseLost."""
        with self.alone():
            sealed = self._store.load_credential(self.account.key)
            if sealed is None:
                return False
            self._vault.unseal(self.account, sealed)
            resealed = self._vault.reseal(sealed)
            if resealed != sealed:
                self._write(resealed)
            return resealed != sealed

    def _write(self, sealed: str) -> None:
        with self.alone() as lease:
            self._store.save_credential(lease.current(), self.account.key, sealed, self._clock.now())
