"""The engine: read what changed, plan what should be, write the difference, tell the host.

::

    push ─► steps.receive   authenticate, store in the inbox, answer ─► steps.inbox
    timer ─► what is due?   dirty, polling due, push to be looked after, unplanned changes, open intents ─► steps.sync

    READ   steps.read      lease the calendar   provider.fetch_changes(cursor) -> store.save_changes
    PLAN   steps.plan      lease the owner      core: expand -> rules -> plan -> guard; store.save_plan
    APPLY  steps.apply     lease the target     provider.apply(intents) -> store.record_outcomes
    TELL   steps.notices   what the host may want to know, and the run's record

A push, a timer and an emergency differ only in which calendars they read and whether from the cursor or afresh: there
is one pipeline (``steps.sync.sync``), and every step of it can be repeated at any time with the same outcome. A crash
between any two lines leaves something due in the store (notifications, unplanned journal, open intents, debts), and the
next pass picks it up without a new edit and without asking a provider (I-05).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from urllib.parse import urlsplit

from calsync_core.core import watching
from calsync_core.core.identity import Keyring
from calsync_core.credentials import Ask, Sealer, Vault
from calsync_core.engine.accounts import Accounts
from calsync_core.engine.looking import Looking
from calsync_core.engine.trying import Trying
from calsync_core.errors import ConfigurationError, InvalidValue, LeaseBusy, UnknownCalendar
from calsync_core.log import Logger
from calsync_core.models import (
    Calendar,
    CalendarId,
    InboxReport,
    Notification,
    Progress,
    PushReceipt,
    StoredSubscription,
    SubscriptionReport,
    SyncPolicy,
    SyncReport,
    SyncType,
    Watch,
)
from calsync_core.protocols import Clock, Notifier, PublishingProvider, PushRequest, Store
from calsync_core.steps.context import Context
from calsync_core.steps.due import agenda, put_off, to_read
from calsync_core.steps.fingerprint import plan_shape
from calsync_core.steps.inbox import work_off
from calsync_core.steps.notices import deliver
from calsync_core.steps.read import read_again_later
from calsync_core.steps.receive import receive
from calsync_core.steps.run import Run
from calsync_core.steps.subscriptions import Wish, end_subscriptions, maintain
from calsync_core.steps.sync import sync
from calsync_core.system import SystemClock

__all__ = ["SyncEngine"]

log = Logger("calsync_core")


class SyncEngine(Accounts, Looking, Trying):
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
        webhook_url: Public base URL of the host's webhook endpoint; https, or http to a simulator on this machine.
            Without it, polling only.
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
        providers: Mapping[str, PublishingProvider],
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
        if max_workers < 1:
            raise ConfigurationError(f"max_workers: must be at least 1, got {max_workers!r}")
        keyring = Keyring.of(secret)
        policy = policy or SyncPolicy()
        context = Context(
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
            webhook_url=None if webhook_url is None else _checked(webhook_url),
        )
        super().__init__(context)

    @property
    def clock(self) -> Clock:
        """What the engine tells the time by."""
        return self._context.clock

    @property
    def providers(self) -> Mapping[str, PublishingProvider]:
        """As they were given, by the name that accounts use."""
        return MappingProxyType(self._context.providers)

    def sealer(self, purpose: str) -> Sealer:
        """Seals what has to travel through a person's browser and come back as it was, under the installation's secret.

        Args:
            purpose: What is sealed for one purpose opens for no other.

        Raises:
            ConfigurationError: ``cryptography`` is not installed.
        """
        return Sealer(self._context.keyring.keys(purpose), self.clock)

    def stop(self) -> None:
        """Send no further request, from any thread, for good: syncs under way end at their next one.

        Nothing is lost: what they leave stands in the store, and the next engine's first pass goes on from there. This
        one stays stopped: reports of syncs and audits that it could not do say ``stopped``, and are not ``ok``.
        """
        self._context.stopping.set()

    # -- push ---------------------------------------------------------------------------------------------------------

    def accept_push(self, provider: str, request: PushRequest) -> PushReceipt:
        """Take in what came to the webhook endpoint; durable when this returns, so that it may be answered with 2xx.

        Forged and unknown pushes change nothing and are counted as ``dropped``: answer them like all others (I-26).

        Args:
            provider: Key of the engine's ``providers``.
            request: As it came, headers in lower case.

        Raises:
            UnknownProvider: there is none of this name that pushes.
            InvalidValue: it is no push of this provider's.
            StoreError: it can't be kept now: answer so that it is sent again.
        """
        return receive(self._context, provider, request)

    def notified_owners(self) -> list[str]:
        """Whose calendars the inbox says are worth reading now."""
        return self._store.load_notified_owners(self._context.clock.now())

    def process_notifications(self, owner: str | None = None) -> InboxReport:
        """Sync what the inbox says is worth reading now, for everybody or one owner; any number of workers may do so at
        once. Returns when all of it is done: a worker that takes one owner at a time has nobody wait for a slow server.

        What fails is tried again after 1, 5 and 15 minutes; then its calendar is left to polling, with one notice.
        """
        worked = work_off(self._context, owner)
        self._deliver()
        return worked

    def maintain_subscriptions(self, owner: str | None = None, *, everything: bool = False) -> SubscriptionReport:
        """Create, renew, repair, suspend and end subscriptions where that is due.

        Args:
            owner: Only this owner's calendars.
            everything: Look at every calendar that is enabled or has a subscription, and try at once what has failed:
                for a start, and after a repair.
        """
        context = self._context
        calendars: Sequence[Calendar] = agenda(context, owner).checks
        if everything:
            watched = {stored.calendar_id for stored in self._store.load_subscriptions()}
            known = self._store.load_calendars(owner=owner)
            calendars = [calendar for calendar in known if calendar.enabled or calendar.key in watched]
        return self._maintain(calendars, Wish(at_once=everything))

    def replace_subscriptions(
        self, calendar_id: CalendarId | None = None, owner: str | None = None
    ) -> SubscriptionReport:
        """Give enabled calendars a new subscription with a new secret, each old one ended after its successor lives."""
        calendars = self._enabled(owner) if calendar_id is None else [self._store.load_calendar(calendar_id)]
        return self._maintain(calendars, Wish(at_once=True, replace=True))

    def end_subscriptions(self, owner: str | None = None) -> SubscriptionReport:
        """End all subscriptions, as before the endpoint is taken down. ``maintain_subscriptions`` makes new ones."""
        return end_subscriptions(self._context, Run(), self._store.load_calendars(owner=owner))

    def subscriptions(self, owner: str | None = None) -> list[StoredSubscription]:
        """All subscriptions there are, unanswered ones included."""
        mine = {calendar.key for calendar in self._store.load_calendars(owner=owner)}
        return [stored for stored in self._store.load_subscriptions() if stored.calendar_id in mine]

    def _maintain(self, calendars: Sequence[Calendar], wish: Wish) -> SubscriptionReport:
        done = maintain(self._context, Run(), calendars, wish)
        self._deliver()
        return done

    def deliver_notices(self) -> int:
        """Offer the host's notifier again what it has not taken yet; returns how many notices it took."""
        return deliver(self._context)

    # -- syncing --------------------------------------------------------------------------------------------------

    def sync_from_webhook(self, calendar_id: CalendarId, notification: Notification | None = None) -> SyncReport | None:
        """Read one calendar now because its provider pushed, and write what follows from it.

        For hosts that receive pushes by themselves; ``process_notifications`` does this for the inbox. A read that
        finds nothing is repeated once after a while: a push may come before the change can be read (I-07).

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
        run = Run(SyncType.WEBHOOK)
        context = self._context
        came = context.clock.now() if notification is None else notification.received_at
        expects_echo = watching.unread(self._store.load_watches([calendar.key]).get(calendar.key, Watch()))
        finished = sync(context, run, [calendar], notified_at=came, expects_echo=expects_echo)
        self._deliver()
        run.raise_for(calendar)
        if not run.seen[calendar.key]:
            with run.surviving(None, calendar):
                read_again_later(context, calendar)
        return finished

    def sync_calendars_needing_polling(
        self, owner: str | None = None, *, due_only: bool = False, trust_push: bool = True
    ) -> SyncReport:
        """Look after push, read the calendars that push does not keep up to date, and do whatever else is due.

        ============================================================  ==========  =====================================
        calendar                                                      is read by  also
        ============================================================  ==========  =====================================
        live subscription, and pushes or silence with nothing to say  push        rarely, for safety: ``silence_hours``
        live subscription, in doubt or with three failures            polling     the subscription is replaced
        no subscription, push unsupported or suspended                polling     one is made where that is possible
        not wholly read for ``full_hours``                            full        seven times as rarely with push
        ============================================================  ==========  =====================================

        Due without a request to anyone: unplanned changes, open intents, the horizon's next day, and a change of rules,
        policy or time-zone database (I-51).

        Args:
            owner: Only this owner's calendars.
            due_only: Of the calendars without healthy push, only those whose timer has run out: for a scheduler that
                asks every few seconds. Without it, all of them are read at once. The timer runs for a twelfth of
                ``polling_seconds`` after a change, and for twice as long after each read that finds none, up to
                ``polling_seconds``. If nothing at all was due, the report has no id: it was not recorded.
            trust_push: False: read calendars with healthy push, too.
        """
        context = self._context
        waiting = agenda(context, owner)
        run = Run()
        looked = maintain(context, run, waiting.checks)
        calendars = to_read(
            context, owner, waiting.calendars, looked.calendars, due_only=due_only, trust_push=trust_push
        )
        finished = sync(context, run, calendars, owner=owner, also=waiting.owners, quiet=due_only)
        if due_only:
            put_off(context, run, calendars)
        self._deliver()
        return finished

    def sync_all_calendars(self, owner: str | None = None) -> SyncReport:
        """Read everything again and put right whatever is wrong; what is right is left as it is."""
        finished = sync(self._context, Run(SyncType.FULL), self._enabled(owner), owner=owner)
        self._deliver()
        return finished

    def sync_calendar(self, calendar_id: CalendarId) -> SyncReport:
        """Read one calendar now, the way that suits it, and write what follows.

        Raises:
            UnknownCalendar: no such calendar.
            InvalidValue: it is disabled.
        """
        calendar = self._store.load_calendar(calendar_id)
        if not calendar.enabled:
            raise InvalidValue(f"calendar_id: calendar {calendar_id} is disabled")
        finished = sync(self._context, Run(), [calendar])
        self._deliver()
        return finished

    @contextmanager
    def job(self, name: str) -> Iterator[bool]:
        """Do something that only one process should do at a time: False if another one is at it.

        A lease of this name is kept until the block ends; a process that dies frees it within a minute.
        """
        with ExitStack() as stack:
            try:
                lease = stack.enter_context(self._context.lease(f"job:{name}", wait=False))
            except LeaseBusy:
                yield False
                return
            stack.enter_context(lease.kept())
            yield True


def _checked(url: str) -> str:
    """The webhook address without a slash at its end. Raises ConfigurationError."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ConfigurationError("webhook_url: providers push to https only")
    return url.rstrip("/")
