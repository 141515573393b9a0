"""The roles of a store that working needs: transactions, leases, logins, and the record of runs.

What holds for every role of a store is said in ``calsync_core.protocols.store``.
"""

# pyright: reportReturnType=false
# A port's methods are their docstrings; mypy knows such bodies in protocols, pyright asks for an ellipsis.

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol, TypeVar, runtime_checkable

from calsync_core.models import AccountId, CalendarId, Lease, Standing, SyncReport, Vitals, Written

__all__ = ["CredentialStore", "LeaseStore", "RunStore", "TransactionStore"]

T = TypeVar("T")


@runtime_checkable
class TransactionStore(Protocol):
    """Several calls as one."""

    def together(self, call: Callable[[], T], *, writes: bool = True) -> T:
        """Do what ``call`` asks of this store, in this thread, in one transaction, and return what it returns: commits
        and round trips are what a database is slow at.

        Where another transaction was in the way, all is undone and it is called once more: it changes nothing but this
        store. If it raises, nothing of it happened. One inside another one is a part of it. A store that has no such
        transactions simply calls it, and keeps what was done before it raised: the engine relies on nothing but what
        each single call promises.

        Args:
            call: Asks nothing but this store, and so never waits for a provider. ``save_notifications`` and
                ``save_credential``, whose word is given to somebody outside, have a transaction of their own.
            writes: False: it only loads; a database then sees to it that all of it is of one moment.
        """


@runtime_checkable
class LeaseStore(Protocol):
    """Who works on what."""

    def acquire_lease(self, name: str, holder: str, ttl: float, at: datetime) -> Lease:
        """Take it if it is free or expired; the token is one more than the last ever given for this name.

        Raises:
            LeaseBusy: somebody holds it (the same holder asking again counts as somebody).
        """

    def renew_lease(self, lease: Lease, ttl: float, at: datetime) -> Lease:
        """Prolong it under the same token, even if it has expired, as long as nobody else took it since: a slow answer
        costs nothing if nobody was waiting.

        Raises:
            LeaseLost: it passed to another worker, or was given back.
        """

    def release_lease(self, lease: Lease) -> None:
        """Give it back; if it is no longer ours, nothing happens."""


@runtime_checkable
class CredentialStore(Protocol):
    """Accounts' logins, one for each, sealed before they come here: a store can't read them (I-39).

    The lease that fences the writes is ``credential:{account_id}``: who holds it is the only one that renews the login.
    """

    def save_credential(self, lease: Lease, account_id: AccountId, sealed: str, at: datetime) -> None:
        """Insert or replace the account's credential; durable when this returns (I-36).

        Raises:
            UnknownAccount: no such account; nothing was saved.
        """

    def load_credential(self, account_id: AccountId) -> str | None:
        """What was saved last; None if there is none, or no such account."""

    def load_credentials(self) -> Mapping[AccountId, str]:
        """All there are."""

    def delete_credential(self, lease: Lease, account_id: AccountId, at: datetime) -> None:
        """Forget it. Unknown: nothing happens."""


@runtime_checkable
class RunStore(Protocol):
    """The record of syncs."""

    def save_run(self, report: SyncReport) -> SyncReport:
        """Insert (``id`` None) or replace; return it with its id. What the run wrote stays."""

    def load_run(self, run_id: int) -> SyncReport:
        """One run. Raises UnknownRun."""

    def load_writes(self, run_id: int) -> list[Written]:
        """What a run wrote, in the order in which it was decided; empty also for an unknown run. A calendar that was
        forgotten takes what was written to it along.
        """

    def load_runs(
        self, calendar_id: CalendarId | None = None, limit: int = 50, *, since: datetime | None = None
    ) -> list[SyncReport]:
        """Newest first; with a calendar, only runs whose ``calendars`` name it; ``since``: finished at or after it."""

    def load_vitals(self) -> Vitals:
        """Count what is needed to say whether the installation is alive, without reading whole tables of events."""

    def load_standings(self, owner: str | None = None, *, limit: int | None = None, offset: int = 0) -> list[Standing]:
        """Enabled calendars, all or one owner's, with what is known of each: those in trouble first, then by id; so
        many of them, from that place on. In a few looks, however many there are.

        In trouble: its account is neither ACTIVE nor PAUSED, its own status is not OK, its last read failed, or the
        state that its Watch was last saved with is FAILING or SUSPENDED.
        """

    def cleanup(self, before: datetime, *, dry_run: bool = False) -> int:
        """Forget runs finished, records of blocks whose slot ended, and notifications COMPLETED or FAILED, before the
        instant; return how many of these went, or with ``dry_run`` would go. A run goes with what it wrote; one that
        never finished goes with the next one that does.

        Blocks that stand in the past stay where they are, found by their tag alone.
        """
