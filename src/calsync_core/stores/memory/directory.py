"""Accounts, calendars and rules in memory."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from calsync_core.core.recording import touched_owners
from calsync_core.errors import InvalidValue, UnknownAccount
from calsync_core.models import Account, AccountId, Calendar, CalendarId, MirrorRule, Mode
from calsync_core.stores.memory.rows import Role

__all__ = ["MemoryDirectory"]


class MemoryDirectory(Role):
    """``DirectoryStore`` in memory."""

    def save_account(self, account: Account) -> Account:
        """See ``DirectoryStore.save_account``."""
        with self._lock:
            if account.id is not None:
                self.load_account(account.id)
            for other in self._rows.accounts.values():
                if (other.owner, other.name) == (account.owner, account.name) and other.id != account.id:
                    raise InvalidValue(f"name: {account.owner!r} has an account {account.name!r} already")
            saved = account if account.id is not None else evolve(account, id=self._rows.next_id())
            self._rows.accounts[saved.key] = saved
            return saved

    def load_account(self, account_id: AccountId) -> Account:
        """See ``DirectoryStore.load_account``."""
        with self._lock:
            try:
                return self._rows.accounts[account_id]
            except KeyError:
                raise UnknownAccount(f"account: there is none with id {account_id}") from None

    def load_accounts(self, owner: str | None = None) -> list[Account]:
        """See ``DirectoryStore.load_accounts``."""
        with self._lock:
            accounts = [account for _, account in sorted(self._rows.accounts.items())]
        return [account for account in accounts if owner is None or account.owner == owner]

    def delete_account(self, account_id: AccountId) -> None:
        """See ``DirectoryStore.delete_account``."""
        with self._lock:
            account = self._rows.accounts.pop(account_id, None)
            if account is None:
                return
            self._rows.credentials.pop(account_id, None)
            owners = {account.owner}
            for calendar in self.load_calendars(account_id=account_id):
                owners.add(calendar.owner)
                self._forget_calendar(calendar.key)
            self._rows.forget_shape(owners)

    def _forget_calendar(self, calendar_id: CalendarId) -> None:
        rows = self._rows
        for ref in [ref for ref, block in rows.blocks.items() if block.target_id == calendar_id]:
            rows.drop_block(ref)
        for key in list(rows.items[calendar_id]):
            rows.drop_item(calendar_id, key)
        del rows.calendars[calendar_id]
        for table in (rows.read_states, rows.items, rows.reaches, rows.debts, rows.watches, rows.pushed, rows.called):
            table.pop(calendar_id, None)
        rows.journal = {key: row for key, row in rows.journal.items() if row.calendar_id != calendar_id}
        rows.intents = {key: row for key, row in rows.intents.items() if row.intent.operation.target_id != calendar_id}
        rows.writes = {key: each for key, each in rows.writes.items() if each.target_id != calendar_id}
        rows.subscriptions = {key: row for key, row in rows.subscriptions.items() if row.calendar_id != calendar_id}
        for number in [number for number, row in rows.notifications.items() if row.calendar_id == calendar_id]:
            rows.drop_notification(number)

    def save_calendar(self, calendar: Calendar) -> Calendar:
        """See ``DirectoryStore.save_calendar``."""
        with self._lock:
            self.load_account(calendar.account_id)
            before = None if calendar.id is None else self._rows.calendar(calendar.id)
            for other in self.load_calendars(account_id=calendar.account_id):
                if other.remote_id == calendar.remote_id and other.id != calendar.id:
                    raise InvalidValue(f"remote_id: account {calendar.account_id} has this calendar already")
            saved = calendar if calendar.id is not None else evolve(calendar, id=self._rows.next_id())
            self._rows.calendars[saved.key] = saved
            self._rows.forget_shape(touched_owners(before, saved))
            return saved

    def load_calendar(self, calendar_id: CalendarId) -> Calendar:
        """See ``DirectoryStore.load_calendar``."""
        with self._lock:
            return self._rows.calendar(calendar_id)

    def load_calendars(self, *, owner: str | None = None, account_id: AccountId | None = None) -> list[Calendar]:
        """See ``DirectoryStore.load_calendars``."""
        with self._lock:
            calendars = [calendar for _, calendar in sorted(self._rows.calendars.items())]
        return [
            calendar
            for calendar in calendars
            if (owner is None or calendar.owner == owner) and (account_id is None or calendar.account_id == account_id)
        ]

    def save_rules(self, owner: str, rules: Sequence[MirrorRule]) -> None:
        """See ``DirectoryStore.save_rules``."""
        with self._lock:
            if self.load_rules(owner) != list(rules):
                self._rows.rules[owner] = list(rules)
                self._rows.forget_shape({owner})

    def load_rules(self, owner: str) -> list[MirrorRule]:
        """See ``DirectoryStore.load_rules``."""
        with self._lock:
            return list(self._rows.rules.get(owner, ()))

    def save_mode(self, owner: str, mode: Mode) -> None:
        """See ``DirectoryStore.save_mode``."""
        with self._lock:
            if self.load_mode(owner) is not mode:
                self._rows.modes[owner] = mode
                self._rows.forget_shape({owner})

    def load_mode(self, owner: str) -> Mode:
        """See ``DirectoryStore.load_mode``."""
        with self._lock:
            return self._rows.modes.get(owner, Mode.WRITE)
