"""What a request comes to, and how that is answered: a page as HTML or JSON, or a way to go on."""

from __future__ import annotations

import json
from typing import TypeAlias

from attrs import frozen

from calsync_core.web.connect.pages import CalendarsPage, HomePage, Page, Pages, Problem, ProblemPage, StartPage
from calsync_core.web.connect.words import STATUS, TEXTS
from calsync_core.web.messages import Received, Reply, text_reply

__all__ = ["Header", "Outcome", "go", "render", "show", "trouble"]

Header: TypeAlias = tuple[str, str]

_ALWAYS = (
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Vary", "Accept, Cookie"),
)


@frozen
class Outcome:
    """A page, or where to go.

    Attributes:
        headers: More of them.
    """

    shown: Page | str
    status: int = 200
    headers: tuple[Header, ...] = ()


def show(page: Page, *headers: Header, status: int = 200) -> Outcome:
    """Show a page."""
    return Outcome(page, status, headers)


def go(location: str, *headers: Header) -> Outcome:
    """Send the browser there, by GET."""
    return Outcome(location, 303, headers)


def trouble(
    problem: Problem, home: str, *headers: Header, again: str | None = None, missing: tuple[str, ...] = ()
) -> Outcome:
    """Say what went wrong, in our own words."""
    status = STATUS[problem]
    page = ProblemPage(
        problem=problem, status=status, text=TEXTS[problem], home=home, again=again or home, missing=missing
    )
    return Outcome(page, status, headers)


def render(outcome: Outcome, received: Received, pages: Pages) -> Reply:
    """The answer, in the shape that was asked for."""
    common = (*_ALWAYS, ("Content-Security-Policy", pages.security_policy), *outcome.headers)
    if _wants_json(received):
        shown = outcome.shown
        value = {"page": "redirect", "location": shown} if isinstance(shown, str) else shown.as_dict()
        status = 200 if isinstance(shown, str) else outcome.status
        return text_reply(status, json.dumps(value), ("Content-Type", "application/json"), *common)
    if isinstance(outcome.shown, str):
        return text_reply(outcome.status, "", ("Location", outcome.shown), *common)
    kind = ("Content-Type", "text/html; charset=utf-8")
    return text_reply(outcome.status, _html(outcome.shown, pages), kind, *common)


def _html(page: Page, pages: Pages) -> str:
    match page:
        case HomePage():
            return pages.home(page)
        case StartPage():
            return pages.start(page)
        case CalendarsPage():
            return pages.calendars(page)
        case ProblemPage():
            return pages.problem(page)
    raise TypeError(type(page).__name__)


def _wants_json(received: Received) -> bool:
    accepted = received.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted
