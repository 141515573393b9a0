"""Push kept alive: create, renew with overlap, replace what is doubted, suspend what only fails, end what nobody wants.

``core.watching`` decides; here it is done, under the calendar's lease, and saved. A subscription is stored before it is
asked for, since its first push may come before the answer (I-29), and an old one is ended only after its successor
lives (I-30).
"""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from attrs import define, evolve, field, frozen

from calsync_core.core import watching
from calsync_core.core.watching import Action
from calsync_core.errors import (
    AuthExpired,
    IdentityChanged,
    NotFound,
    ProviderError,
    PushUnsupported,
    Stopped,
    StoreError,
    Unavailable,
)
from calsync_core.log import Logger
from calsync_core.models import (
    Account,
    AccountStatus,
    Calendar,
    CalendarId,
    StoredSubscription,
    SubscriptionReport,
    Watch,
)
from calsync_core.protocols import PushProvider, Session, Subscription
from calsync_core.steps.access import admit
from calsync_core.steps.context import Context, HeldLease
from calsync_core.steps.read import set_due
from calsync_core.steps.receive import fingerprint
from calsync_core.steps.run import Run, each
from calsync_core.steps.watch import keep_watch, load_watch, push_provider, push_url

__all__ = ["Wish", "end_subscriptions", "maintain"]

_ANSWER_WITHIN = timedelta(minutes=10)
"""How long a subscription whose creation was not answered is remembered: it may live, and push."""

_LOOK_AGAIN = timedelta(hours=1)
"""When to try once more what only time, the provider or a person can mend."""

_LOOK_AGAIN_SOON = timedelta(minutes=5)
_SECRET_BYTES = 48

log = Logger("calsync_core")


@frozen
class Wish:
    """What is asked for beyond what is due.

    Attributes:
        at_once: Don't wait for the next attempt, probe or question.
        replace: A new subscription with a new secret, the old one ended after it.
        renew: The provider asked for a renewal.
        ended: The provider said that these subscriptions are gone, by ``StoredSubscription.id``.
    """

    at_once: bool = False
    replace: bool = False
    renew: bool = False
    ended: frozenset[int] = frozenset()


@define
class _Tally:
    """Counts over all threads."""

    counts: dict[str, int] = field(factory=dict)
    fresh: list[CalendarId] = field(factory=list)
    lock: threading.Lock = field(factory=threading.Lock)

    def add(self, what: str, calendar_id: CalendarId | None = None) -> None:
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            if calendar_id is not None:
                self.fresh.append(calendar_id)


def maintain(context: Context, run: Run, calendars: Collection[Calendar], wish: Wish = Wish()) -> SubscriptionReport:
    """Give each of these calendars the subscription it should have, or none.

    A calendar whose subscription is new is due to be read: what changed before it began was announced by nobody.
    """
    return _for_each(context, run, calendars, lambda keeper: keeper.keep(wish))


def end_subscriptions(context: Context, run: Run, calendars: Collection[Calendar]) -> SubscriptionReport:
    """End every subscription of these calendars, as far as their providers can be asked."""
    return _for_each(context, run, calendars, lambda keeper: keeper.give_up())


def _for_each(
    context: Context, run: Run, calendars: Collection[Calendar], attend: Callable[[_Keeper], None]
) -> SubscriptionReport:
    tally = _Tally()

    def look_after(calendar: Calendar) -> None:
        with run.surviving(None, calendar):
            account = context.store.load_account(calendar.account_id)
            with (
                run.surviving(account, calendar),
                context.put_to_work(account, calendar, lambda _: _Found.of(context, calendar)) as (lease, found),
            ):
                tally.add("checked")
                attend(_Keeper(context, run, lease, tally, found.account, found.calendar, found.called))

    each(look_after, calendars, at_most=context.max_workers)
    return SubscriptionReport(
        **tally.counts, calendars=tuple(sorted(tally.fresh)), errors=tuple(run.failures), api_calls=run.meter.sent
    )


@frozen
class _Found:
    """A calendar and its account as they are once its lease is ours, and the call for a look that is answered then."""

    account: Account
    calendar: Calendar
    called: int | None

    @classmethod
    def of(cls, context: Context, calendar: Calendar) -> _Found:
        """With everything as it is now: the host may have changed its mind while this waited for the lease.

        The call is read first. Whoever changes something calls after that, so what is read next is what was called for;
        and a call that comes later has another number, and is not taken for answered.
        """
        called = load_watch(context, calendar).called
        current = context.store.load_calendar(calendar.key)
        return cls(context.store.load_account(current.account_id), current, called)


