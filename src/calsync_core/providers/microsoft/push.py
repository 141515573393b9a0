"""Push: subscriptions to a calendar's events ("Receive change notifications through webhooks"). Parsing is pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define

from calsync_core.errors import Conflict, InvalidValue, ProviderError, PushUnsupported, Unavailable
from calsync_core.models import Calendar
from calsync_core.protocols import Push, PushKind, PushRequest, Subscription
from calsync_core.providers.microsoft.answers import Refusal
from calsync_core.providers.microsoft.batch import Call
from calsync_core.providers.microsoft.service import Service
from calsync_core.providers.microsoft.wire import etag_of
from calsync_core.transport import Answer

__all__ = ["LIFECYCLE_PATH", "Subscriptions", "parse_handshake", "parse_push"]

LIFECYCLE_PATH = "/lifecycle"
"""Below the address for pushes; can't be added to a subscription later."""

_LIFETIME = timedelta(minutes=10_070)
"""A little less than the 10,080 minutes that Graph admits for events."""

_LIFECYCLE = {
    "reauthorizationRequired": PushKind.REAUTHORIZE,
    "subscriptionRemoved": PushKind.ENDED,
    "missed": PushKind.MISSED,
}
_MOST_PUSHES = 10_000
_LONGEST_TOKEN = 4_096

_STANDS_AFTER = frozenset({"created", "updated"})
"""Changes after which there is an event. Of a deleted one, the tag told is the last that it had: our own write's."""

_WRAPPING = b"\0\0\0\x16\0\0\0"
"""What Exchange puts before a change key of 22 bytes, after a byte for the kind of item: zeros, and the length."""

_NOT_THIS_ONE = frozenset({400, 403, 404, 405, 501})
"""How a resource is refused that can't be subscribed to. A refused address is answered in the same way."""


@define
class Subscriptions:
    """The subscriptions of one login."""

    service: Service

    def open(self, calendar: Calendar, secret: str, url: str) -> Subscription:
        """See ``PushProvider.subscribe``. Graph asks the address for an echo while this waits (I-29)."""
        resource = f"{self.service.mailbox}/calendars/{calendar.remote_id}/events"
        made = self._create(resource, secret, url)
        if isinstance(made, Refusal) and made.codes and made.status in _NOT_THIS_ONE:
            self.service.require_calendar(calendar.remote_id)
            if not calendar.primary:
                raise PushUnsupported(f"Graph does not let this calendar push ({made})")
            # Undocumented per calendar; "all events in the mailbox" is reported to mean the default calendar's.
            resource = f"{self.service.mailbox}/events"
            made = self._create(resource, secret, url)
        if isinstance(made, Refusal):
            # What the mailbox's default calendar refuses too is the address, not the calendar.
            raise _no_subscription(made)
        self._end_strays(made, resource, url)
        return made

    def prolong(self, subscription: Subscription) -> Subscription:
        """See ``PushProvider.renew``. PATCH also reauthorises; the two must never meet within ten minutes."""
        body = {"expirationDateTime": self._expiry()}
        answer = self._send("PATCH", f"/subscriptions/{subscription.id}", body)
        if answer.ok:
            return _subscription(answer)
        raise self.service.refusal(answer).as_error(reading=True)

    def end(self, subscription_id: str) -> None:
        """See ``PushProvider.unsubscribe``."""
        answer = self._send("DELETE", f"/subscriptions/{subscription_id}", None)
        refusal = self.service.refusal(answer)
        if not answer.ok and not refusal.gone:
            raise refusal.as_error(reading=True)

    def _create(self, resource: str, secret: str, url: str) -> Subscription | Refusal:
        body = {
            "changeType": "created,updated,deleted",
            "notificationUrl": url,
            "lifecycleNotificationUrl": f"{url}{LIFECYCLE_PATH}",
            "resource": resource,
            "expirationDateTime": self._expiry(),
            "clientState": secret,
        }
        answer = self._send("POST", "/subscriptions", body)
        if answer.status == 409 and self._end_strays(None, resource, url):
            # An equal one lives, but with a secret that nobody knows any more.
            answer = self._send("POST", "/subscriptions", body)
        return _subscription(answer) if answer.ok else self.service.refusal(answer)

    def _end_strays(self, mine: Subscription | None, resource: str, url: str) -> int:
        """End others of ours for the same calendar: a second create does not always say 409 (reported in 2026)."""
        answer = self._send("GET", "/subscriptions", None)
        found = answer.json().get("value") if answer.ok else None
        strays = [
            str(each["id"])
            for each in found or ()
            if isinstance(each, Mapping)
            and each.get("notificationUrl") == url
            and str(each.get("resource")).strip("/") == resource.strip("/")
            and each.get("id") != (mine.id if mine else None)
        ]
        for stray in strays:
            self.end(stray)
        return len(strays)

    def _send(self, method: str, path: str, body: Mapping[str, object] | None) -> Answer:
        return self.service.send(Call(method, path, body), reading=method == "GET")

    def _expiry(self) -> str:
        at = self.service.link.session.clock.now() + _LIFETIME
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")


