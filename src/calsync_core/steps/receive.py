"""What came to the webhook endpoint: authenticate it, and store it before anybody says that it was taken.

Nothing is asked of a provider here, no lease is taken and no calendar read: one look at the store and one write, so
that the provider has its answer in milliseconds. A push proves itself by the secret of its subscription; whatever does
not changes nothing, and is answered as if it had been taken, so that a forger learns nothing (I-26).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from calsync_core.core import watching
from calsync_core.errors import UnknownProvider
from calsync_core.log import Logger
from calsync_core.models import Notification, PushKind, PushReceipt, StoredSubscription
from calsync_core.protocols import Push, PushRequest
from calsync_core.steps.context import Context

__all__ = ["fingerprint", "receive"]

log = Logger("calsync_core")

_Believed: TypeAlias = tuple[Push, StoredSubscription]
"""A push, and the subscription whose secret it carries."""


def fingerprint(secret: str) -> str:
    """What the store keeps of a subscription's secret. A plain hash is enough for 48 random bytes."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def receive(context: Context, name: str, request: PushRequest) -> PushReceipt:
    """Take in what a provider sent; durable when this returns.

    Args:
        context: The engine's.
        name: The provider's, as accounts use it.
        request: As it came.

    Raises:
        UnknownProvider: there is none of this name that pushes.
        InvalidValue: it is no push of this provider's.
        StoreError: it can't be kept now: let the provider send it again.
    """
    provider = context.pushing.get(name)
    if provider is None:
        raise UnknownProvider("provider: there is none of this name that pushes")
    echoing = context.echoing.get(name)
    reply = None if echoing is None else echoing.read_handshake(request)
    if reply is not None:
        return PushReceipt(reply=reply)
    pushes = provider.read_push(request)

    def look() -> tuple[list[_Believed], list[Notification]]:
        known = context.store.find_subscriptions(name, {push.subscription_id for push in pushes})
        believed = [(push, known[push.subscription_id]) for push in pushes if _is_proven(push, known)]
        return believed, _notifications(context, believed)

    believed, fresh = context.store.together(look, writes=False)
    stored = context.store.save_notifications(fresh) if fresh else 0
    if len(believed) < len(pushes):
        log.info("push_dropped", provider=name, dropped=len(pushes) - len(believed))
    return PushReceipt(
        accepted=len(believed) - (len(fresh) - stored),
        doubled=len(fresh) - stored,
        dropped=len(pushes) - len(believed),
        calendars=tuple(sorted({one.calendar_id for one in fresh})) if stored else (),
    )


def _is_proven(push: Push, known: Mapping[str, StoredSubscription]) -> bool:
    """Whether it carries the subscription's secret, and tells of the resource that is watched."""
    found = known.get(push.subscription_id)
    expected = found.secret_hash if found is not None else fingerprint("")
    proven = hmac.compare_digest(fingerprint(push.secret or ""), expected)
    if found is None or not proven or push.secret is None:
        return False
    return push.resource is None or found.resource is None or push.resource == found.resource


def _notifications(context: Context, believed: Sequence[_Believed]) -> list[Notification]:
    """One for each push that tells of something; that a subscription begins is no news."""
    telling = [(push, found) for push, found in believed if push.kind is not PushKind.CREATED]
    if not telling:
        return []
    now = context.clock.now()
    watches = context.store.load_watches({found.calendar_id for _, found in telling})
    made = [
        Notification(
            calendar_id=found.calendar_id,
            subscription_id=found.id or 0,
            kind=push.kind,
            received_at=now,
            due_at=watching.received(watches.get(found.calendar_id), push.kind, now),
            message=push.message,
            item=push.item,
            etag=push.etag,
        )
        for push, found in telling
    ]
    # Without a name, two in one request that say the same say it once: a batch costs no more rows than it has news.
    return list(dict.fromkeys(made))
