"""The page on which a person chooses an account, ticks scopes and says yes or no, as far as a test needs one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import urlencode, urlsplit

from attrs import frozen

from calsync_core.testing.simulators.messages import Request, Response

__all__ = ["Choice", "consent_page", "sent_back"]

_USER, _TICKED, _ANSWER = "chosen_user", "ticked", "answer"


@frozen
class Choice:
    """What a person chose.

    Attributes:
        ticked: Scopes, as they were asked for.
    """

    user: str
    ticked: frozenset[str]
    deny: bool = False

    @classmethod
    def of(cls, request: Request) -> Choice | None:
        """What was chosen on the page; None: nobody has been asked yet."""
        user, answer = request.arg(_USER), request.arg(_ANSWER)
        if user is None or answer is None:
            return None
        return cls(user, frozenset(request.args(_TICKED)), answer != "allow")

    def on(self, url: str) -> str:
        """The address that the page of this consent request would send the choice to."""
        answer = [(_USER, self.user), *((_TICKED, scope) for scope in sorted(self.ticked))]
        answer.append((_ANSWER, "deny" if self.deny else "allow"))
        return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(answer)}"


def consent_page(request: Request, people: Sequence[str], scopes: Iterable[str]) -> Response:
    """A form that comes back to where it was asked for, with the same query and the choice."""
    hidden = "".join(_field("hidden", name, value) for name, value in request.query)
    hint = request.arg("login_hint")
    chosen = hint if hint in people else people[0]
    accounts = "".join(
        f"<label>{_field('radio', _USER, each, checked=each == chosen)}{escape(each)}</label>" for each in people
    )
    boxes = "".join(
        f"<label>{_field('checkbox', _TICKED, each, checked=True)}{escape(each)}</label>" for each in scopes
    )
    buttons = "".join(f'<button name="{_ANSWER}" value="{word}">{word}</button>' for word in ("allow", "deny"))
    form = f'<form method="get" action="{escape(request.path)}">{hidden}{accounts}{boxes}{buttons}</form>'
    page = f'<!doctype html><html lang="en"><title>Consent</title><h1>Consent</h1>{form}</html>'
    return Response(200, {"Content-Type": "text/html; charset=utf-8"}, page.encode(), note="asked")


def sent_back(target: str, **answer: str) -> str:
    """The address of the application with this answer in its query."""
    return f"{target}{'&' if '?' in target else '?'}{urlencode(answer)}"


def _field(kind: str, name: str, value: str, *, checked: bool = False) -> str:
    more = " checked" if checked else ""
    return f'<input type="{kind}" name="{escape(name)}" value="{escape(value)}"{more}>'
