"""What each job does, whoever keeps the time: ``Scheduler``, Celery or a timer of the host's.

The inbox's is ``SyncEngine.process_notifications``, and the audit's is ``audit_owner`` for everybody it is due for.
"""

from __future__ import annotations

from collections.abc import Callable

from calsync_core.core.vitality import judge
from calsync_core.engine import SyncEngine
from calsync_core.log import Logger
from calsync_core.models import Mode

__all__ = ["alone", "audit_owner", "maintain", "poll"]

log = Logger("calsync_core")


def alone(engine: SyncEngine, name: str, work: Callable[[], object]) -> None:
    """Unless another process is at it right now: then it is done as well as if we had."""
    with engine.job(name) as mine:
        if mine:
            work()
        else:
            log.debug("job_elsewhere", job=name)


def poll(engine: SyncEngine) -> None:
    """Read calendars whose timer has run out, do whatever waits in the store, and deliver notices."""
    try:
        engine.sync_calendars_needing_polling(due_only=True)
    finally:
        engine.deliver_notices()


def maintain(engine: SyncEngine, *, everything: bool, cleanup_days: float) -> None:
    """Look after subscriptions, forget what may be forgotten, and say in one line how things stand.

    Args:
        engine: Whose.
        everything: Look at every subscription, and not only where that is due.
        cleanup_days: Runs and tombstones older than this are forgotten.
    """
    engine.maintain_subscriptions(everything=everything)
    engine.cleanup(cleanup_days)
    vitals = engine.vitals()
    log.info(
        "health_reported",
        status=str(judge(vitals, engine.clock.now())),
        calendars=vitals.calendars,
        failing=vitals.failing,
        push=vitals.push,
        backlog=vitals.backlog,
        notices=vitals.notices,
        held=vitals.held,
        open_intents=vitals.open_intents,
    )


def audit_owner(engine: SyncEngine, owner: str) -> None:
    """Audit one owner and repair what is wrong; where that is not enough, read everything of theirs again."""
    found = engine.audit(owner, repair=True)
    log.info(
        "audit_finished",
        owner=owner,
        ok=found.ok,
        checked=found.checked,
        missing=found.missing,
        extra=found.extra,
        wrong=found.wrong,
        repaired=found.repaired,
        errors=len(found.errors),
    )
    if not (found.ok or found.stopped) and engine.mode(owner) is Mode.WRITE:
        engine.sync_all_calendars(owner)