def _no_subscription(refusal: Refusal) -> ProviderError:
    if refusal.status == 409:
        return Conflict(f"an equal subscription exists ({refusal})")
    return refusal.as_error(reading=True)


def _subscription(answer: Answer) -> Subscription:
    told = answer.json()
    expires_at = _instant(told.get("expirationDateTime")) if isinstance(told, dict) else None
    if expires_at is None or not told.get("id"):
        raise Unavailable("the answer does not say what was subscribed to, or until when")
    return Subscription(str(told["id"]), str(told.get("resource") or ""), expires_at)


def parse_handshake(request: PushRequest) -> str | None:
    """What Graph wants to hear, if it asks whether the address is ours; None: it does not ask.

    Raises:
        InvalidValue: it asks to repeat what is no token.
    """
    token = request.query.get("validationToken")
    if token is not None and len(token) > _LONGEST_TOKEN:
        raise InvalidValue(f"validationToken: longer than {_LONGEST_TOKEN} characters")
    return token or None


def parse_push(request: PushRequest) -> Sequence[Push]:
    """All pushes of one POST; they may belong to several subscriptions.

    Raises:
        InvalidValue: it is no push of Graph's.
    """
    try:
        value: Any = json.loads(request.body)["value"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidValue("body: this is no push of Graph's") from None
    if not isinstance(value, list) or len(value) > _MOST_PUSHES or not all(isinstance(each, dict) for each in value):
        raise InvalidValue("body: this is no push of Graph's")
    return tuple(_push(each) for each in value)


def _push(item: Mapping[str, Any]) -> Push:
    subscription = item.get("subscriptionId")
    lifecycle = item.get("lifecycleEvent")
    if not isinstance(subscription, str) or not subscription or not isinstance(lifecycle, str | None):
        raise InvalidValue("subscriptionId: this is no push of Graph's")
    state = item.get("clientState")
    data = item.get("resourceData")
    told = data if lifecycle is None and isinstance(data, Mapping) else {}
    return Push(
        subscription_id=subscription,
        # Something new that happened to a subscription: whatever it is, reading everything makes up for it.
        kind=PushKind.CHANGED if lifecycle is None else _LIFECYCLE.get(lifecycle, PushKind.MISSED),
        secret=state if isinstance(state, str) else None,
        message=_message(subscription, item),
        expires_at=_instant(item.get("subscriptionExpirationDateTime")),
        item=_text(told.get("id")),
        etag=_etag(told) if _text(item.get("changeType")) in _STANDS_AFTER else None,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _etag(told: Mapping[str, Any]) -> str | None:
    """The event's tag as a read or a write tells it.

    There it is the bare change key (22 bytes); in a push it was seen in Exchange's wrapping (2023).
    """
    etag = etag_of(told)
    if etag is None:
        return None
    try:
        key = base64.b64decode(etag.removeprefix('W/"').removesuffix('"'), validate=True)
    except ValueError:
        return etag
    if len(key) != 30 or not key.startswith(_WRAPPING, 1):
        return etag
    return f'W/"{base64.b64encode(key[8:]).decode()}"'


def _message(subscription: str, item: Mapping[str, Any]) -> str | None:
    if isinstance(item.get("id"), str):
        return f"{subscription}/{item['id']}"
    data = item.get("resourceData")
    if not isinstance(data, Mapping) or not data.get("@odata.etag"):
        return None
    return f"{subscription}/{data.get('id')}/{data['@odata.etag']}/{item.get('changeType')}"


def _instant(text: object) -> datetime | None:
    """Always in UTC, with seven digits of a second or none."""
    try:
        at = datetime.fromisoformat(str(text)[:19])
    except ValueError:
        return None
    return at.replace(tzinfo=UTC)
