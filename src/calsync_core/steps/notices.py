"""TELL: hand the host what it may want to know, at least once, and a calendar's notices in order."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve, frozen

from calsync_core.errors import LeaseBusy, LeaseLost
from calsync_core.log import Logger
from calsync_core.models import CalendarId, StoredNotice
from calsync_core.protocols import Notifier
from calsync_core.steps.context import Context, HeldLease

__all__ = ["deliver"]

_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_MOST_ATTEMPTS = 24
"""A notice that the host's notifier refuses for a day holds up the others of its calendar no longer."""

_PAGE = 100

log = Logger("calsync_core")


def deliver(context: Context) -> int:
    """Deliver what waits and is due; returns how many notices the host took.

    One worker at a time, over all processes, so that a calendar's notices keep their order; where another one is at it,
    nothing is done here.
    """
    notifier = context.notifier
    # Asked before the lease: mostly nothing waits, and to find that out writes nothing and starts no thread.
    if notifier is None or not context.store.load_notices(limit=1):
        return 0
    try:
        with context.lease("notices", wait=False) as lease, lease.kept():
            return _Delivery(context, notifier, lease).work()
    except (LeaseBusy, LeaseLost):
        return 0


@frozen
class _Delivery:
    """The notices that wait, in use under their lease."""

    context: Context
    notifier: Notifier
    lease: HeldLease

    def work(self) -> int:
        """Offer them in order; of a calendar whose notice the host would not take, no later one."""
        taken, after = 0, 0
        blocked: set[tuple[str, CalendarId | None]] = set()
        while waiting := self.context.store.load_notices(after=after, limit=_PAGE):
            done: list[int] = []
            try:
                for each in waiting:
                    whose = (each.notice.owner, each.notice.calendar)
                    if whose not in blocked:
                        if self._offer(each):
                            done.append(each.id)
                        else:
                            blocked.add(whose)
            finally:
                # Whatever ended this, what was taken is not offered again.
                self.context.store.delete_notices(done)
            taken, after = taken + len(done), waiting[-1].id
        return taken

    def _offer(self, waiting: StoredNotice) -> bool:
        """Whether the host took it, or it is given up."""
        self.lease.current()
        now = self.context.clock.now()
        if waiting.due_at > now:
            return False
        try:
            self.notifier.notify(evolve(waiting.notice, id=waiting.id))
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
