"""Push: the service's subscriptions, and what it has told and nobody has taken yet; and the words of a push. Parsing is
pure.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve, field, frozen

from calsync_core.errors import Conflict, InvalidValue, NotFound, Rejected
from calsync_core.protocols import Clock, Push, PushKind, PushRequest, Subscription

__all__ = ["DeskState", "HeldSubscription", "PushDesk", "PushHabits", "parse_push"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_LONGEST_SECRET = 128
_HEADERS = {"content-type": "application/json"}


@define
class PushHabits:
    """How a service pushes; each may change while the service runs.

    Attributes:
        lifetime: How long a subscription lasts, from when it is made or renewed.
        renewable: It can be prolonged in place; otherwise a new one is needed.
        announces: It begins with a push of its own (``PushKind.CREATED``).
        names_items: A push says which item changed, and its etag after that; a removed item has none.
    """

    lifetime: timedelta = timedelta(days=7)
    renewable: bool = True
    announces: bool = False
    names_items: bool = False


@frozen
class HeldSubscription:
    """One, as the service has it.

    Attributes:
        calendar: Remote id of what is watched.
        username: The login that made it.
        url: Where that login wanted the pushes; tests take them from the service.
        clock: The session's: what is due is judged by it, since the service has none.
        muted: It seems to live, and tells nothing.
    """

    id: str
    calendar: str
    username: str
    secret: str = field(repr=False)
    url: str
    expires_at: datetime
    clock: Clock = field(repr=False, eq=False)
    muted: bool = False

    @property
    def live(self) -> bool:
        """Whether its end is still to come."""
        return self.clock.now() < self.expires_at

    @property
    def promise(self) -> Subscription:
        """As its owner knows it."""
        return Subscription(self.id, f"calendars/{self.calendar}/events", self.expires_at)


@frozen
class DeskState:
    """What there was at one time, to go back to.

    Attributes:
        used: Every id that a subscription ever had.
    """

    held: dict[str, HeldSubscription]
    used: frozenset[str]
    waiting: tuple[PushRequest, ...] = field(repr=False)


class PushDesk:
    """All subscriptions of a service, and the pushes that wait to be taken. The caller holds the service's lock.

    Attributes:
        habits: See there.
    """

    def __init__(self) -> None:
        self.habits = PushHabits()
        self._held: dict[str, HeldSubscription] = {}
        self._used: set[str] = set()
        self._waiting: list[PushRequest] = []
        # Grows also over a way back: no message comes twice with another meaning.
        self._numbers = itertools.count(1)

    def live(self) -> dict[str, HeldSubscription]:
        """What has not ended, by id."""
        return {name: one for name, one in self._held.items() if one.live}

    def find(self, subscription_id: str) -> HeldSubscription:
        """A live one. Raises InvalidValue."""
        held = self.live()
        if subscription_id not in held:
            raise InvalidValue(f"subscription_id: no subscription {subscription_id!r}")
        return held[subscription_id]

    def open(
        self, username: str, calendar: str, *, subscription_id: str, secret: str, url: str, clock: Clock
    ) -> Subscription:
        """Make one.

        Raises:
            Rejected: the id or the secret is not as the port demands.
            Conflict: the id was used before.
        """
        if not _ID.fullmatch(subscription_id) or len(secret) > _LONGEST_SECRET:
            raise Rejected("the id or the secret of the subscription is not possible")
        if subscription_id in self._used:
            raise Conflict("the id of the subscription is in use")
        expires_at = clock.now() + self.habits.lifetime
        made = HeldSubscription(subscription_id, calendar, username, secret, url, expires_at, clock)
        self._used.add(made.id)
        self._held[made.id] = made
        if self.habits.announces:
            self.send(made, PushKind.CREATED)
        return made.promise

    def prolong(self, username: str, calendar: str, subscription_id: str, clock: Clock) -> Subscription:
        """Let it end later. Raises NotFound: it is gone, or is this login's for no such calendar."""
        there = self.live().get(subscription_id)
        if there is None or (there.username, there.calendar) != (username, calendar):
            raise NotFound("there is no such subscription")
        longer = evolve(there, expires_at=clock.now() + self.habits.lifetime, clock=clock)
        self._held[longer.id] = longer
        return longer.promise

    def close(self, username: str, subscription_id: str) -> None:
        """End it; one that is gone is none. Raises Rejected: another login made it."""
        there = self.live().get(subscription_id)
        if there is not None and there.username != username:
            raise Rejected("another login made this subscription")
        self._held.pop(subscription_id, None)

    def drop(self, subscription_id: str) -> None:
        """Lose it without a word."""
        del self._held[self.find(subscription_id).id]

    def mute(self, subscription_id: str, *, muted: bool) -> None:
        """Let it tell nothing, or speak again."""
        self._held[subscription_id] = evolve(self.find(subscription_id), muted=muted)

    def tell(self, calendar: str, readers: Collection[str], item: str, etag: str | None) -> None:
        """Tell of a change to everyone who watches the calendar and is among its readers."""
        named = {"item": item, "etag": etag} if self.habits.names_items else {}
        for one in self.live().values():
            if one.calendar == calendar and one.username in readers:
                self.send(one, PushKind.CHANGED, **named)

    def send(self, one: HeldSubscription, kind: PushKind, **named: str | None) -> None:
        """Have one push wait, unless the subscription is mute."""
        if one.muted:
            return
        told = {
            "subscription": one.id,
            "secret": one.secret,
            "resource": one.promise.resource,
            "number": next(self._numbers),
            "kind": kind,
            **{name: value for name, value in named.items() if value is not None},
        }
        self._waiting.append(PushRequest(_HEADERS, {}, json.dumps(told).encode()))

    def take(self) -> list[PushRequest]:
        """What waits, oldest first; it waits no longer."""
        taken, self._waiting = self._waiting, []
        return taken

    def state(self) -> DeskState:
        """Everything, for ``go_back``; the habits are not in it."""
        return DeskState(dict(self._held), frozenset(self._used), tuple(self._waiting))

    def go_back(self, state: DeskState) -> None:
        """To how it was."""
        self._held, self._used, self._waiting = dict(state.held), set(state.used), list(state.waiting)


def parse_push(request: PushRequest) -> Push:
    """What a push says.

    Raises:
        InvalidValue: it is none of this service's.
    """
    try:
        told: Any = json.loads(request.body)
        kind = PushKind(told["kind"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidValue("body: this is no push of the service in memory") from None
    named = {name: told.get(name) for name in ("subscription", "secret", "resource", "item", "etag")}
    if not named["subscription"] or not all(isinstance(value, str | None) for value in named.values()):
        raise InvalidValue("body: this is no push of the service in memory")
    number = told.get("number")
    return Push(
        subscription_id=named["subscription"],
        kind=kind,
        secret=named["secret"],
        resource=named["resource"],
        message=f"{named['subscription']}/{number}" if isinstance(number, int) else None,
        item=named["item"],
        etag=named["etag"],
    )
