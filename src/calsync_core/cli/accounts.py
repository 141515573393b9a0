"""Bring the store's accounts and calendars in line with the configuration.

Requests are sent only for what the store does not know yet: an account's first connection, a login that was refused
last time, or calendars that the file names and nobody has resolved. What was resolved once is kept by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from attrs import evolve

from calsync_core.cli.assembly import Installation
from calsync_core.cli.config import AccountConfig
from calsync_core.errors import AuthExpired, ConfigurationError, InvalidValue, ProviderError
from calsync_core.log import Logger
from calsync_core.models import Account, AccountStatus, Calendar, CalendarRole, SyncFailure

__all__ = ["align_accounts", "align_modes", "choose"]

ALL_OWNED = ("*",)

log = Logger("calsync_core.cli")


def align_accounts(installation: Installation, *, owner: str | None = None, refresh: bool = False) -> None:
    """Connect, resume or pause accounts and switch their calendars on or off, as the file says.

    A provider's failure concerns its account only: it is noted in ``installation.failures``.

    Args:
        installation: What to bring in line.
        owner: Only this owner's accounts.
        refresh: List calendars afresh where the file asks for all of them.

    Raises:
        ConfigurationError: the file asks for something that isn't there or can't be changed.
    """
    stored = {account.name: account for account in installation.store.load_accounts()}
    configured = installation.config.accounts
    if not configured and not stored:
        raise ConfigurationError(f"{installation.config.path}: accounts: there are none; add an [[accounts]] table")
    for each in configured:
        _check_unchanged(installation, each, stored.get(each.account.name))
    for account in stored.values():
        if all(each.account.name != account.name for each in configured):
            _pause(installation, account)
    for each in configured:
        if owner is not None and each.account.owner != owner:
            continue
        try:
            account = _ready(installation, each, stored.get(each.account.name))
            _align_calendars(installation, each, account, refresh=refresh)
        except ProviderError as error:
            failure = SyncFailure(each.account.name, None, type(error).__name__, str(error))
            installation.failures.append(failure)
            log.warning("account_not_ready", account=each.account.name, kind=failure.kind)


def align_modes(installation: Installation) -> None:
    """Write for each owner of the file, or only observe them, as it says.

    At the beginning of a command and never later: a process that has read an older file must not write for somebody
    who was put under observation meanwhile.
    """
    engine = installation.engine
    for owner, mode in installation.config.modes.items():
        if engine.mode(owner) is not mode:
            engine.set_mode(owner, mode)
            log.info("mode_changed", owner=owner, mode=str(mode))


def choose(selectors: Sequence[str] | None, calendars: Sequence[Calendar]) -> list[Calendar]:
    """The calendars that an account's ``calendars`` means, among those it offers.

    Raises:
        ConfigurationError: one is not there, a name fits several, or nothing says which is the default; the message
            starts with ``calendars:`` and lists the names.
    """
    names = ", ".join(f'"{calendar.name}"' for calendar in calendars) or "none"
    if selectors is None:
        primary = [calendar for calendar in calendars if calendar.primary]
        default = primary or list(calendars)
        if len(default) != 1:
            raise ConfigurationError(f"calendars: nothing says which one is meant; name some (it has: {names})")
        return default
    if tuple(selectors) == ALL_OWNED:
        owned = [calendar for calendar in calendars if calendar.role is CalendarRole.OWNER]
        if not owned:
            raise ConfigurationError(f"calendars: it owns none (it has: {names})")
        return owned
    chosen: dict[str, Calendar] = {}
    for selector in selectors:
        found = [calendar for calendar in calendars if calendar.remote_id.rstrip("/") == selector.rstrip("/")]
        found = found or [calendar for calendar in calendars if calendar.name == selector]
        if selector == "primary":
            found = found or [calendar for calendar in calendars if calendar.primary]
        if len(found) != 1:
            problem = "fits several" if found else "is not there"
            raise ConfigurationError(f'calendars: "{selector}" {problem} (it has: {names})')
        chosen[found[0].remote_id] = found[0]
    return list(chosen.values())


def _check_unchanged(installation: Installation, each: AccountConfig, account: Account | None) -> None:
    if account is None:
        return
    for key in ("owner", "provider"):
        was, now = getattr(account, key), getattr(each.account, key)
        if was != now:
            raise ConfigurationError(
                f'{installation.config.path}: {each.where}: {key}: was "{was}" when this account was connected and '
                f'can\'t become "{now}"; purge it first, or give the account another name'
            )


def _pause(installation: Installation, account: Account) -> None:
    calendars = installation.store.load_calendars(account_id=account.key)
    if any(calendar.enabled for calendar in calendars):  # once purged, there is nothing to be reminded of
        log.warning("account_paused", account=account.name, reason="not in the configuration")
    if account.status is not AccountStatus.PAUSED:
        installation.engine.pause(account.key)


def _ready(installation: Installation, each: AccountConfig, account: Account | None) -> Account:
    """The account as stored, after connecting it if it is new, was changed, or was somebody else's the last time.

    Another password needs nothing here: the engine finds out whose it is before it uses it.
    """
    if each.logs_in_by_device:
        return _logged_in(installation, each, account)
    if account is None:
        return installation.engine.connect(each.account, each.login)
    installation.engine.attach(account.key, each.login)
    if account.status is AccountStatus.PAUSED:
        account = installation.engine.resume(account.key)
    wanted = evolve(
        account,
        email=each.account.email or account.email,
        timezone=each.account.timezone or account.timezone,
        base_url=each.account.base_url,
    )
    if wanted != account or account.status is AccountStatus.IDENTITY_CHANGED:
        try:
            return installation.engine.connect(wanted, each.login)
        except ProviderError:
            if wanted.base_url != account.base_url:
                # The store still has the old address: the login in the file is not meant for whoever answers there.
                installation.engine.pause(account.key)
            raise
    return account


def _logged_in(installation: Installation, each: AccountConfig, account: Account | None) -> Account:
    """The account of somebody who logged in by hand. Raises AuthExpired: they have not, or not at this address."""
    if account is None or account.base_url != each.account.base_url:
        raise AuthExpired(f"nobody is logged in: calsync credentials login {each.account.name}")
    if account.status is AccountStatus.PAUSED:
        account = installation.engine.resume(account.key)
    return account


def _align_calendars(installation: Installation, each: AccountConfig, account: Account, *, refresh: bool) -> None:
    store, engine = installation.store, installation.engine
    known = store.load_calendars(account_id=account.key)
    chosen: list[Calendar] = []
    if known and not (refresh and each.calendars == ALL_OWNED):
        with suppress(ConfigurationError):  # the file names what the store has not seen: ask the provider
            chosen = choose(each.calendars, known)
    if not chosen:
        chosen = _discover(installation, each, account, known)
    keys = {calendar.key for calendar in chosen}
    for calendar in store.load_calendars(account_id=account.key):
        if calendar.key not in keys:
            if calendar.enabled:
                engine.disable(calendar.key)
        elif (calendar.enabled, calendar.publish, calendar.receive) != (True, each.publish, each.receive):
            try:
                engine.enable(calendar.key, publish=each.publish, receive=each.receive)
            except InvalidValue as error:
                raise ConfigurationError(f"{installation.config.path}: {each.where}: {error}") from None


def _discover(
    installation: Installation, each: AccountConfig, account: Account, known: Sequence[Calendar]
) -> list[Calendar]:
    """List the calendars afresh and choose; one that was renamed goes on under the name by which it was chosen."""
    names = {calendar.remote_id: calendar.name for calendar in known if calendar.enabled}
    offered = installation.engine.discover(account.key)
    for calendar in offered:
        old = names.get(calendar.remote_id, calendar.name)
        if old != calendar.name and old in (each.calendars or ()) and all(other.name != old for other in offered):
            installation.store.save_calendar(evolve(calendar, name=old))
    try:
        return choose(each.calendars, installation.store.load_calendars(account_id=account.key))
    except ConfigurationError as error:
        raise ConfigurationError(f"{installation.config.path}: {each.where}: {error}") from None
