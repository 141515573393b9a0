"""The simulator as a whole: routing, and the hands of its users."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

from calsync_core.models import OAuthClient
from calsync_core.protocols import Clock
from calsync_core.system import SystemClock
from calsync_core.testing.simulators.google.access import Call, bearer, check_scopes
from calsync_core.testing.simulators.google.api import EventMethods
from calsync_core.testing.simulators.google.batch import PATH as BATCH_PATH
from calsync_core.testing.simulators.google.batch import carry_out_batch
from calsync_core.testing.simulators.google.calendars import Calendars
from calsync_core.testing.simulators.google.channels import Channel, Channels, sends_again
from calsync_core.testing.simulators.google.composing import Hand
from calsync_core.testing.simulators.google.errors import ApiError, not_found
from calsync_core.testing.simulators.google.habits import Habits
from calsync_core.testing.simulators.google.instances import resolve
from calsync_core.testing.simulators.google.invitations import Invitations, Mail
from calsync_core.testing.simulators.google.listing import EventLists
from calsync_core.testing.simulators.google.methods import Args, find_method
from calsync_core.testing.simulators.google.quotas import Quota
from calsync_core.testing.simulators.google.rendering import render, select
from calsync_core.testing.simulators.google.routes import routes
from calsync_core.testing.simulators.google.series import Shelf
from calsync_core.testing.simulators.google.state import Calendar, Entry, State, User
from calsync_core.testing.simulators.google.tokens import OAuth
from calsync_core.testing.simulators.google.writing import Writer
from calsync_core.testing.simulators.messages import Request, Response
from calsync_core.testing.simulators.pushes import Outbox
from calsync_core.testing.simulators.service import SimulatedService

__all__ = ["GoogleSimulator"]

_OAUTH = {"/token", "/revoke", "/o/oauth2/v2/auth"}
_POPUP = ({"method": "popup", "minutes": 10},)


class GoogleSimulator(SimulatedService):
    """Google Calendar, API version 3, on this machine: faithful where Google says what it does, hostile where not.

    ::

        clock = VirtualClock()
        with GoogleSimulator(clock) as google:
            google.add_user("ann@example.com", timezone="Europe/Berlin")
            meeting = google.put_event("ann@example.com", {
                "summary": "Review",
                "start": {"dateTime": "2026-03-02T10:00:00+01:00"}, "end": {"dateTime": "2026-03-02T11:00:00+01:00"},
            })
            token = google.issue_token("ann@example.com")
            google.fail(HttpFault(HttpFaultKind.LOST_ANSWER, method="POST", path="/events$"))
            headers = {"Authorization": f"Bearer {token}"}
            listed = httpx.get(f"{google.base_url}/calendars/primary/events", headers=headers)
            google.patch_event("ann@example.com", meeting, {"summary": "Retro"})

    A calendar goes by its id: the primary one's is the user's address. What is called here (``put_event`` …) acts as
    the calendar's owner does in the web app: it costs no request, is in no log, sends no mail, is refused nothing, and
    rings the channels like any change. Events are JSON, as the API has them.

    Not simulated: ACL methods, colours, ``quickAdd``, hidden invitations, conference creation, signatures of
    assertions, that deleted events disappear one day, and a guest's changes to the meeting itself.

    Args:
        clock: What everything that expires, counts or is stamped goes by.
        client_id: The OAuth client.
        client_secret: Its secret.

    Attributes:
        habits: What the service is free to do: short and empty pages, replays, lag …
        quota: Limits, and what was used of them.
        outbox: Notifications on their way; nothing leaves before ``outbox.deliver()``.
        clock: As given.
        client_id: As given.
        client_secret: As given.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        client_id: str = "simulated.apps.googleusercontent.com",
        client_secret: str = "simulated-secret",  # noqa: S107  (a toy server's)
    ) -> None:
        super().__init__()
        self.clock = clock or SystemClock()
        self.client_id, self.client_secret = client_id, client_secret
        self.habits = Habits()
        self.quota = Quota()
        self.outbox = Outbox(again=sends_again)
        self._state = State(self.clock)
        self._garbage: dict[tuple[str, str], Mapping[str, Any]] = {}
        shelf = Shelf(self._state, self.habits)
        self._invitations = Invitations(self._state, shelf)
        self._writer = Writer(self._state, shelf, self._invitations)
        self._lists = EventLists(self._state, self.habits, self._garbage)
        events = EventMethods(self._state, self._writer, self._lists)
        self._calendars = Calendars(self._state, self.habits)
        self._channels = Channels(self._state, self.habits, self.outbox)
        self._oauth = OAuth(self._state, self.habits, client_id, client_secret)
        self._routes = routes(events, self._lists, self._calendars, self._channels)
        self._inside = False

    # -- addresses ------------------------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """The API's root, as in ``Account.base_url``."""
        return f"{self.origin}/calendar/v3"

    @property
    def token_url(self) -> str:
        """OAuth's token endpoint."""
        return f"{self.origin}/token"

    @property
    def authorize_url(self) -> str:
        """OAuth's consent page; see ``Habits.asks_for_consent``."""
        return f"{self.origin}/o/oauth2/v2/auth"

    @property
    def oauth_client(self) -> OAuthClient:
        """The client, as a host would have it registered here."""
        return OAuthClient(
            self.client_id, self.client_secret, token_url=self.token_url, authorization_url=self.authorize_url
        )

    # -- people and calendars -------------------------------------------------------------------------------------

    def add_user(self, email: str, *, name: str | None = None, timezone: str = "UTC") -> str:
        """Somebody with an account and a primary calendar; returns that calendar's id, which is the address."""
        with self._lock:
            self._state.users[email] = User(email, name or email.partition("@")[0], timezone)
            self._calendars.create(email, email, id=email, primary=True, reminders=_POPUP)
            return email

    def add_calendar(
        self,
        user: str,
        summary: str,
        *,
        calendar_id: str | None = None,
        timezone: str | None = None,
        pushes: bool = True,
    ) -> str:
        """A secondary calendar of this user; returns its id.

        Args:
            user: Its owner's address.
            summary: Its name.
            calendar_id: Its id, if it matters.
            timezone: The user's unless given.
            pushes: Whether it can be watched; generated calendars can't.
        """
        with self._lock:
            made = self._calendars.create(user, summary, id=calendar_id, timezone=timezone, pushes=pushes, reminders=())
            self._channels.list_changed(user)
            return made.id

    def share(self, calendar_id: str, user: str, role: str) -> None:
        """Let a user do this much in the calendar (``none``: nothing). Voids its sync tokens, as ACL changes do."""
        with self._lock:
            self._calendars.share(self._calendar(calendar_id), user, role)
            self._channels.list_changed(user)

    def remove_calendar(self, calendar_id: str) -> None:
        """Delete a calendar for everybody; ``share`` with its owner as ``owner`` brings it back."""
        with self._lock:
            self._calendars.remove(self._calendar(calendar_id))

    def edit_line(self, calendar_id: str, user: str, **fields: Any) -> None:
        """Set these fields of the calendar's entry on a user's list, as ``summaryOverride`` or ``hidden``."""
        with self._lock:
            self._state.line(self._calendar(calendar_id), user, extra=fields)

    # -- events, by their owner's own hand ------------------------------------------------------------------------

    def put_event(self, calendar_id: str, event: Mapping[str, Any]) -> str:
        """Create an event, or replace the one with this id; returns the id.

        Unlike the API, it takes any id, type and ``organizer`` (a foreign one: an invitation from outside).

        Raises:
            ApiError: the times or the recurrence make no sense.
        """
        with self._lock:
            calendar = self._calendar(calendar_id)
            old = resolve(calendar, str(event["id"])) if event.get("id") else None
            if old is None:
                return self._writer.insert(calendar, event, self._hand(calendar)).id
            return self._writer.replace(calendar, old, {"status": "confirmed", **event}, self._hand(calendar)).id

    def patch_event(self, calendar_id: str, event_id: str, changes: Mapping[str, Any]) -> None:
        """Change fields of an event, or of one instance of a series; None removes a field.

        Raises:
            ApiError: there is no such event, or the times make no sense.
        """
        with self._lock:
            calendar = self._calendar(calendar_id)
            self._writer.patch(calendar, self._entry(calendar, event_id), changes, self._hand(calendar))

    def remove_event(self, calendar_id: str, event_id: str) -> None:
        """Delete an event, a series, or one instance.

        Raises:
            ApiError: there is no such event, or it is deleted.
        """
        with self._lock:
            calendar = self._calendar(calendar_id)
            self._writer.delete(calendar, self._entry(calendar, event_id), self._hand(calendar))

    def answer_invitation(self, user: str, event_id: str, response: str) -> None:
        """Have a guest answer: ``accepted``, ``declined``, ``tentative`` or ``needsAction``.

        Raises:
            ApiError: they have no such event.
        """
        with self._lock:
            calendar = self._calendar(user)
            entry = self._entry(calendar, event_id)
            people = [
                {**one, "responseStatus": response} if one["email"] == user else one
                for one in entry.body.get("attendees", [])
            ]
            self._writer.patch(calendar, entry, {"attendees": people}, self._hand(calendar))

    def event(self, calendar_id: str, event_id: str) -> dict[str, Any]:
        """One event as its owner sees it, deleted or not.

        Raises:
            ApiError: there is none.
        """
        with self._lock:
            calendar = self._calendar(calendar_id)
            return copy.deepcopy(render(self._entry(calendar, event_id), calendar, "owner"))

    def events(self, calendar_id: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        """All single events, masters and exceptions as their owner sees them, in the order of their ids.

        Args:
            calendar_id: Where.
            deleted: Deleted ones too.
        """
        with self._lock:
            calendar = self._calendar(calendar_id)
            shown = [one for _, one in sorted(calendar.entries.items()) if deleted or not one.cancelled]
            return copy.deepcopy([render(one, calendar, "owner") for one in shown])

    def reminding(self, calendar_id: str) -> list[str]:
        """The ids of the events that will remind the owner of themselves (I-40)."""
        with self._lock:
            calendar = self._calendar(calendar_id)
            found = []
            for key, entry in sorted(calendar.entries.items()):
                reminders = entry.body["reminders"]
                if not entry.cancelled and (
                    reminders.get("overrides") or (reminders["useDefault"] and calendar.reminders)
                ):
                    found.append(key)
            return found

    @property
    def mails(self) -> tuple[Mail, ...]:
        """Every mail that Google would have sent because of requests."""
        with self._lock:
            return tuple(self._invitations.mails)

    # -- trouble --------------------------------------------------------------------------------------------------

    def corrupt(self, calendar_id: str, event_id: str, **garbage: Any) -> None:
        """Show an event with these fields instead of its own, until called without any."""
        with self._lock:
            self._garbage[calendar_id, event_id] = garbage

    def expire_sync_tokens(self, calendar_id: str | None = None) -> None:
        """Void the sync tokens of a calendar's events; without an id, all, those of calendar lists too."""
        with self._lock:
            chosen = self._state.calendars.values() if calendar_id is None else [self._calendar(calendar_id)]
            for calendar in chosen:
                calendar.epoch += 1
            if calendar_id is None:
                self._calendars.list_epoch += 1

    def pause_user(self, user: str, length: timedelta = timedelta(hours=6)) -> None:
        """Refuse the user's writes for so long with 403 ``quotaExceeded``, as abuse protection does."""
        with self._lock:
            self.quota.pause_user(user, self.clock.now() + length)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that are open, expired ones included."""
        with self._lock:
            return tuple(self._channels.live.values())

    def silence(self, channel_id: str) -> None:
        """Let a channel die without a word."""
        with self._lock:
            self._channels.live.pop(channel_id, None)

    # -- credentials ----------------------------------------------------------------------------------------------

    def issue_token(self, user: str, scopes: Iterable[str] = ("calendar",), *, life: timedelta | None = None) -> str:
        """An access token; ``scopes`` with or without their prefix, ``life`` None: for ever."""
        with self._lock:
            return self._oauth.issue(user, scopes, life)

    def grant(self, user: str, scopes: Iterable[str] = ("calendar",)) -> str:
        """A refresh token, as after the user's consent."""
        with self._lock:
            return self._oauth.grant(user, scopes)

    def untick(self, *scopes: str) -> None:
        """Scopes (without their prefix) that users untick on the consent page from now on."""
        with self._lock:
            self._oauth.unticked = set(scopes)

    def consent(self, authorization_url: str, user: str, *, deny: bool = False, untick: Collection[str] = ()) -> str:
        """Be the browser: sign in on this page, untick some scopes (without their prefix), and say yes or no.

        Returns:
            Where the browser is sent, with a code or an error.

        Raises:
            ValueError: the page shows an error instead: an unknown client or user.
        """
        with self._lock:
            return self._oauth.consent(authorization_url, user, deny=deny, untick=untick)

    def revoke(self, token: str) -> None:
        """Void a token, and with it all others of the same consent."""
        with self._lock:
            self._oauth.revoke(token)

    def expire_access_tokens(self, user: str | None = None) -> None:
        """Void access tokens; refresh tokens stay."""
        with self._lock:
            self._oauth.expire_access(user)

    def add_service_account(self, email: str, delegated: Iterable[str] = ()) -> None:
        """A service account that may act for every user within these scopes (without their prefix)."""
        with self._lock:
            self._oauth.service_accounts.add(email)
            self._oauth.delegations[email] = frozenset(delegated)

    # -- requests -------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response:
        """Carry out one request."""
        if request.path in _OAUTH and not self._inside:
            return self._oauth.answer(request)
        try:
            if request.path == BATCH_PATH and request.method == "POST" and not self._inside:
                return carry_out_batch(request, self._part, self.habits.order)
            return self._api(request)
        except ApiError as error:
            return error.response()

    def _part(self, request: Request) -> Response:
        self._inside = True
        try:
            return self.carry_out(request, inner=True)
        finally:
            self._inside = False

    def _api(self, request: Request) -> Response:
        found = find_method(request)
        if found is None:
            raise not_found()
        method, ids = found
        token = self._oauth.check(bearer(request))
        args = Args(method, request)
        units = 3 if method.name == "events.patch" else 1
        self.quota.charge(token.user, args.one("quotaUser"), units, self.clock.now(), writes=method.writes)
        check_scopes(method, token)
        response = self._routes[method.name](Call(method, request, ids, args, token, self._inside))
        if "fields" in args and response.status == 200:
            return Response.of(select(response.json(), args.one("fields")), headers=response.headers)
        return response

    def _calendar(self, calendar_id: str) -> Calendar:
        if calendar_id not in self._state.calendars:
            raise not_found()
        return self._state.calendars[calendar_id]

    def _entry(self, calendar: Calendar, event_id: str) -> Entry:
        entry = resolve(calendar, event_id)
        if entry is None:
            raise not_found()
        return entry

    @staticmethod
    def _hand(calendar: Calendar) -> Hand:
        return Hand(calendar.owner, free=True)
