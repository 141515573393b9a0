"""The scheduler's jobs as Celery tasks, and a beat schedule for them. Needs the extra ``celery``.

::

    calsync.inbox          each tick, and when a push came   one ``calsync.owner`` for everybody with news
    calsync.owner          for one owner                     what pushes told of
    calsync.polling        each tick                         calendars whose timer has run out, whatever waits, notices
    calsync.maintenance    half-hourly, and at start         subscriptions, what may be forgotten, a line on how it is
    calsync.audit          hourly                            one ``calsync.audit_owner`` for everybody whose turn it is
    calsync.audit_owner    for one owner                     an audit; what is found wrong is put right
    calsync.sync_calendar  when you ask for it               one calendar

What is to be done stands in the store, and a message only says that it is time to look. So none is precious: one that
is lost, comes twice or comes too late changes nothing but when. That is why

* all but ``sync_calendar`` are acknowledged early and never retried: what a dead worker or a failed task leaves undone
  is found by the next tick, and what fails has its own pauses in the store. A retry of Celery's would only come sooner;
* periodic messages expire after two intervals: an outage leaves no backlog of them;
* a push asks for its own owners only, or n pushes would fan out n times to everybody with news;
* no result is kept, and no message has anything in it but ids and owners' names.

Errors of this library end a task as failed, with one line and no traceback; a task ends at the latest after half an
hour, which a killed process does not harm (I-05).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import worker_ready
from kombu import pools
from kombu.connection import Connection

from calsync_core.engine import SyncEngine
from calsync_core.errors import CalsyncError, StoreError
from calsync_core.models import CalendarId, PushReceipt
from calsync_core.scheduler.audits import turn
from calsync_core.scheduler.jobs import check_seconds
from calsync_core.scheduler.work import alone, audit_owner, maintain, poll

__all__ = ["CalsyncTasks", "calsync_tasks"]

_OPTIONS: Mapping[str, Any] = {
    "shared": False,
    # Of a method, it would count the self as well.
    "typing": False,
    "ignore_result": True,
    "serializer": "json",
    "acks_late": False,
    "throws": (CalsyncError,),
    # Below the hour after which Redis hands out again what was not acknowledged.
    "time_limit": 1800,
}
_PRECIOUS: Mapping[str, Any] = {
    "acks_late": True,
    "autoretry_for": (StoreError,),
    "retry_backoff": 5,
    "max_retries": 5,
}
_OWNER_SECONDS, _HOUR_SECONDS = 60, 3600

_PROMPT_SECONDS, _REST_SECONDS = 1.0, 5.0
_PROMPT: Mapping[str, Any] = {
    "connect_timeout": _PROMPT_SECONDS,
    "transport_options": {
        "max_retries": 0,
        # Redis' names and RabbitMQ's; each leaves the other's alone.
        **dict.fromkeys(("socket_timeout", "socket_connect_timeout"), _PROMPT_SECONDS),
        **dict.fromkeys(("read_timeout", "write_timeout"), _PROMPT_SECONDS),
    },
}
"""How a broker is asked while a provider waits for its answer: left to its defaults, Celery may wait for ever."""


class CalsyncTasks:
    """The tasks: call their ``delay`` and ``apply_async`` like those of any other. See ``calsync_tasks``.

    Attributes:
        inbox: ``calsync.inbox(calendars=None)``.
        owner: ``calsync.owner(owner)``.
        polling: ``calsync.polling()``.
        maintenance: ``calsync.maintenance(everything=False)``.
        audit: ``calsync.audit()``.
        audit_owner: ``calsync.audit_owner(owner)``.
        sync_calendar: ``calsync.sync_calendar(calendar_id)``: acknowledged late, and tried again where the store is
            away, since no tick would ask for it.
    """

    def __init__(
        self, app: Celery, engine: SyncEngine | Callable[[], SyncEngine], audit_days: float, cleanup_days: float
    ) -> None:
        check_seconds("audit_days", audit_days, least=1.0)
        check_seconds("cleanup_days", cleanup_days, least=1.0)
        self._app, self._given = app, engine
        self._audit_turns, self._cleanup_days = round(audit_days * 24), cleanup_days
        self._made: tuple[int, SyncEngine] | None = None
        self._making = threading.Lock()
        self._connection: Connection | None = None
        self._rests_until = 0.0
        self.inbox = self._task("inbox", self._inbox)
        self.owner = self._task("owner", self._owner)
        self.polling = self._task("polling", self._polling)
        self.maintenance = self._task("maintenance", self._maintenance)
        self.audit = self._task("audit", self._audit)
        self.audit_owner = self._task("audit_owner", self._audit_owner)
        self.sync_calendar = self._task("sync_calendar", self._sync_calendar, **_PRECIOUS)
        worker_ready.connect(self._started, weak=False)

    def wake(self, receipt: PushReceipt) -> None:
        """Have what a push told of looked at now: for the webhook application's ``on_accepted``.

        Takes a second at the most, whatever the broker does; one that failed is then left alone for five.

        Raises:
            Exception: the broker could not be told; the next tick finds what came.
        """
        if time.monotonic() < self._rests_until:
            return
        if self._connection is None:
            self._connection = self._app.connection_for_write(**_PROMPT)
        try:
            with pools.producers[self._connection].acquire(block=True, timeout=_PROMPT_SECONDS) as producer:
                news = [list(receipt.calendars)]
                self.inbox.apply_async(news, producer=producer, retry=False, expires=_OWNER_SECONDS)
        except Exception:
            self._rests_until = time.monotonic() + _REST_SECONDS
            raise

    def beat_schedule(
        self, *, inbox_tick: float = 5.0, polling_tick: float = 30.0, maintenance_interval: float = 1800.0
    ) -> dict[str, dict[str, Any]]:
        """What to put into ``app.conf.beat_schedule``; run one beat.

        Args:
            inbox_tick: Seconds between looks into the inbox, for what is tried again and for what ``wake`` did not
                bring.
            polling_tick: Seconds between looks at what is due; how often a calendar is read is the policy's affair.
            maintenance_interval: Seconds between looks at the subscriptions that need something.

        Raises:
            InvalidValue: names the argument.
        """
        check_seconds("inbox_tick", inbox_tick)
        check_seconds("polling_tick", polling_tick)
        check_seconds("maintenance_interval", maintenance_interval)
        return {
            **_every("calsync.inbox", inbox_tick, 2 * inbox_tick),
            **_every("calsync.polling", polling_tick, 2 * polling_tick),
            **_every("calsync.maintenance", maintenance_interval, 2 * maintenance_interval),
            # By the clock's hours, since its turns are: each hour's is had once, however often beat is restarted.
            **_every("calsync.audit", crontab(minute="17"), _HOUR_SECONDS / 2),
        }

    # -- what they do -------------------------------------------------------------------------------------------------

    def _inbox(self, calendars: list[int] | None = None) -> None:
        engine = self._engine()
        owners = engine.notified_owners() if calendars is None else engine.owners(map(CalendarId, calendars))
        for owner in owners:
            self.owner.apply_async((owner,), expires=_OWNER_SECONDS)

    def _owner(self, owner: str) -> None:
        self._engine().process_notifications(owner)

    def _polling(self) -> None:
        engine = self._engine()
        alone(engine, "polling", lambda: poll(engine))

    def _maintenance(self, *, everything: bool = False) -> None:
        engine = self._engine()
        alone(engine, "maintenance", lambda: maintain(engine, everything=everything, cleanup_days=self._cleanup_days))

    def _audit(self) -> None:
        engine = self._engine()
        now = int(engine.clock.now().timestamp() // _HOUR_SECONDS) % self._audit_turns
        for owner in engine.owners():
            if turn(owner, self._audit_turns) == now:
                self.audit_owner.apply_async((owner,), expires=_HOUR_SECONDS)

    def _audit_owner(self, owner: str) -> None:
        engine = self._engine()
        alone(engine, f"audit:{owner}", lambda: audit_owner(engine, owner))

    def _sync_calendar(self, calendar_id: int) -> None:
        self._engine().sync_calendar(CalendarId(calendar_id))

    # -- where they do it ---------------------------------------------------------------------------------------------

    def _task(self, name: str, work: Callable[..., None], **options: Any) -> Any:
        return self._app.task(name=f"calsync.{name}", **{**_OPTIONS, **options})(work)

    def _started(self, sender: Any, **_: Any) -> None:
        """A new worker may know another webhook address: look at every subscription."""
        if sender.app is self._app:
            self.maintenance.apply_async(kwargs={"everything": True}, expires=_HOUR_SECONDS)

    def _engine(self) -> SyncEngine:
        """This process's."""
        if isinstance(self._given, SyncEngine):
            return self._given
        with self._making:
            if self._made is None or self._made[0] != os.getpid():
                self._made = (os.getpid(), self._given())
            return self._made[1]


def calsync_tasks(
    app: Celery,
    engine: SyncEngine | Callable[[], SyncEngine],
    *,
    audit_days: float = 7.0,
    cleanup_days: float = 30.0,
) -> CalsyncTasks:
    """Register the tasks with an application; once, where workers, beat and the web processes all import it.

    Args:
        app: The host's.
        engine: What makes the engine: called in each process that works, when it works for the first time, and so after
            a fork. Or an engine, whose store and providers must then outlive a fork, as the library's own do. All
            processes need the same store, secret and key.
        audit_days: Every owner is audited once in so many days.
        cleanup_days: Runs and tombstones older than this are forgotten.

    Raises:
        InvalidValue: names the argument.
    """
    return CalsyncTasks(app, engine, audit_days, cleanup_days)


def _every(task: str, schedule: object, expires: float) -> dict[str, dict[str, Any]]:
    return {task: {"task": task, "schedule": schedule, "options": {"expires": expires}}}
