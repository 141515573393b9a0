"""The engine: read what changed, plan what should be, write the difference, tell the host.

::

    READ   steps.read    lease the calendar   provider.fetch_changes(cursor) -> store.save_changes
    PLAN   steps.plan    lease the owner      core: expand -> rules -> plan -> guard; store.save_plan
    APPLY  steps.apply   lease the target     provider.apply(intents) -> store.record_outcomes
    TELL   steps.sync    notices for the host, and the run's record

A push, a timer and an emergency differ only in which calendars they read and whether from the cursor or afresh: there
is one pipeline (``SyncEngine._sync``), and every step of it can be repeated at any time with the same outcome. A crash
between any two lines leaves something due in the store (unplanned journal, open intents, debts), and the next pass
picks it up without a new edit and without asking a provider (I-05).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from attrs import evolve

from calsync_core.core.identity import Keyring
from calsync_core.credentials import Ask, Credentials, Vault
from calsync_core.errors import ConfigurationError, InvalidValue, UnknownCalendar
from calsync_core.models import (
    Account,
    AccountId,
    AccountStatus,
    AuditReport,
    BusyTime,
    Calendar,
    CalendarId,
    Explanation,
    HealthReport,
    HeldDeletion,
    Metrics,
    MirrorRule,
    Plan,
    Progress,
    PurgeReport,
    SyncPolicy,
    SyncReport,
    SyncType,
    Window,
    require_utc,
)
from calsync_core.protocols import Clock, Notifier, Provider, Store
from calsync_core.steps import connect as connecting
from calsync_core.steps import explain as explaining
from calsync_core.steps import overview
from calsync_core.steps.audit import audit
from calsync_core.steps.context import Context
from calsync_core.steps.fingerprint import plan_shape
from calsync_core.steps.plan import preview_owner
from calsync_core.steps.purge import purge
from calsync_core.steps.read import read_again_later
from calsync_core.steps.run import Run
from calsync_core.steps.sync import read_all, report, sweep
from calsync_core.system import SystemClock

__all__ = ["SyncEngine"]

log = structlog.get_logger("calsync_core")


class SyncEngine:
    """Keeps the calendars of many owners honest with each other.

    Thread-safe. Opens no connection before it is used. Misuse raises a ``UsageError`` before any request is sent; in a
    sync, what a provider does wrong is collected in the report's ``errors`` and stops nobody else (I-37).

    Args:
        store: Where everything is remembered; see ``calsync_core.stores``.
        providers: By the name that accounts use.
        secret: At least 16 characters that only this installation knows; block identities are made with it, so it is as
            precious as the store. A list rotates it: the first signs, all recognise.
        notifier: What the host wants to be told goes there.
        policy: Horizon, titles, guard; default ``SyncPolicy()``.
        webhook_url: Public base URL of the host's webhook endpoint; https. Without it, polling only.
        clock: The machine's, unless a test brings its own.
        tokens: Finds an account's login in a process that did not connect it; its None means: look into the store.
        encryption_key: With it, the store keeps every login that ``connect`` is given, sealed (extra ``credentials``),
            and any process with the same store and key finds it. 44 characters, as ``calsync init`` and
            ``calsync_core.credentials.new_key`` make them. A list rotates it: the first seals, each opens.
        on_progress: Called from worker threads as long work proceeds.
        max_workers: Accounts read, and calendars written, side by side.

    Raises:
        ConfigurationError: names the argument.
    """

    def __init__(
        self,
        *,
        store: Store,
        providers: Mapping[str, Provider],
        secret: str | Sequence[str],
        notifier: Notifier | None = None,
        policy: SyncPolicy | None = None,
        webhook_url: str | None = None,
        clock: Clock | None = None,
        tokens: Ask | None = None,
        encryption_key: str | Sequence[str] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        max_workers: int = 8,
    ) -> None:
        if webhook_url is not None and not webhook_url.startswith("https://"):
            raise ConfigurationError("webhook_url: providers push to https only")
        if max_workers < 1:
            raise ConfigurationError(f"max_workers: must be at least 1, got {max_workers!r}")
        keyring = Keyring.of(secret)
        policy = policy or SyncPolicy()
        self._webhook_url = webhook_url
        self._context = Context(
            store=store,
            providers=dict(providers),
            keyring=keyring,
            policy=policy,
            clock=clock or SystemClock(),
            shape=plan_shape(policy, keyring),
            notifier=notifier,
            tokens=tokens,
            vault=None if encryption_key is None else Vault(encryption_key),
            on_progress=on_progress,
            max_workers=max_workers,
        )
        self._store = store

    # -- accounts and calendars -----------------------------------------------------------------------------------

    def connect(self, account: Account, credentials: Credentials) -> Account:
        """Check the login and whose it is, store the account, and return it with its id.

        An account of the same owner and name is the same account with a new login. With an ``encryption_key`` the
        store keeps the login, unless it is a ``TokenSource`` of your own; without one, a grant is renewed in memory.

        Raises:
            AuthExpired: the provider refuses the login; nothing was stored.
            IdentityChanged: it is somebody else's login than at first connection (I-46).
            Unavailable: the provider can't be reached now; nothing was stored.
        """
        return connecting.connect(self._context, account, credentials)

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

    def discover(self, account_id: AccountId) -> list[Calendar]:
        """Ask the provider for the account's calendars, remember them (disabled), and return them with their ids."""
        return connecting.discover(self._context, self._store.load_account(account_id))

    def enable(self, calendar_id: CalendarId, *, publish: bool = True, receive: bool = True) -> Calendar:
        """Switch a calendar on: its events block the owner's others (``publish``), theirs block it (``receive``).

        Raises:
            InvalidValue: it can't be written to, or takes part already through another account.
        """
        calendar = self._store.load_calendar(calendar_id)
        return connecting.enable(self._context, calendar, publish=publish, receive=receive)

    def disable(self, calendar_id: CalendarId) -> Calendar:
        """Switch a calendar off. The next sync takes its blocks back from the others, and the others' from it."""
        return self._store.save_calendar(evolve(self._store.load_calendar(calendar_id), enabled=False))

    def pause(self, account_id: AccountId) -> Account:
        """Neither read nor write with this account for now; its blocks stay."""
        return self._set_status(account_id, AccountStatus.PAUSED)

    def resume(self, account_id: AccountId) -> Account:
        """Use a paused account again."""
        return self._set_status(account_id, AccountStatus.ACTIVE)

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
        """Take our blocks back, then forget the account, its credential and its events.

        What could not be taken back is named in the report; the account is forgotten all the same.
        """
        account = self._store.load_account(account_id)
        taken = purge(self._context, self._store.load_calendars(account_id=account.key))
        self._store.delete_account(account.key)
        self._context.logins.forget(account.key)
        return taken

    def purge(self, owner: str | None = None, account_id: AccountId | None = None) -> PurgeReport:
        """Switch calendars off and remove every block we made for or from them, past ones included; list again."""
        return purge(self._context, self._store.load_calendars(owner=owner, account_id=account_id))

    # -- syncing --------------------------------------------------------------------------------------------------

    def sync_from_webhook(self, calendar_id: CalendarId, notification: object = None) -> SyncReport | None:
        """Read one calendar now because its provider pushed, and write what follows from it.

        A read that finds nothing is repeated once after a while: a push may come before the change can be read (I-07).

        Returns:
            None if the calendar is unknown or disabled (logged).

        Raises:
            ProviderError: the calendar could not be read.
        """
        try:
            calendar = self._store.load_calendar(calendar_id)
        except UnknownCalendar:
            calendar = None
        if calendar is None or not calendar.enabled:
            log.info("webhook_ignored", calendar=calendar_id, notified=notification is not None)
            return None
        run = Run()
        finished = self._sync(SyncType.WEBHOOK, [calendar], run=run)
        run.raise_for(calendar)
        if not finished.events_processed:
            with run.surviving(None, calendar):
                read_again_later(self._context, calendar)
        return finished

    def sync_calendars_needing_polling(self, owner: str | None = None) -> SyncReport:
        """Read every enabled calendar without healthy push, and do whatever else is due.

        Due without a request to anyone: unplanned changes, open intents, the horizon's next day, and a change of rules,
        policy or time-zone database (I-51).
        """
        context = self._context
        due = self._store.load_due(context.clock.now(), context.shape, context.horizon().end)
        owners = set(due.owners) if owner is None else set(due.owners) & {owner}
        targets = self._store.load_open_targets(owner, context.clock.now())
        owners |= {self._store.load_calendar(target).owner for target in targets}
        return self._sync(SyncType.POLLING, self._enabled(owner), owner=owner, also=owners)

    def sync_all_calendars(self, owner: str | None = None) -> SyncReport:
        """Read everything again and put right whatever is wrong; what is right is left as it is."""
        return self._sync(SyncType.FULL, self._enabled(owner), owner=owner)

    def sync_calendar(self, calendar_id: CalendarId) -> SyncReport:
        """Read one calendar now, the way that suits it, and write what follows.

        Raises:
            UnknownCalendar: no such calendar.
            InvalidValue: it is disabled.
        """
        calendar = self._store.load_calendar(calendar_id)
        if not calendar.enabled:
            raise InvalidValue(f"calendar_id: calendar {calendar_id} is disabled")
        return self._sync(SyncType.POLLING, [calendar])

    def _sync(
        self,
        kind: SyncType,
        calendars: Collection[Calendar],
        *,
        owner: str | None = None,
        also: Collection[str] = (),
        run: Run | None = None,
    ) -> SyncReport:
        """The pipeline: all three ways to sync go through here."""
        run = run or Run()
        draft = SyncReport(
            sync_type=kind,
            started_at=self._context.clock.now(),
            owner=owner,
            webhook_triggered=kind is SyncType.WEBHOOK,
            polling_fallback=kind is SyncType.POLLING,
        )
        owners = {calendar.owner for calendar in calendars} | set(also)
        sweep(self._context, run, calendars, owners, full=kind is SyncType.FULL)
        return report(self._context, run, draft, sorted(owners))

    def _enabled(self, owner: str | None) -> list[Calendar]:
        return [calendar for calendar in self._store.load_calendars(owner=owner) if calendar.enabled]

    # -- looking --------------------------------------------------------------------------------------------------

    def plan(self, calendar_id: CalendarId | None = None, owner: str | None = None) -> Plan:
        """Read, and show what a sync would write, and why. Writes nothing to any provider.

        With a calendar, only that one is read, and only what would be written because of it or to it is shown. What
        could not be read is in the plan's ``errors``; the rest is planned with what the store knows of it.
        """
        calendars = self._enabled(owner) if calendar_id is None else [self._store.load_calendar(calendar_id)]
        run = Run()
        read_all(self._context, run, calendars)
        owners = {calendar.owner for calendar in calendars} if calendar_id or owner is None else {owner}
        plans = [preview_owner(self._context, name) for name in sorted(owners)]
        merged = evolve(plans[0] if len(plans) == 1 else overview.merged(plans), errors=tuple(run.failures))
        return merged if calendar_id is None else overview.concerning(merged, calendar_id)

    def audit(self, owner: str | None = None, repair: bool = False) -> AuditReport:  # noqa: FBT001, FBT002
        """List every calendar afresh and compare it with what should be; ``repair`` puts right what is not (I-01)."""
        calendars = self._enabled(owner)
        owners = {calendar.owner for calendar in calendars}
        return audit(self._context, owners, calendars, repair=repair)

    def explain(self, owner: str, instant: datetime) -> Explanation:
        """Why is this instant blocked, or not, on each calendar? From the store, without a request.

        Raises:
            InvalidValue: ``instant`` is naive.
        """
        return explaining.explain(self._context, owner, require_utc("instant", instant))

    def busy(self, owner: str, start: datetime, end: datetime) -> list[BusyTime]:
        """The owner's merged busy times between two instants, from the store, without a request.

        Raises:
            InvalidValue: a naive instant, or an end that is not after the start.
        """
        window = Window(require_utc("start", start), require_utc("end", end))
        if window.end <= window.start:
            raise InvalidValue("end: must be after start")
        return explaining.busy(self._context, owner, window)

    def runs(self, calendar_id: CalendarId | None = None, limit: int = 50) -> list[SyncReport]:
        """The latest recorded syncs, newest first."""
        return self._store.load_runs(calendar_id, limit)

    def health(self, owner: str | None = None) -> HealthReport:
        """The state of every enabled calendar, and what waits."""
        return overview.health(self._context, owner)

    def metrics(self, hours: float = 24) -> Metrics:
        """What the runs of the last hours add up to."""
        return overview.metrics(self._context, hours)

    def cleanup(self, days: float = 30) -> int:
        """Forget runs and tombstones older than this; returns how many rows went."""
        if days < 1:
            raise InvalidValue(f"days: must be at least 1, got {days!r}")
        return self._store.cleanup(self._context.clock.now() - timedelta(days=days))

    # -- deletions the guard holds --------------------------------------------------------------------------------

    def held(self, owner: str | None = None) -> list[HeldDeletion]:
        """Deletions held for you to decide (I-08)."""
        return overview.held(self._context, owner)

    def approve(self, refs: Collection[str] | None = None, owner: str | None = None) -> int:
        """Let held deletions (all, or these) happen with the next sync, unless they are wanted again by then."""
        return overview.approve(self._context, refs, owner)

    def drop(self, refs: Collection[str] | None = None, owner: str | None = None) -> int:
        """Keep the blocks of held deletions (all, or these) until their slot is past."""
        return overview.drop(self._context, refs, owner)
