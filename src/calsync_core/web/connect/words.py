"""What people are told: providers' names, permissions and problems, in English sentences."""

from __future__ import annotations

from collections.abc import Sequence

from calsync_core.protocols import Refusal
from calsync_core.web.connect.pages import Problem

__all__ = [
    "ADDRESS",
    "INCOMPLETE",
    "NO_SERVER",
    "STATUS",
    "TEXTS",
    "permissions",
    "problem_of",
    "title_of",
    "wrong_password",
]

_TITLES = {
    "google": "Google Calendar",
    "microsoft": "Microsoft 365 or Outlook",
    "icloud": "Apple iCloud",
    "caldav": "Calendar server (CalDAV)",
}

_PERMISSIONS = {
    "calendar.calendarlist.readonly": "see which calendars you have",
    "calendar.events.readonly": "see your events",
    "calendar.events": "see and change your events",
    "User.Read": "see who you are",
    "Calendars.Read": "see your calendars",
    "Calendars.ReadWrite": "see and change your calendars",
}

TEXTS = {
    Problem.DECLINED: "Nothing was connected, since access was not allowed. If you were told that an administrator "
    "must approve it, ask yours; otherwise you can try again whenever you like.",
    Problem.ADMINISTRATOR: "Your organisation does not let its members connect this application by themselves: your "
    "administrator must agree to it first. Ask them, then try again.",
    Problem.SCOPES: "Nothing was connected, since not everything that is needed was allowed. Try again, and leave all "
    "boxes ticked.",
    Problem.IDENTITY: "You logged in with another account than the one that was to be connected again. Nothing was "
    "changed. Try again with the same account as before, or connect this one as a new account.",
    Problem.STALE: "This connection was begun too long ago, in another browser, or is finished already. Begin again.",
    Problem.REFUSED: "The provider did not accept the login. Begin again.",
    Problem.OPERATOR: "The provider does not accept this application as it is set up now. Nothing that you do can "
    "change that: please tell whoever runs it.",
    Problem.LATER: "It can't be done right now. Try again in a few minutes.",
    Problem.SILENT: "The calendar server does not answer. Try again in a few minutes.",
    Problem.BUSY: "Another page of yours is waiting for a calendar server. Wait until it is done, then try again.",
    Problem.NOT_FOUND: "There is nothing here.",
    Problem.FORGED: "This page was open for too long, or the form did not come from it. Open it again.",
    Problem.ORIGIN: "This form came from another address than the one of these pages. Open the page under its public "
    "address: the one that you were given, not another name of the same machine.",
    Problem.NOBODY: "Log in first.",
}

STATUS = {
    Problem.DECLINED: 403,
    Problem.ADMINISTRATOR: 403,
    Problem.SCOPES: 403,
    Problem.IDENTITY: 409,
    Problem.STALE: 400,
    Problem.REFUSED: 403,
    Problem.OPERATOR: 502,
    Problem.LATER: 503,
    Problem.SILENT: 503,
    Problem.BUSY: 429,
    Problem.NOT_FOUND: 404,
    Problem.FORGED: 403,
    Problem.ORIGIN: 403,
    Problem.NOBODY: 401,
}

ADDRESS = "There is no calendar server that can be used from here at this address. It should begin with https://."
INCOMPLETE = "Please fill in every field."
NO_SERVER = "There is a server at this address, but no calendars."

_HINTS = {
    "icloud": "Apple takes the address of your Apple Account and an app-specific password, which you make at "
    "account.apple.com under Sign-In and Security. Your usual password does not work.",
}

_REFUSALS = {
    Refusal.DECLINED: Problem.DECLINED,
    Refusal.ADMINISTRATOR: Problem.ADMINISTRATOR,
    Refusal.APPLICATION: Problem.OPERATOR,
    Refusal.LATER: Problem.LATER,
    Refusal.UNKNOWN: Problem.REFUSED,
}


def title_of(provider: str) -> str:
    """What people call a provider."""
    return _TITLES.get(provider, provider)


def permissions(scopes: Sequence[str]) -> tuple[str, ...]:
    """Scopes as ends of "may …"."""
    return tuple(_PERMISSIONS.get(scope.rpartition("/")[2], scope) for scope in scopes)


def problem_of(refusal: Refusal) -> Problem:
    """What a provider's refusal is to people."""
    return _REFUSALS[refusal]


def hint_for(provider: str) -> str | None:
    """What to know before a password is typed."""
    return _HINTS.get(provider)


def wrong_password(provider: str) -> str:
    """What to look at if a password is not accepted."""
    hint = _HINTS.get(provider, "Some servers want an app password.")
    return f"This user name and password were not accepted. {hint}"
