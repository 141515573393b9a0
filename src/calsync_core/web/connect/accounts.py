"""From a login to a connected account, and from ticked boxes to calendars that take part."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from attrs import evolve

from calsync_core.engine import SyncEngine
from calsync_core.errors import IdentityChanged, InvalidValue
from calsync_core.models import Account, Calendar, CalendarId, Identity, OAuthGrant, Password

__all__ = ["choose", "name_for", "settle"]

_LONGEST_NAME = 255
"""Characters of an account's name: no store in a database takes more."""


def settle(
    engine: SyncEngine,
    owner: str,
    provider: str,
    login: OAuthGrant | Password,
    *,
    ends: float,
    base_url: str | None = None,
    again: Account | None = None,
) -> Account:
    """Connect a login that was just given: as the account it was given for, or the one it is already, or a new one.

    Args:
        engine: To connect it with.
        owner: Whose login it is.
        provider: Key of the engine's ``providers``.
        login: Just given.
        ends: See ``SyncEngine.identify``; for all that is asked here together.
        base_url: The server, where people say which.
        again: The account it was given for; None: a new one.

    Raises:
        IdentityChanged: it is not that of the account to be connected again; nothing was changed.
        ProviderError: as ``SyncEngine.connect`` does.
        StoreError: it can't be kept now.
    """
    asked = again or Account(owner=owner, provider=provider, name=provider, base_url=base_url)
    identity = engine.identify(asked, login, ends=ends)
    if again is not None:
        if again.subject not in {None, identity.subject}:
            raise IdentityChanged(f"account {again.id} was connected as another login than this one")
        return engine.connect(again, login, ends=ends)
    known = engine.accounts(owner)
    for each in known:
        if (each.provider, each.subject) == (provider, identity.subject):
            # The address may have been typed in another way.
            return engine.connect(evolve(each, base_url=base_url or each.base_url), login, ends=ends)
    name = name_for(identity, login, base_url, {each.name for each in known}, provider)
    return engine.connect(evolve(asked, name=name), login, ends=ends)


def name_for(
    identity: Identity, login: OAuthGrant | Password, base_url: str | None, taken: Collection[str], provider: str
) -> str:
    """What to call an account: its address as a store takes it, as far as none of its owner's is called so already."""
    name = identity.email or ""
    if not name and isinstance(login, Password):
        host = urlsplit(base_url or "").hostname
        name = login.username if host is None or "@" in login.username else f"{login.username}@{host}"
    # Servers and people write what they like; a store takes no NUL and no half of a character.
    shown = (each for text in (name, identity.subject) if (each := "".join(filter(str.isprintable, text)).strip()))
    name = next(shown, provider)
    ends = ["", f" ({provider})", *(f" ({provider} {number})" for number in range(2, len(taken) + 3))]
    return next(each for end in ends if (each := f"{name[: _LONGEST_NAME - len(end)]}{end}") not in taken)


def choose(
    engine: SyncEngine, calendars: Collection[Calendar], ticked: Mapping[CalendarId, tuple[bool, bool]]
) -> dict[CalendarId, str]:
    """Have each calendar publish and receive as ticked; returns what could not be had, and why."""
    problems = {}
    for calendar in calendars:
        publish, receive = ticked.get(calendar.key, (False, False))
        if (publish, receive) == (calendar.publishes, calendar.receives):
            continue
        try:
            if publish or receive:
                engine.enable(calendar.key, publish=publish, receive=receive)
            else:
                engine.disable(calendar.key)
        except InvalidValue as error:
            problems[calendar.key] = f"{str(error).partition(': ')[2]}."
    return problems
