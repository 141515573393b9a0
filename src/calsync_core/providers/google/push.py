"""Push: notification channels on a calendar's events (guide "Push notifications"). What comes in is parsed purely."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from attrs import define

from calsync_core.errors import Conflict, InvalidValue, PushUnsupported, Unavailable
from calsync_core.models import Calendar
from calsync_core.protocols import Push, PushKind, PushRequest, Subscription
from calsync_core.providers.google.service import Service

__all__ = ["CHANNEL_SECONDS", "Channels", "parse_push"]

CHANNEL_SECONDS = 7 * 24 * 3600
"""How long a channel is asked for: the reference's default. What Google gives is read back."""

_KINDS = {"sync": PushKind.CREATED, "exists": PushKind.CHANGED, "not_exists": PushKind.ENDED}


@define
class Channels:
    """The channels of one account."""

    service: Service

    def open(self, calendar: Calendar, channel_id: str, secret: str, url: str) -> Subscription:
        """See ``PushProvider.subscribe``."""
        body = {
            "id": channel_id,
            "type": "web_hook",
            "address": url,
            "token": secret,
            "params": {"ttl": str(CHANNEL_SECONDS)},
        }
        call = self.service.call("POST", "calendars", calendar.remote_id, "events", "watch", body=body)
        answer = self.service.send(call, reading=False)
        if answer.ok:
            return _channel(answer.json(), channel_id)
        refusal = self.service.refusal(answer)
        if refusal.reason == "pushNotSupportedForRequestedResource":
            raise PushUnsupported(f"this calendar can't push ({refusal})")
        if refusal.reason == "channelIdNotUnique":
            raise Conflict(f"this channel id was used before ({refusal})")
        raise refusal.as_error(reading=True)

    def stop(self, subscription: Subscription) -> None:
        """See ``PushProvider.unsubscribe``. Only the login that opened it may stop it."""
        call = self.service.call(
            "POST", "channels", "stop", body={"id": subscription.id, "resourceId": subscription.resource}
        )
        answer = self.service.send(call, reading=False)
        if not answer.ok and answer.status not in {404, 410}:
            raise self.service.refusal(answer).as_error(reading=True)


def _channel(answer: object, channel_id: str) -> Subscription:
    """What was really given: ``expiration`` is in milliseconds since 1970, as text."""
    if not isinstance(answer, dict) or not answer.get("resourceId"):
        raise Unavailable("the answer to the watch can't be read")
    try:
        expires_at = datetime.fromtimestamp(int(answer["expiration"]) / 1000, UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise Unavailable("the answer to the watch does not say when it ends") from None
    return Subscription(channel_id, str(answer["resourceId"]), expires_at)


def parse_push(request: PushRequest) -> Sequence[Push]:
    """One push; everything is in the headers, the body is empty.

    Raises:
        InvalidValue: it lacks what every push of Google's has.
    """
    headers = request.headers
    channel, state = headers.get("x-goog-channel-id"), headers.get("x-goog-resource-state", "")
    resource = headers.get("x-goog-resource-id")
    if not channel or not resource or state not in _KINDS:
        raise InvalidValue("headers: this is no push of Google's")
    number = headers.get("x-goog-message-number")
    return (
        Push(
            subscription_id=channel,
            kind=_KINDS[state],
            secret=headers.get("x-goog-channel-token"),
            resource=resource,
            message=f"{channel}/{number}" if number else None,
            expires_at=_expiry(headers.get("x-goog-channel-expiration")),
        ),
    )


def _expiry(text: str | None) -> datetime | None:
    """An HTTP date."""
    try:
        at = parsedate_to_datetime(text) if text else None
        return None if at is None or at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
