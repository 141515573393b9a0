"""What the recorded runs add up to: shares, latency, and what push saves. No request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from calsync_core.core.latency import quantiles, waits
from calsync_core.errors import InvalidValue
from calsync_core.models import Metrics, SyncReport, SyncType
from calsync_core.steps.context import Context

__all__ = ["metrics"]

_MOST_RUNS = 50_000
_POLLS_PER_HOUR = 4
"""What push is measured against: one request for every calendar each quarter of an hour."""

_ECHO = "echo"


def metrics(context: Context, hours: float) -> Metrics:
    """What the runs finished in the last hours add up to.

    Raises:
        InvalidValue: ``hours`` is not positive.
    """
    if hours <= 0:
        raise InvalidValue(f"hours: must be positive, got {hours!r}")
    now = context.clock.now()
    runs = context.store.load_runs(limit=_MOST_RUNS, since=now - timedelta(hours=hours))
    failed = sum(bool(run.errors) for run in runs)
    reads, news = Counter[str](), Counter[str]()
    for run in runs:
        reads[_ECHO if run.echo else str(run.sync_type)] += run.calendars_read
        news[str(run.sync_type)] += run.calendars_changed
    spent = sum(run.reading_calls for run in runs)
    polling = _polling_calls(context, runs, hours, now)
    return Metrics(
        hours=hours,
        runs=len(runs),
        by_type=dict(Counter(str(run.sync_type) for run in runs)),
        reads=dict(+reads),
        news=dict(+news),
        webhook_share=news[str(SyncType.WEBHOOK)] / news.total() if news.total() else None,
        latency=quantiles(waits(runs)),
        api_calls=sum(run.api_calls for run in runs),
        reading_calls=spent,
        polling_calls=polling,
        calls_saved=max(0, polling - spent),
        blocks_written=sum(run.writes for run in runs),
        events_processed=sum(run.events_processed for run in runs),
        failed_runs=failed,
        success_rate=(len(runs) - failed) / len(runs) if runs else None,
        complete=len(runs) < _MOST_RUNS,
    )


def _polling_calls(context: Context, runs: Sequence[SyncReport], hours: float, now: datetime) -> int:
    """For as long as there were runs, so that a young installation claims no savings from before it began."""
    if not runs:
        return 0
    since = min(run.started_at for run in runs)
    lived = min(hours, (now - since).total_seconds() / 3600)
    enabled = sum(calendar.enabled for calendar in context.store.load_calendars())
    return round(enabled * lived * _POLLS_PER_HOUR)
