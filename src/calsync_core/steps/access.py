"""Who may be asked now: whose login it is, whether it is refused, and whether its provider told us to wait.

Statuses are changed on what the store has at that moment, never on what was loaded before a request: meanwhile the host
may have paused the account or switched the calendar off.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from calsync_core.errors import AuthExpired, IdentityChanged, ProviderError, RateLimited, Unreachable
from calsync_core.models import (
    Account,
    AccountId,
    AccountStatus,
    Calendar,
    CalendarId,
    CalendarStatus,
    NoticeKind,
    ReadState,
)
from calsync_core.protocols import RequestMeter, Session
from calsync_core.steps.context import Context
from calsync_core.steps.run import Run

__all__ = [
    "PROBE_SECONDS",
    "admit",
    "check_identity",
    "heed_waits",
    "load_waits",
    "note_answer",
    "note_recovery",
    "note_refusal",
    "set_calendar_status",
    "usable",
    "wait_as_told",
]


PROBE_SECONDS = 6 * 3600.0
"""How often a refused login is tried without a new credential (I-35)."""


def usable(account: Account, calendar: Calendar) -> bool:
    """Whether the calendar may be read now. A refused login is tried now and then: its slow probe (I-35)."""
    return calendar.enabled and account.status in {AccountStatus.ACTIVE, AccountStatus.AUTH_EXPIRED}


def admit(context: Context, run: Run, account: Account) -> Account | None:
    """The account, once it is sure that the credential in use is still the same person's (I-46); None: hands off."""
    if run.refused(account):
        return None
    if context.silences.spares(account, context.clock.monotonic()):
        run.fail(account, None, Unreachable("its server has answered nobody lately", retry_after=60.0))
        return None
    if context.logins.is_verified(account.key):
        return account
    admitted = None
    with run.surviving(account):
        context.logins.require_patience(account.key)
        try:
            admitted = check_identity(context, account, run.meter)
        except ProviderError as error:
            refused = isinstance(error, AuthExpired | IdentityChanged)
            if refused:
                note_refusal(context, account, error)
            note_answer(context, account, error)
            context.logins.put_off(account.key, error, PROBE_SECONDS if refused else error.retry_after or 0.0)
            raise
        context.logins.verify(account.key)
    return admitted


def note_answer(context: Context, account: Account, error: Exception | None = None) -> None:
    """Remember whether the account's server answers at all."""
    if isinstance(error, Unreachable):
        context.silences.note(account, context.clock.monotonic())
    else:
        context.silences.clear(account)


def check_identity(context: Context, account: Account, meter: RequestMeter) -> Account:
    """Ask whose login it is, unless this very login was asked about before; then have the store keep it.

    A login that the store shall keep is checked under the lease of the one it replaces: a refresh token that two
    processes use at once may be void for both (I-36).

    Raises:
        IdentityChanged: it is somebody else's; the store keeps what it had.
        AuthExpired: it is refused.
    """
    session = context.session(account, meter)
    with context.logins.checking(account, session.tokens) as to_keep:
        # Afresh: another process may have checked it while we waited.
        return _checked(context, context.store.load_account(account.key), session, to_keep=to_keep)


def _checked(context: Context, account: Account, session: Session, *, to_keep: bool) -> Account:
    mark = context.logins.mark(session.tokens)
    known = mark in {None, account.login_mark}
    identity = None if known else context.provider_of(account).identify(session)
    if identity is not None and account.subject not in {None, identity.subject}:
        raise IdentityChanged(f"the login of account {account.name!r} is somebody else's now")
    if to_keep:
        context.logins.keep(account, session.tokens)
    if identity is None:
        return account
    current = context.store.load_account(account.key)
    return context.store.save_account(evolve(current, subject=identity.subject, login_mark=mark))


def wait_as_told(context: Context, account: Account, calendar_id: CalendarId) -> None:
    """Send nothing while a provider's Retry-After runs, for any calendar of the account, or between slow probes.

    Raises:
        AuthExpired: the login is refused, and its next probe is not due (I-35).
        RateLimited: the provider asked for patience (I-33).
    """
    states = context.store.together(lambda: load_waits(context, account.key), writes=False)
    heed_waits(context, account, calendar_id, states)


def load_waits(context: Context, account_id: AccountId) -> Mapping[CalendarId, ReadState]:
    """Where it is written how long nothing may be sent: with the calendars of the account."""
    calendars = context.store.load_calendars(account_id=account_id)
    return context.store.load_read_states([calendar.key for calendar in calendars])


def heed_waits(
    context: Context, account: Account, calendar_id: CalendarId, states: Mapping[CalendarId, ReadState]
) -> None:
    """See ``wait_as_told``, by what ``load_waits`` found."""
    now = context.clock.now()
    for key, state in states.items():
        if state.due_at is None or state.due_at <= now:
            continue
        pause = (state.due_at - now).total_seconds()
        if account.status is AccountStatus.AUTH_EXPIRED and key == calendar_id:
            raise AuthExpired("the login was refused; waiting for a new credential", retry_after=pause)
        if state.last_error is not None and state.last_error.startswith(RateLimited.__name__):
            raise RateLimited("waiting as long as the provider asked", retry_after=pause)


def note_refusal(context: Context, account: Account, error: ProviderError) -> None:
    """The login is refused, or is somebody else's: remember it, and tell the host once (I-35, I-46)."""
    changed = isinstance(error, IdentityChanged)
    status = AccountStatus.IDENTITY_CHANGED if changed else AccountStatus.AUTH_EXPIRED
    current = context.store.load_account(account.key)
    if current.status not in {status, AccountStatus.PAUSED}:
        kind = NoticeKind.IDENTITY_CHANGED if changed else NoticeKind.REAUTHORIZATION_NEEDED
        context.tell(kind, account.owner, account=account.id)
        context.store.save_account(evolve(current, status=status))


def note_recovery(context: Context, account: Account) -> None:
    """The login works again."""
    if account.status is AccountStatus.AUTH_EXPIRED:
        current = context.store.load_account(account.key)
        if current.status is AccountStatus.AUTH_EXPIRED:
            context.store.save_account(evolve(current, status=AccountStatus.ACTIVE))


def set_calendar_status(context: Context, calendar: Calendar, status: CalendarStatus) -> None:
    """Note that a calendar vanished, became read-only or is well again, and tell the host once (I-42)."""
    current = context.store.load_calendar(calendar.key)
    if current.status is status:
        return
    context.tell(_NOTICES[status], calendar.owner, calendar=calendar.id)
    context.store.save_calendar(evolve(current, status=status))


_NOTICES = {
    CalendarStatus.OK: NoticeKind.CALENDAR_RECOVERED,
    CalendarStatus.READ_ONLY: NoticeKind.TARGET_READ_ONLY,
    CalendarStatus.VANISHED: NoticeKind.CALENDAR_VANISHED,
}
