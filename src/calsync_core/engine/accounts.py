"""Whose calendars, and what may be done with them: connect, enable, pause, disconnect."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from calsync_core.credentials import Credentials
from calsync_core.engine.part import Part
from calsync_core.errors import UnknownCalendar
from calsync_core.models import (
    Account,
    AccountId,
    AccountStatus,
    Calendar,
    CalendarId,
    Identity,
    MirrorRule,
    PurgeReport,
)
from calsync_core.steps import connect as connecting
from calsync_core.steps.purge import purge
from calsync_core.steps.run import Run
from calsync_core.steps.subscriptions import end_subscriptions

__all__ = ["Accounts"]


class Accounts(Part):
    """Accounts, calendars and rules."""

    def connect(self, account: Account, credentials: Credentials, *, ends: float | None = None) -> Account:
        """Check the login and whose it is, store the account, and return it with its id.

        An account of the same owner and name is the same account with a new login. With an ``encryption_key`` the
        store keeps the login, unless it is a ``TokenSource`` of your own; without one, a grant is renewed in memory. A
        paused account stays paused.

        Args:
            account: With ``id``, the stored account to be connected again.
            credentials: The login.
            ends: See ``identify``.

        Raises:
            AuthExpired: the provider refuses the login; nothing was stored.
            IdentityChanged: it is somebody else's login than at first connection (I-46).
            InvalidValue: the name is that of the owner's account at another provider.
            Unavailable: the provider can't be reached now; nothing was stored.
        """
        try:
            connected = connecting.connect(self._context, account, credentials, ends=ends)
        finally:
            self._deliver()
        self._look_after(self._store.load_calendars(account_id=connected.key))
        return connected

    def identify(self, account: Account, credentials: Credentials, *, ends: float | None = None) -> Identity:
        """Ask the provider whose this login is, as ``connect`` does; nothing is stored and nobody is told.

        Args:
            account: As it would be connected; its name does not matter yet.
            credentials: The login.
            ends: On the engine's ``clock.monotonic()``: later than that nothing more is asked of the provider, and no
                answer is waited for. For somebody who waits: without it, a server that never answers takes minutes.

        Raises:
            AuthExpired: the provider refuses the login.
            Unavailable: the provider can't be reached now.
        """
        return connecting.identify(self._context, account, credentials, ends=ends)

    def accounts(self, owner: str | None = None) -> list[Account]:
        """All accounts, or one owner's."""
        return self._store.load_accounts(owner)

    def calendars(self, owner: str | None = None, account_id: AccountId | None = None) -> list[Calendar]:
        """All calendars that ``discover`` found, or one owner's, or one account's."""
        return self._store.load_calendars(owner=owner, account_id=account_id)

    @property
    def keeps_logins(self) -> bool:
        """Whether the store keeps the logins that ``connect`` is given: the engine has an ``encryption_key``."""
        return self._context.logins.vault is not None

    def attach(self, account_id: AccountId, credentials: Credentials) -> None:
        """Give the login of an account that an earlier process connected. Sends no request.

        Another login than the one checked last is checked before it is used (I-46), and then replaces what the store
        keeps; the same grant goes on as it was renewed since. A TokenSource of your own vouches for itself.

        Raises:
            UnknownAccount: no such account.
            InvalidValue: the account's provider takes no such login.
        """
        logins = self._context.logins
        source = logins.source_of(self._store.load_account(account_id), credentials)
        logins.use(account_id, source, checked=False)

    def rotate_credentials(self) -> int:
        """Seal all stored logins under the first encryption key; returns for how many that had to be done.

        Raises:
            ConfigurationError: no key; or names the accounts whose login none opens, after all others were done.
        """
        return self._context.logins.rotate()

    def forget_credentials(self, account_id: AccountId) -> None:
        """Forget an account's login, here and in the store; its calendars and blocks stay. Connect it again to go on.

        Raises:
            UnknownAccount: no such account.
        """
        account = self._store.load_account(account_id)
        place = self._context.logins.place(account)
        if place is not None:
            place.forget()
        self._context.logins.forget(account.key)

    def discover(self, account_id: AccountId, *, ends: float | None = None) -> list[Calendar]:
        """Ask the provider for the account's calendars, remember them (disabled), and return them with their ids.

        Args:
            account_id: Whose.
            ends: See ``identify``.
        """
        return connecting.discover(self._context, self._store.load_account(account_id), ends=ends)

    def enable(self, calendar_id: CalendarId, *, publish: bool = True, receive: bool = True) -> Calendar:
        """Switch a calendar on: its events block the owner's others (``publish``), theirs block it (``receive``).

        The next pass reads it, and subscribes to its pushes where the provider pushes and the engine has an address.

        Raises:
            InvalidValue: it can't be written to, or takes part already through another account.
        """
        calendar = self._store.load_calendar(calendar_id)
        enabled = connecting.enable(self._context, calendar, publish=publish, receive=receive)
        self._look_after([enabled])
        return enabled

    def disable(self, calendar_id: CalendarId) -> Calendar:
        """Switch a calendar off. The next sync takes its blocks back from the others, and the others' from it, and ends
        its subscription.
        """
        disabled = self._store.save_calendar(evolve(self._store.load_calendar(calendar_id), enabled=False))
        self._look_after([disabled])
        return disabled

    def pause(self, account_id: AccountId) -> Account:
        """Neither read nor write with this account for now; its blocks stay."""
        return self._set_status(account_id, AccountStatus.PAUSED)

    def resume(self, account_id: AccountId) -> Account:
        """Use a paused account again. The next pass reads its calendars: what was pushed meanwhile was not."""
        resumed = self._set_status(account_id, AccountStatus.ACTIVE)
        self._look_after(self._store.load_calendars(account_id=resumed.key))
        return resumed

    def _set_status(self, account_id: AccountId, status: AccountStatus) -> Account:
        account = self._store.load_account(account_id)
        return account if account.status is status else self._store.save_account(evolve(account, status=status))

    def set_rules(self, owner: str, rules: Sequence[MirrorRule]) -> None:
        """Decide which calendar blocks which, and how. No rules: every publishing one blocks every receiving one.

        Raises:
            UnknownCalendar: a rule names a calendar that is not this owner's.
        """
        known = {calendar.id for calendar in self._store.load_calendars(owner=owner)}
        for rule in rules:
            for name, calendar_id in (("source", rule.source), ("target", rule.target)):
                if calendar_id is not None and calendar_id not in known:
                    raise UnknownCalendar(f"{name}: {calendar_id} is no calendar of owner {owner!r}")
        self._store.save_rules(owner, list(rules))

    def disconnect(self, account_id: AccountId) -> PurgeReport:
        """Take our blocks back and end its subscriptions, then forget the account, its credential and its events.

        What could not be taken back is named in the report; the account is forgotten all the same.
        """
        account = self._store.load_account(account_id)
        taken = self._take_back(self._store.load_calendars(account_id=account.key))
        self._store.delete_account(account.key)
        self._context.logins.forget(account.key)
        return taken

    def purge(self, owner: str | None = None, account_id: AccountId | None = None) -> PurgeReport:
        """Switch calendars off and remove every block we made for or from them, past ones included; list again."""
        return self._take_back(self._store.load_calendars(owner=owner, account_id=account_id))

    def _take_back(self, calendars: Sequence[Calendar]) -> PurgeReport:
        taken = purge(self._context, calendars)
        ended = end_subscriptions(self._context, Run(), calendars)
        self._deliver()
        return evolve(taken, errors=(*taken.errors, *ended.errors), api_calls=taken.api_calls + ended.api_calls)

    def _look_after(self, calendars: Sequence[Calendar]) -> None:
        """Have the next pass look at these calendars and their subscriptions, whoever works on them right now."""
        self._store.call_for_checks([calendar.key for calendar in calendars])