@define
class _Keeper:
    """One calendar's subscriptions, in use under its lease.

    Attributes:
        called: The call for a look that this one answers.
        again: When to look after what could not be done now.
    """

    context: Context
    run: Run
    lease: HeldLease
    tally: _Tally
    account: Account
    calendar: Calendar
    called: int | None
    again: datetime | None = None

    def keep(self, wish: Wish) -> None:
        """Do what is needed and save what came of it.

        Raises:
            ProviderError: noted as a failure of push, with the time of the next attempt.
        """
        provider = push_provider(self.context, self.account)
        if provider is None or not self.calendar.enabled:
            self.give_up()
            return
        if self.account.status is not AccountStatus.ACTIVE:
            self._wait_for_the_person()
            return
        session = self._session()
        if session is None:
            self._wait_for_the_login()
            return
        stored = self._alive(wish)
        watch, doubted = self._judged(stored)
        todo = watching.action(
            watch,
            watching.newest(stored, self.context.clock.now()),
            push_url(self.context, self.account),
            self.context.clock.now(),
            at_once=wish.at_once,
            renew=wish.renew,
            # One that only fails is not replaced at every doubt: it rests until its next probe.
            replace=wish.replace or (doubted and watch.failures < watching.FAILURES_UNTIL_SUSPENDED),
        )
        try:
            watch = self._carry_out(todo, provider, session, watch, stored, afresh=wish.renew)
        except PushUnsupported:
            log.info("push_unsupported", calendar=self.calendar.id)
            self._end(provider, session, stored)
            watch = watching.record_unsupported(watch, self.context.clock.now())
            self.tally.add("unsupported")
        except (Stopped, StoreError):
            raise
        except Exception as error:
            # Whatever it raises: what is not noted as failed would be tried again at once, and for ever.
            self._save(watching.record_failure(watch, type(error).__name__, self.context.clock.now()))
            raise
        self._save(watch)

    def give_up(self) -> None:
        """End all there are; a login that is refused can't, and then the provider forgets them when they end."""
        stored = self.context.store.load_subscriptions(self.calendar.key)
        provider = self.context.pushing.get(self.account.provider)
        session = self._session() if stored and self.account.status is AccountStatus.ACTIVE else None
        if session is not None and provider is not None:
            self._end(provider, session, stored)
        for one in self.context.store.load_subscriptions(self.calendar.key):
            self._forget(one)
        watch = watching.ended(load_watch(self.context, self.calendar))
        due_at = watch.due_at or self.context.clock.now() if self.calendar.enabled else None
        # All are forgotten: nothing is left to be tried again.
        self.again = None
        self._save(evolve(watch, due_at=due_at, check_at=None))

    # -- what is there ----------------------------------------------------------------------------------------------

    def _session(self) -> Session | None:
        admitted = admit(self.context, self.run, self.account)
        return None if admitted is None else self.context.session(admitted, self.run.meter, self.lease)

    def _wait_for_the_person(self) -> None:
        """Nothing can be asked with this login now; it is looked at again in an hour, or when it is connected again."""
        watch = load_watch(self.context, self.calendar)
        now = self.context.clock.now()
        if watch.failed_at is None:
            watch = watching.record_failure(watch, AuthExpired.__name__, now)
        self.again = now + _LOOK_AGAIN
        self._save(watch)

    def _wait_for_the_login(self) -> None:
        """The account is not admitted: its login is refused, or its provider or token server does not answer."""
        error = self.run.account_errors.get(self.account.key)
        if isinstance(error, AuthExpired | IdentityChanged):
            self._wait_for_the_person()
            return
        self.again = self.context.clock.now() + _LOOK_AGAIN_SOON
        self._save(load_watch(self.context, self.calendar))

    def _save(self, watch: Watch) -> None:
        """The last that is done here."""
        if self.called is not None and self.calendar.enabled:
            # Who called wants it read, too.
            watch = evolve(watch, due_at=self.context.clock.now())
        self.lease.last(
            lambda lease: keep_watch(
                *(self.context, lease, self.account, self.calendar, watch),
                looked=True,
                answered=self.called,
                again=self.again,
            )
        )

    def _alive(self, wish: Wish) -> list[StoredSubscription]:
        """What is stored, once what ended is forgotten."""
        now = self.context.clock.now()
        stored = self.context.store.load_subscriptions(self.calendar.key)
        for one in stored:
            if one.expires_at <= now or one.id in wish.ended:
                self._forget(one)
        return [one for one in stored if one.expires_at > now and one.id not in wish.ended]

    def _judged(self, stored: Sequence[StoredSubscription]) -> tuple[Watch, bool]:
        """The watch, with the subscription that is there, and whether a doubt that nothing cleared was recorded."""
        now = self.context.clock.now()
        watch = load_watch(self.context, self.calendar)
        newest = watching.newest(stored, now)
        if newest is None:
            watch = watching.ended(watch)
        elif watch.expires_at != newest.expires_at and watch.unsupported_at is None:
            # A worker died after it had made or prolonged it.
            watch = evolve(watch, subscribed_at=newest.renewed_at or newest.created_at, expires_at=newest.expires_at)
        doubt = watching.doubt(watch, now)
        if doubt is None:
            return watch, False
        log.warning("push_doubted", calendar=self.calendar.id, why=doubt, failures=watch.failures + 1)
        return watching.record_failure(watch, doubt, now), True

    # -- what is done -----------------------------------------------------------------------------------------------

    def _carry_out(
        self,
        todo: Action,
        provider: PushProvider,
        session: Session,
        watch: Watch,
        stored: Sequence[StoredSubscription],
        *,
        afresh: bool,
    ) -> Watch:
        current = watching.newest(stored, self.context.clock.now())
        if todo in {Action.KEEP, Action.RENEW}:
            # Left by a worker that died, or by a provider that could not be asked.
            unwanted = [one for one in stored if one != current or watch.unsupported_at is not None]
            self._end(provider, session, unwanted)
        if todo is Action.RENEW and current is not None:
            renewed = self._renew(provider, session, current, afresh=afresh)
            if renewed is not None:
                self.tally.add("renewed")
                return watching.record_subscribed(watch, renewed.expires_at, self.context.clock.now())
            todo = Action.CREATE
        if todo is Action.CREATE:
            made = self._create(provider, session)
            self.tally.add("created", self.calendar.key)
            watch = watching.record_subscribed(watch, made.expires_at, self.context.clock.now())
            self._end(provider, session, stored)
            set_due(self.context, self.lease, self.calendar, self.context.clock.now())
        elif todo is Action.REST:
            self._end(provider, session, stored)
            watch = watching.ended(watch)
        return watch

    def _create(self, provider: PushProvider, session: Session) -> StoredSubscription:
        store, now = self.context.store, self.context.clock.now()
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        asked = StoredSubscription(
            calendar_id=self.calendar.key,
            provider=self.account.provider,
            remote_id=uuid.uuid4().hex,
            secret_hash=fingerprint(secret),
            url=push_url(self.context, self.account),
            created_at=now,
            expires_at=now + _ANSWER_WITHIN,
        )
        asked = store.save_subscription(self.lease.current(), asked, now)
        try:
            made = provider.subscribe(
                session, self.calendar, subscription_id=asked.remote_id, secret=secret, url=asked.url
            )
        except Unavailable:
            raise
        except ProviderError:
            self._forget(asked)
            raise
        confirmed = evolve(
            asked,
            remote_id=made.id,
            resource=made.resource,
            expires_at=made.expires_at,
            confirmed=True,
            renewed_at=self.context.clock.now(),
        )
        return store.save_subscription(self.lease.current(), confirmed, self.context.clock.now())

    def _renew(
        self, provider: PushProvider, session: Session, current: StoredSubscription, *, afresh: bool
    ) -> StoredSubscription | None:
        """Prolong it, with a fresh login if the provider asked for that; None: a new one is needed."""
        if afresh:
            with suppress(AuthExpired):
                session.tokens.credential(renew=True)
        try:
            renewed = provider.renew(session, self.calendar, _as_known(current))
        except NotFound:
            self._forget(current)
            return None
        if renewed is None:
            return None
        now = self.context.clock.now()
        return self.context.store.save_subscription(
            self.lease.current(), evolve(current, expires_at=renewed.expires_at, renewed_at=now), now
        )

    def _end(self, provider: PushProvider, session: Session, stored: Sequence[StoredSubscription]) -> None:
        """End these. One that can't be ended now stays stored, and is tried again until it ends by itself."""
        for one in stored:
            if not one.confirmed:
                continue
            try:
                provider.unsubscribe(session, _as_known(one))
            except ProviderError as error:
                log.info("unsubscribe_failed", calendar=self.calendar.id, kind=type(error).__name__)
                self.again = self.context.clock.now() + _LOOK_AGAIN
                continue
            self._forget(one)
            self.tally.add("ended")

    def _forget(self, stored: StoredSubscription) -> None:
        if stored.id is not None:
            now = self.context.clock.now()
            self.context.store.delete_subscription(self.lease.current(), stored.id, now)


def _as_known(stored: StoredSubscription) -> Subscription:
    return Subscription(stored.remote_id, stored.resource or "", stored.expires_at)
