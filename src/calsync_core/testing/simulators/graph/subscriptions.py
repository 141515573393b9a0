"""Change notifications: subscriptions, the handshake, deliveries, lifecycle events.

Facts: "change-notifications-delivery-webhooks", "change-notifications-lifecycle-events", "subscription-reauthorize".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx
from attrs import define

from calsync_core.testing.simulators.graph.calls import READ, Login, denied
from calsync_core.testing.simulators.graph.errors import GraphError
from calsync_core.testing.simulators.graph.query import Preferences
from calsync_core.testing.simulators.graph.rendering import notified_etag
from calsync_core.testing.simulators.graph.state import Change, Folder, Json, Mailbox, State
from calsync_core.testing.simulators.graph.times import format_instant, parse_edge
from calsync_core.testing.simulators.messages import Request, Response
from calsync_core.testing.simulators.pushes import Delivery

__all__ = ["Echo", "LifecycleEvent", "Subscriptions", "knock"]

LifecycleEvent = Literal["reauthorizationRequired", "subscriptionRemoved", "missed"]
Echo = tuple[int, str, str]
"""An endpoint's answer to a handshake: status, content type, body."""

_LONGEST = timedelta(minutes=10_080)
_SHORTEST = timedelta(minutes=45)
_NEVER_BOTH = timedelta(minutes=10)
_MOST = 1_000
_KINDS = frozenset({"created", "updated", "deleted"})
_NEEDED = ("changeType", "notificationUrl", "resource", "expirationDateTime")


