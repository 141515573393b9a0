"""What is asked for."""

from __future__ import annotations

from enum import Enum, auto

from attrs import frozen

from calsync_core.models import AccountId
from calsync_core.web.messages import NAME

__all__ = ["Place", "Spot", "account_of", "find_place"]


class Place(Enum):
    """A page, or where a form goes."""

    HOME = auto()
    PROVIDER = auto()
    CALLBACK = auto()
    CALENDARS = auto()

    @property
    def methods(self) -> tuple[str, ...]:
        """How it may be asked for. A HEAD must not use a code up."""
        match self:
            case Place.HOME:
                return ("GET", "HEAD")
            case Place.CALLBACK:
                return ("GET",)
        return ("GET", "HEAD", "POST")


@frozen
class Spot:
    """A place, and whose.

    Attributes:
        provider: Named in the path; empty: none.
        account: Numbered in the path.
    """

    place: Place
    provider: str = ""
    account: AccountId | None = None


def find_place(path: str) -> Spot | None:
    """What is at this path below the mount; None: nothing."""
    match path.removeprefix("/").removesuffix("/").split("/"):
        case [""]:
            return Spot(Place.HOME)
        case ["accounts", number, "calendars"]:
            account = account_of(number)
            return None if account is None else Spot(Place.CALENDARS, account=account)
        case [name] if NAME.fullmatch(name):
            return Spot(Place.PROVIDER, name)
        case [name, "callback"] if NAME.fullmatch(name):
            return Spot(Place.CALLBACK, name)
    return None


def account_of(text: str) -> AccountId | None:
    """An account's id; None: that is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
