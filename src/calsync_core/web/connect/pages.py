"""What each page of the connect flow tells, as values, and the port of whoever makes pages of them."""

# pyright: reportReturnType=false
# A port's methods are their docstrings; mypy knows such bodies in protocols, pyright asks for an ellipsis.

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import attrs
from attrs import field, frozen

from calsync_core.models import AccountId, CalendarId, CalendarRole

__all__ = [
    "AccountLine",
    "CalendarLine",
    "CalendarsPage",
    "HomePage",
    "Offer",
    "Page",
    "Pages",
    "Problem",
    "ProblemPage",
    "StartPage",
]


@frozen
class Offer:
    """A provider that accounts can be connected at.

    Attributes:
        name: Key of the engine's ``providers``.
        title: What people call it.
        href: The path of its page, and where its form is posted to.
        takes_password: It takes a user name and a password; otherwise people are sent to the provider.
        takes_address: The person says which server.
    """

    name: str
    title: str = field(repr=False)
    href: str
    takes_password: bool = False
    takes_address: bool = False


@frozen
class AccountLine:
    """An account of this owner.

    Attributes:
        name: What it is called: usually its address.
        provider: What people call its provider.
        broken: Nothing is read or written with it before it is connected again.
        calendars: The path of its calendars' page.
        reconnect: The path of the page to connect it again; None: not here.
        paused: The host has paused it: nothing is read or written with it, connected again or not.
    """

    id: AccountId
    name: str = field(repr=False)
    provider: str
    broken: bool
    calendars: str
    reconnect: str | None = None
    paused: bool = False


@frozen(kw_only=True)
class Page:
    """What every page has.

    Attributes:
        home: The path of the first page.
        token: Goes back with every form, in a field named ``token``; None: there is no form.
    """

    home: str
    token: str | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """As JSON can say it, with the page's name, for a frontend of the host's own."""
        return {"page": type(self).__name__.removesuffix("Page").lower(), **attrs.asdict(self)}


@frozen(kw_only=True)
class HomePage(Page):
    """What is connected, and what can be."""

    accounts: tuple[AccountLine, ...]
    offers: tuple[Offer, ...]


@frozen(kw_only=True)
class StartPage(Page):
    """One provider, before anything is sent to it.

    The form: ``POST offer.href`` with ``token``, ``account`` (the id, if there is one) and ``read_only`` (``yes`` or
    nothing); where it takes a password, ``username``, ``password`` and perhaps ``address`` in place of ``read_only``.

    Attributes:
        account: It is connected again.
        username: As typed.
        address: As typed.
        hint: What to know before a password is typed.
        problem: Why it did not work the last time, in a sentence.
    """

    offer: Offer
    account: AccountLine | None = None
    username: str = field(default="", repr=False)
    address: str = field(default="", repr=False)
    hint: str | None = None
    problem: str | None = field(default=None, repr=False)


@frozen
class CalendarLine:
    """A calendar, and what it does.

    Attributes:
        writable: It can be blocked.
        publish: Its events block the others: the box is to be ticked.
        receive: The others' events block it: the box is to be ticked.
        problem: Why the last choice could not be had, in a sentence.
    """

    id: CalendarId
    name: str = field(repr=False)
    role: CalendarRole
    writable: bool
    primary: bool
    publish: bool
    receive: bool
    problem: str | None = field(default=None, repr=False)


@frozen(kw_only=True)
class CalendarsPage(Page):
    """An account's calendars to choose from.

    The form: ``POST action`` with ``token``, ``shown`` (the ids of all calendars on the page, with commas between them)
    and, for every box that is ticked, ``publish-ID`` or ``receive-ID``. Calendars that were not shown stay as they are.
    """

    account: AccountLine
    action: str
    calendars: tuple[CalendarLine, ...]


class Problem(StrEnum):
    """What went wrong."""

    DECLINED = "declined"
    """The person said no to the provider."""
    ADMINISTRATOR = "administrator"
    """An administrator of theirs must agree first."""
    SCOPES = "scopes"
    """They did not grant what is needed."""
    IDENTITY = "identity"
    """They logged in as somebody else than the account that was to be connected again."""
    STALE = "stale"
    """It took too long, was begun in another browser, or is not known here: begin again."""
    REFUSED = "refused"
    """The provider does not take the login."""
    OPERATOR = "operator"
    """Whoever runs this application must act."""
    LATER = "later"
    """The provider, or the store, can't be asked now."""
    SILENT = "silent"
    """The provider, or the server that was named, can't be reached, or does not answer in time."""
    BUSY = "busy"
    """Another page of this owner's is asking a server."""
    NOT_FOUND = "not_found"
    """There is nothing here."""
    FORGED = "forged"
    """A form that does not come from a page of ours."""
    ORIGIN = "origin"
    """A form that a browser says comes from another site than that of ``public_url``."""
    NOBODY = "nobody"
    """The host does not know who this is."""


@frozen(kw_only=True)
class ProblemPage(Page):
    """Something did not work.

    Attributes:
        status: HTTP's.
        text: What happened and what helps, in a sentence or two.
        missing: What was not granted, each as the end of "may …".
        again: The path of a page to try again on, or the public address of all of them.
    """

    problem: Problem
    status: int
    text: str = field(repr=False)
    missing: tuple[str, ...] = ()
    again: str | None = None


@runtime_checkable
class Pages(Protocol):
    """Makes pages. Everything in the values is text as it came: escape it.

    Attributes:
        security_policy: The ``Content-Security-Policy`` of all pages.
    """

    security_policy: str

    def home(self, page: HomePage) -> str:
        """The first page."""

    def start(self, page: StartPage) -> str:
        """The page of one provider."""

    def calendars(self, page: CalendarsPage) -> str:
        """The calendars of an account."""

    def problem(self, page: ProblemPage) -> str:
        """Something did not work."""
