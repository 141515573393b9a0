"""Values that must not come out again anywhere (I-39), made so that nobody mistakes them for anything else.

Each carries the mark of its kind, in letters that no escaping, quoting or lower-casing changes. ``leaks.py`` looks for
the marks in whatever every test makes the library say.
"""

from __future__ import annotations

__all__ = [
    "DETAIL",
    "DETAILS",
    "GUEST",
    "GUESTS",
    "LUNCH",
    "PASSWORD",
    "SECRETS",
    "TITLES",
    "guest",
    "secret",
    "title",
]

SECRETS, TITLES, GUESTS, DETAILS = "untoldsecret", "untoldtitle", "untoldguest", "untolddetail"
"""The marks of logins, tokens and keys; of titles; of attendees; of descriptions and places."""


def secret(name: str) -> str:
    """A password, a token or a key, named so."""
    return f"{SECRETS}-{name}"


def title(name: str) -> str:
    """The title of an event of theirs."""
    return f"{TITLES} {name}"


def guest(name: str = "bo") -> str:
    """The address of an attendee or organiser."""
    return f"{GUESTS}.{name}@elsewhere.example"


PASSWORD = secret("password")
LUNCH = title("Lunch with the auditor")
GUEST = guest()
DETAIL = f"{DETAILS} on the third floor"
