"""TELL: hand the host what it may want to know, at least once, and a calendar's notices in order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog
from attrs import frozen

from calsync_core.errors import LeaseBusy
from calsync_core.models import CalendarId, StoredNotice
from calsync_core.protocols import Notifier
from calsync_core.steps.context import Context, HeldLease

__all__ = ["deliver"]

_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_MOST_ATTEMPTS = 24
"""A notice that the host's notifier refuses for a day holds up the others of its calendar no longer."""

_PAGE = 100

log = structlog.get_logger("calsync_core")


def deliver(context: Context, owners: Iterable[str] | None = None) -> int:
    """Deliver what waits and is due, for these owners or for all; returns how many the host took.

    An owner's notices are delivered by one worker at a time; where another one is at it, nothing is done here.
    """
    notifier = context.notifier
    if notifier is None:
        return 0
    if owners is None:
        owners = {waiting.notice.owner for waiting in context.store.load_notices(limit=10_000)}
    taken = 0
    for owner in sorted(owners):
        try:
            with context.lease(f"notices:{owner}", wait=False) as lease:
                taken += _Delivery(context, notifier, lease, owner).work()
        except LeaseBusy:
            continue
    return taken


@frozen
class _Delivery:
    """One owner's notices, in use under their lease."""

    context: Context
    notifier: Notifier
    lease: HeldLease
    owner: str

    def work(self) -> int:
        """Offer them in order; of a calendar whose notice the host would not take, no later one."""
        taken = 0
        blocked: set[CalendarId | None] = set()
        while True:
            waiting = self.context.store.load_notices(self.owner, _PAGE)
            done: list[int] = []
            for each in waiting:
                if each.notice.calendar not in blocked:
                    if self._offer(each):
                        done.append(each.id)
                    else:
                        blocked.add(each.notice.calendar)
            self.context.store.delete_notices(done)
            taken += len(done)
            if not done or len(waiting) < _PAGE:
                return taken

    def _offer(self, waiting: StoredNotice) -> bool:
        """Whether the host took it, or it is given up."""
        self.lease.current()
        now = self.context.clock.now()
        if waiting.due_at > now:
            return False
        try:
            self.notifier.notify(waiting.notice)
        except Exception as error:  # noqa: BLE001  (the host's code may raise anything)
            kind, attempts = str(waiting.notice.kind), waiting.attempts + 1
            given_up = attempts >= _MOST_ATTEMPTS
            # Not the message: nobody knows what a stranger's exception quotes (I-39).
            log.warning("notifier_failed", kind=kind, error=type(error).__name__, given_up=given_up)
            if not given_up:
                pause = min(_FIRST_PAUSE * 2 ** min(waiting.attempts, 10), _LONGEST_PAUSE)
                self.context.store.put_off_notice(waiting.id, attempts, now + pause)
            return given_up
        return True
