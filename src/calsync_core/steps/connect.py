"""Accounts and calendars come and go: connect, discover, switch on."""

from __future__ import annotations

from attrs import evolve

from calsync_core.credentials import Credentials
from calsync_core.errors import IdentityChanged, InvalidValue
from calsync_core.models import Account, AccountStatus, Calendar, CalendarRole, Identity, NoticeKind
from calsync_core.protocols import Provider, RequestMeter, Session, TokenSource
from calsync_core.steps.context import Context

__all__ = ["connect", "discover", "enable", "identify"]


def connect(context: Context, account: Account, credentials: Credentials, *, ends: float | None = None) -> Account:
    """Check the login and whose it is, and store the account, then the login (I-46).

    Raises:
        AuthExpired: the login is refused; nothing is stored.
        IdentityChanged: the account was connected before as somebody else; it is barred and the host told.
        InvalidValue: the provider takes no such login, or the name is that of an account at another provider.
    """
    context.provider_of(account)
    with context.logins.connecting(account):
        known = _same_account(context, account)
        tokens = context.logins.source_of(account, credentials, stored=known, anew=True)
        with context.logins.checking(known or account, tokens, anew=True):
            return _connect(context, account, known, tokens, _identity(context, account, tokens, ends))


def identify(context: Context, account: Account, credentials: Credentials, *, ends: float | None = None) -> Identity:
    """Ask whose a login is; nothing is stored."""
    return _identity(context, account, context.logins.source_of(account, credentials, anew=True), ends)


def _identity(context: Context, account: Account, tokens: TokenSource, ends: float | None) -> Identity:
    session = Session(account=account, tokens=tokens, meter=RequestMeter(), clock=context.clock, ends=ends)
    return context.provider_of(account).identify(session)


def _connect(
    context: Context, account: Account, known: Account | None, tokens: TokenSource, identity: Identity
) -> Account:
    if known is not None and known.subject not in {None, identity.subject}:
        if known.provider != account.provider:
            raise InvalidValue(f"name: {account.name!r} is the name of an account at {known.provider!r} already")
        context.tell(NoticeKind.IDENTITY_CHANGED, account.owner, account=known.id)
        context.store.save_account(evolve(known, status=AccountStatus.IDENTITY_CHANGED))
        raise IdentityChanged(f"account {account.name!r} was connected as another login than this one")
    is_paused = known is not None and known.status is AccountStatus.PAUSED
    saved = context.store.save_account(
        evolve(
            account,
            id=known.id if known else None,
            subject=identity.subject,
            email=account.email or identity.email,
            timezone=account.timezone or identity.timezone,
            login_mark=context.logins.mark(tokens),
            # A login that works is no reason to go on with what the host has paused.
            status=AccountStatus.PAUSED if is_paused else AccountStatus.ACTIVE,
        )
    )
    context.logins.use(saved.key, tokens, checked=True)
    context.logins.keep(saved, tokens)
    if known is not None:
        context.store.reset_plan(saved.owner)
    return saved


def _same_account(context: Context, account: Account) -> Account | None:
    if account.id is not None:
        return context.store.load_account(account.id)
    return next((known for known in context.store.load_accounts(account.owner) if known.name == account.name), None)


def discover(context: Context, account: Account, *, ends: float | None = None) -> list[Calendar]:
    """List the account's calendars at its provider and keep what is known of them up to date; new ones are disabled."""
    session = context.session(account, RequestMeter(), ends=ends)
    provider = context.provider_of(account)
    known = {calendar.remote_id: calendar for calendar in context.store.load_calendars(account_id=account.key)}
    found = []
    for remote in provider.list_calendars(session):
        fresh = Calendar(
            account_id=account.key,
            owner=account.owner,
            remote_id=remote.remote_id,
            name=remote.name,
            role=remote.role if isinstance(provider, Provider) or not remote.role.writable else CalendarRole.READER,
            timezone=remote.timezone or account.timezone,
            primary=remote.primary,
        )
        old = known.get(remote.remote_id)
        if old is not None:
            fresh = evolve(old, name=fresh.name, role=fresh.role, timezone=fresh.timezone, primary=fresh.primary)
        found.append(fresh if fresh == old else context.store.save_calendar(fresh))
    return found


def enable(context: Context, calendar: Calendar, *, publish: bool, receive: bool) -> Calendar:
    """Switch a calendar on.

    Raises:
        InvalidValue: it would do nothing, can't be written to, or is in use through another account (a remote calendar
            takes part once per owner and receives for one owner).
    """
    if not (publish or receive):
        raise InvalidValue("publish: a calendar that neither publishes nor receives takes no part; disable it instead")
    if receive and not calendar.role.writable:
        raise InvalidValue(f"receive: this login may not write to {calendar.name!r} (role {calendar.role})")
    providers = {account.key: account.provider for account in context.store.load_accounts()}
    for other in context.store.load_calendars():
        same = (providers[other.account_id], other.remote_id) == (providers[calendar.account_id], calendar.remote_id)
        if not same or other.id == calendar.id or not other.enabled:
            continue
        if other.owner == calendar.owner:
            raise InvalidValue(f"calendar: {calendar.name!r} is enabled already, through another account of its owner")
        if receive and other.receive:
            raise InvalidValue(f"receive: {calendar.name!r} receives for another owner already")
    return context.store.save_calendar(evolve(calendar, enabled=True, publish=publish, receive=receive))