@define(eq=False)
class Subscription:
    """One.

    Attributes:
        immutable: As the create request preferred; it can't be changed later.
        paused: Since ``reauthorizationRequired``: what happens meanwhile is not told, not even later.
        renewed: When it was last renewed, and when reauthorized.
    """

    id: str
    login: Login
    folder: Folder
    body: Json
    expires: datetime
    immutable: bool
    paused: bool = False
    renewed: tuple[datetime | None, datetime | None] = (None, None)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of changes it wants."""
        return frozenset(part.strip() for part in str(self.body["changeType"]).split(","))

    def json(self) -> Json:
        """As Graph returns it to the create request; later reads leave the client state out."""
        creator = self.login.mailbox.id if self.login.mailbox else self.login.app
        return {
            "id": self.id,
            "resource": self.body["resource"],
            "applicationId": self.login.app,
            "changeType": self.body["changeType"],
            "clientState": self.body.get("clientState"),
            "notificationUrl": self.body["notificationUrl"],
            "notificationQueryOptions": None,
            "lifecycleNotificationUrl": self.body.get("lifecycleNotificationUrl"),
            "expirationDateTime": format_instant(self.expires),
            "creatorId": creator,
            "includeResourceData": False,
            "latestSupportedTlsVersion": "v1_2",
            "encryptionCertificate": None,
            "encryptionCertificateId": None,
            "notificationUrlAppId": None,
        }


class Subscriptions:
    """All of them, and what they still have to tell.

    Attributes:
        violations: How often a subscription was both renewed and reauthorized within ten minutes.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._live: dict[str, Subscription] = {}
        self._untold: list[tuple[str, Json]] = []
        self.violations = 0
        state.listeners.append(self._hear)

    def urls(self, request: Request, login: Login) -> list[str]:
        """The endpoints that a create request wants to be shaken hands with. Raises GraphError."""
        body = self._checked(request, login)
        return [body[name] for name in ("notificationUrl", "lifecycleNotificationUrl") if body.get(name)]

    def create(self, request: Request, login: Login, failure: str | None) -> Response:
        """``POST /subscriptions``, after the handshake (``failure``: why that went wrong). Raises GraphError."""
        body = self._checked(request, login)
        folder = self._folder(str(body["resource"]), login)
        self._check_duplicate(body, login)
        if failure is not None:
            raise GraphError(400, "InvalidRequest", f"Subscription validation request failed. {failure}")
        if sum(one.folder.mailbox is folder.mailbox for one in self._all()) >= _MOST:
            raise GraphError(403, "ExtensionError", "Subscription quota exceeded.")
        immutable = Preferences.of(request).immutable
        expires = self._expiration(body)
        one = Subscription(self._state.guid(), login, folder, body, expires, immutable)
        self._live[one.id] = one
        return Response.of({"@odata.context": f"{request.base}/v1.0/$metadata#subscriptions/$entity"} | one.json(), 201)

    def answer(self, request: Request, login: Login) -> Response:
        """All other requests. Raises GraphError."""
        match request.method, request.segments[2:]:
            case "GET", ():
                value = [one.json() | {"clientState": None} for one in self._all() if _owns(login, one)]
                return Response.of({"value": value})
            case "GET", (name,):
                return Response.of(self._one(name, login).json() | {"clientState": None})
            case "PATCH", (name,):
                return self._renew(request, self._one(name, login))
            case "DELETE", (name,):
                gone = self._one(name, login)
                del self._live[gone.id]
                return Response(204)
            case "POST", (name, "reauthorize"):
                self._revive(self._one(name, login), reauthorized=True)
                return Response(204)
        raise GraphError(400, "BadRequest", "Resource not found for the segment.")

    def listed(self) -> list[Json]:
        """What lives."""
        return [one.json() for one in self._all()]

    def lifecycle(self, name: str, event: LifecycleEvent) -> None:
        """Tell the host of this, by the lifecycle URL if there is one. Raises KeyError: there is no such one."""
        one = self._live[name]
        item = self._item(one) | {"lifecycleEvent": event}
        if event == "subscriptionRemoved":
            del self._live[name]
        one.paused = one.paused or event == "reauthorizationRequired"
        if one.body.get("lifecycleNotificationUrl"):
            self._untold.append((one.body["lifecycleNotificationUrl"], item))

    def flush(self) -> Iterable[Delivery]:
        """What is untold as deliveries: one per URL, whatever the subscriptions, or one per change."""
        untold, self._untold = self._untold, []
        if self._state.habits.mixed_deliveries:
            untold.sort(key=lambda one: one[0])
            batches = [(url, [item for _, item in group]) for url, group in groupby(untold, key=lambda one: one[0])]
        else:
            batches = [(url, [item]) for url, item in untold]
        for url, items in batches:
            yield Delivery(url, {"Content-Type": "application/json"}, json.dumps({"value": items}).encode())

    def _hear(self, change: Change) -> None:
        for one in self._all():
            if one.folder is not change.folder or change.kind not in one.kinds or one.paused:
                continue
            event = change.entry.event_id(immutable=one.immutable)
            path = f"Users/{one.folder.mailbox.id}/Events/{event}"
            data = {
                "@odata.type": "#Microsoft.Graph.Event",
                "@odata.id": path,
                "@odata.etag": notified_etag(change.entry.version),
                "id": event,
            }
            item = self._item(one) | {"changeType": change.kind, "resource": path, "resourceData": data}
            self._untold.append((one.body["notificationUrl"], item))

    def _item(self, one: Subscription) -> Json:
        return {
            "id": self._state.guid(),
            "subscriptionId": one.id,
            "subscriptionExpirationDateTime": format_instant(one.expires),
            "clientState": one.body.get("clientState"),
            "tenantId": self._state.tenant,
        }

    def _all(self) -> list[Subscription]:
        now = self._state.clock.now()
        self._live = {name: one for name, one in self._live.items() if one.expires > now}
        return list(self._live.values())

    def _one(self, name: str, login: Login) -> Subscription:
        found = next((one for one in self._all() if one.id == name and _owns(login, one)), None)
        if found is None:
            raise GraphError(404, "ResourceNotFound", "The object was not found.")
        return found

    def _renew(self, request: Request, one: Subscription) -> Response:
        body = _json(request)
        unknown = body.keys() - {"expirationDateTime", "notificationUrl"}
        if unknown:
            raise _invalid(f"These properties of a subscription can't be changed: {', '.join(sorted(unknown))}.")
        if "expirationDateTime" in body:
            one.expires = self._expiration(body)
        one.body = one.body | {name: value for name, value in body.items() if name == "notificationUrl"}
        self._revive(one, reauthorized=False)
        return Response.of(one.json() | {"clientState": None})

    def _revive(self, one: Subscription, *, reauthorized: bool) -> None:
        now = self._state.clock.now()
        other = one.renewed[not reauthorized]
        if other is not None and now - other < _NEVER_BOTH:
            self.violations += 1
        one.renewed = (one.renewed[0], now) if reauthorized else (now, one.renewed[1])
        one.paused = False

    def _checked(self, request: Request, login: Login) -> Json:
        if not any({scope, f"{scope}.Shared"} & login.scopes for scope in READ):
            raise denied()
        body = _json(request)
        missing = [name for name in _NEEDED if not body.get(name)]
        if missing:
            raise _invalid(f"Missing: {', '.join(missing)}.")
        if not {part.strip() for part in str(body["changeType"]).split(",")} <= _KINDS:
            raise _invalid("changeType: created, updated and deleted are possible.")
        if len(str(body.get("clientState") or "")) > 128:
            raise _invalid("clientState: 128 characters at most.")
        if body.get("includeResourceData"):
            raise _invalid("includeResourceData is not simulated.")
        for name in ("notificationUrl", "lifecycleNotificationUrl"):
            if body.get(name) and not _safe(str(body[name])):
                raise _invalid(f"{name} must be an https url.")
        self._folder(str(body["resource"]), login)
        self._expiration(body)
        return body

    def _expiration(self, body: Mapping[str, Any]) -> datetime:
        now = self._state.clock.now()
        wanted = parse_edge("expirationDateTime", str(body["expirationDateTime"]))
        if wanted <= now:
            raise _invalid("expirationDateTime lies in the past.")
        if wanted > now + _LONGEST:
            minutes = int(_LONGEST.total_seconds() // 60)
            raise _invalid(f"Subscription expiration can only be {minutes} minutes in the future.")
        return max(wanted, now + _SHORTEST)

    def _check_duplicate(self, body: Mapping[str, Any], login: Login) -> None:
        if self._state.habits.duplicate_subscription == "second":
            return
        same = ("resource", "changeType")
        for one in self._all():
            if _owns(login, one) and all(one.body[name] == body[name] for name in same):
                message = f"Subscription Id {one.id} already exists for the requested combination"
                raise GraphError(409, "Conflict", message)

    def _folder(self, resource: str, login: Login) -> Folder:
        """``/me/events`` is the default calendar's only (docs issues #21978, #6595, #13548)."""
        parts = resource.strip("/").split("/")
        mailbox, rest = self._owner(parts, login)
        match [part.lower() for part in rest]:
            case ["events"] | ["calendar", "events"]:
                return mailbox.default
            case ["calendars", _, "events"] if self._state.habits.calendar_subscriptions:
                folder = mailbox.folders.get(rest[1]) or (
                    mailbox.shares[rest[1]].folder if rest[1] in mailbox.shares else None
                )
                if folder is None:
                    raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
                return folder
        raise _invalid(f"Resource '{resource}' is not supported.")

    def _owner(self, parts: list[str], login: Login) -> tuple[Mailbox, list[str]]:
        if parts[0].lower() == "me" and login.mailbox is not None:
            return login.mailbox, parts[1:]
        if parts[0].lower() == "users" and len(parts) > 1:
            mailbox = self._state.mailbox(parts[1])
            if login.mailbox in {None, mailbox}:
                return mailbox, parts[2:]
        raise denied()


def handshake(url: str, token: str) -> Delivery:
    """What is posted to an endpoint that has to echo the token."""
    separator = "&" if urlsplit(url).query else "?"
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return Delivery(f"{url}{separator}validationToken={quote(token, safe='')}", headers)


def knock(url: str, token: str, seconds: float) -> Echo:
    """Shake hands with an endpoint over HTTP. Raises httpx.HTTPError."""
    asked = handshake(url, token)
    answer = httpx.post(asked.url, headers=dict(asked.headers), timeout=seconds, trust_env=False)
    return answer.status_code, answer.headers.get("content-type", ""), answer.text


def _owns(login: Login, one: Subscription) -> bool:
    return one.login.app == login.app and login.mailbox in {None, one.login.mailbox}


def _json(request: Request) -> Json:
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise GraphError(400, "BadRequest", "Unable to read JSON request payload.")
    return body


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"})


def _invalid(message: str) -> GraphError:
    return GraphError(400, "InvalidRequest", message)
