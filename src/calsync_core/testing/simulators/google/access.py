"""Who asks, and what they may: access tokens, scopes and roles."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import frozen

from calsync_core.testing.simulators.google.errors import ApiError, bad, forbidden, unauthorised
from calsync_core.testing.simulators.google.methods import Args, Method
from calsync_core.testing.simulators.google.state import ROLES, Calendar, State
from calsync_core.testing.simulators.messages import Request

__all__ = ["AccessToken", "Call", "bearer", "check_scopes", "reachable", "require_writer", "role_of", "writable"]


@frozen
class AccessToken:
    """What an access token stands for.

    Attributes:
        user: Whose data.
        scopes: Without their prefix.
        expires: When it ends; None: never.
        client: The OAuth client, or the service account.
        service_account: Whether a service account asks for itself, nobody having delegated anything to it.
    """

    user: str
    scopes: frozenset[str]
    expires: datetime | None
    client: str
    service_account: bool = False


@frozen
class Call:
    """One request, understood.

    Attributes:
        ids: What stands in the path.
        inner: It is a part of a batch.
    """

    method: Method
    request: Request
    ids: dict[str, str]
    args: Args
    token: AccessToken
    inner: bool = False

    @property
    def user(self) -> str:
        """Whose data is asked for."""
        return self.token.user

    def body(self) -> dict[str, Any]:
        """The JSON object sent.

        Raises:
            ApiError: 400, there is none.
        """
        try:
            value = self.request.json()
        except ValueError:
            raise bad("Parse Error", "parseError") from None
        if not isinstance(value, dict) or "json" not in self.request.headers.get("content-type", ""):
            raise bad("Parse Error", "parseError")
        return value


def check_scopes(method: Method, token: AccessToken) -> None:
    """Raises ApiError: 403, none of the method's scopes was granted."""
    if not method.scopes & token.scopes:
        raise _insufficient()


def reachable(state: State, call: Call) -> Calendar:
    """The calendar of the call, if its user sees it and its token reaches it.

    Raises:
        ApiError: 403 or 404.
    """
    calendar = state.find(call.user, call.ids["calendarId"])
    useful = call.method.scopes & call.token.scopes
    narrow = {"calendar.app.created", "calendar.events.owned", "calendar.events.owned.readonly",
              "calendar.events.public.readonly"}  # fmt: skip
    owned = calendar.role(call.user) == "owner"
    made = calendar.made_by == call.token.client
    # What a narrow scope answers elsewhere is not documented; 403 with the reason for scopes is a guess.
    if useful <= narrow and not (owned and any("owned" in scope for scope in useful)) and not (
        made and "calendar.app.created" in useful
    ):  # fmt: skip
        raise _insufficient()
    return calendar


def role_of(call: Call, calendar: Calendar) -> str:
    """What the caller may do or see; a token for availability only sees no more than that."""
    useful = call.method.scopes & call.token.scopes
    if useful and useful <= {"calendar.events.freebusy"}:
        return "freeBusyReader"
    return calendar.role(call.user)


def writable(state: State, call: Call) -> Calendar:
    """The calendar of the call, if its events may be changed.

    Raises:
        ApiError: 403 or 404.
    """
    calendar = reachable(state, call)
    require_writer(calendar, call.user)
    return calendar


def require_writer(calendar: Calendar, email: str) -> None:
    """Raises ApiError: 403, the user may only read."""
    if ROLES.index(calendar.role(email)) < ROLES.index("writerWithoutPrivateAccess"):
        message = "You need to have writer access to this calendar."
        raise forbidden("requiredAccessLevel", message, "calendar")


def bearer(request: Request) -> str:
    """The access token sent.

    Raises:
        ApiError: 401, there is none.
    """
    token = request.bearer or request.arg("oauth_token")
    if not token:
        raise unauthorised("Login Required.", "required")
    return token


def _insufficient() -> ApiError:
    return forbidden("insufficientPermissions", "Request had insufficient authentication scopes.")
