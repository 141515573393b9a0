"""A user name and a password, or an app password, and perhaps a server's address."""

from __future__ import annotations

from collections.abc import Mapping

from calsync_core.errors import AuthExpired, CalsyncError, NotFound, Rejected
from calsync_core.log import Logger
from calsync_core.models import Account, Password
from calsync_core.web.connect.accounts import settle
from calsync_core.web.connect.answers import Outcome, go
from calsync_core.web.connect.desk import Desk, problem_in
from calsync_core.web.connect.pages import Offer
from calsync_core.web.connect.servers import checked_address
from calsync_core.web.connect.words import ADDRESS, INCOMPLETE, NO_SERVER, TEXTS, wrong_password

__all__ = ["connect"]

log = Logger("calsync_core.web")

_LONGEST = 1_000


def connect(desk: Desk, owner: str, offer: Offer, form: Mapping[str, str], again: Account | None) -> Outcome:
    """Connect with what was typed; the page once more, with all but the password, if that does not work."""
    username, password = form.get("username", "").strip(), form.get("password", "")
    typed = {"username": username, "address": form.get("address", "").strip()}

    def ask_again(problem: str) -> Outcome:
        return desk.start_page(owner, offer, again, problem=problem, **typed)

    if not username or not password or max(len(username), len(password)) > _LONGEST:
        return ask_again(INCOMPLETE)
    login, ends = Password(username, password), desk.ends()
    try:
        with desk.asking(owner):
            base_url = None if again is None else again.base_url
            if again is None and offer.takes_address:
                # Looks the name up: who is asked for it may be as slow as the calendar server.
                base_url = checked_address(typed["address"], private=desk.private_servers)
                if base_url is None:
                    log.info("connection_refused", provider=offer.name, reason="address")
                    return ask_again(ADDRESS)
            account = settle(desk.engine, owner, offer.name, login, ends=ends, base_url=base_url, again=again)
    except CalsyncError as error:
        log.info("connection_failed", provider=offer.name, kind=type(error).__name__)
        return ask_again(_sentence(error, offer))
    log.info("account_connected", provider=offer.name, account=account.id)
    return go(desk.site.calendars(account.key))


def _sentence(error: CalsyncError, offer: Offer) -> str:
    match error:
        case AuthExpired():
            return wrong_password(offer.name)
        case Rejected() | NotFound():
            return NO_SERVER
    return TEXTS[problem_in(error)]
