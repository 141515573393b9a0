"""Vitals and metrics as Prometheus reads them (text format 0.0.4).

Everything comes from the store, so it does not matter which worker process is asked. What is counted over the last day
can shrink, and so it is a gauge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from calsync_core.core.vitality import Vitality, judge
from calsync_core.models import PushState, Vitals

__all__ = ["CONTENT_TYPE", "HOURS", "expose"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HOURS = 24
"""What "last day" means in the names."""

_NOW = (
    ("calendars", "calendars", "Enabled calendars."),
    ("failing", "calendars_failing", "Enabled calendars whose last read failed, or whose login is refused."),
    ("backlog", "inbox_backlog", "Notifications that are not done with."),
    ("notices", "notices_waiting", "Notices that the host has not taken."),
    ("open_intents", "open_intents", "Writes decided and not known to have happened."),
    ("held", "held_deletions", "Deletions that the guard holds."),
)
_DAY = (
    ("webhook_share", "webhook_share", "Share of the news that a push brought, 0 to 1."),
    ("reading_calls", "reading_calls", "Requests that read."),
    ("polling_calls", "polling_calls", "Requests that polling every 15 minutes would have read with."),
    ("calls_saved", "calls_saved", "Requests that push saved."),
    ("api_calls", "api_calls", "Requests sent to providers."),
    ("blocks_written", "blocks_written", "Busy blocks created, updated and deleted."),
    ("failed_runs", "failed_runs", "Runs with errors."),
    ("success_rate", "success_rate", "Share of runs without errors, 0 to 1."),
)
_QUANTILES = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}


@frozen
class _Gauge:
    """One metric: its samples by the value of its label; "" is a sample without one."""

    name: str
    help: str
    label: str = ""
    samples: Mapping[str, Any] = field(factory=dict)

    def lines(self) -> Iterator[str]:
        """Nothing at all where nothing is known."""
        known = {label: number for label, number in self.samples.items() if _is_number(number)}
        if not known:
            return
        yield f"# HELP calsync_{self.name} {self.help}"
        yield f"# TYPE calsync_{self.name} gauge"
        for label, number in sorted(known.items()):
            labels = f'{{{self.label}="{_escaped(label)}"}}' if self.label else ""
            yield f"calsync_{self.name}{labels} {float(number)!r}"


def expose(vitals: Vitals, totals: Mapping[str, Any], now: datetime) -> str:
    """The page for the scraper.

    Args:
        vitals: As of now.
        totals: ``Metrics.as_dict()`` over ``HOURS``; what it does not have, or has as None, is left out.
        now: Aware.
    """
    lines = [line for gauge in (*_present(vitals, now), *_past(totals)) for line in gauge.lines()]
    return "\n".join((*lines, ""))


def _present(vitals: Vitals, now: datetime) -> Iterator[_Gauge]:
    status = judge(vitals, now)
    states = {str(each): int(each is status) for each in Vitality}
    yield _Gauge("status", "1 for the state that the installation is in.", "status", states)
    for attribute, name, text in _NOW:
        yield _Gauge(name, text, samples={"": getattr(vitals, attribute)})
    waited = 0.0 if vitals.backlog_since is None else max(0.0, (now - vitals.backlog_since).total_seconds())
    yield _Gauge("inbox_oldest_seconds", "How long the oldest notification has been due.", samples={"": waited})
    push = {str(state): 0 for state in PushState} | {str(state): count for state, count in vitals.push.items()}
    yield _Gauge("push_calendars", "Enabled calendars by the state of their push.", "state", push)


def _past(totals: Mapping[str, Any]) -> Iterator[_Gauge]:
    yield _Gauge("last_day_runs", "Recorded syncs by what woke them.", "type", _mapping(totals, "by_type"))
    yield _Gauge("last_day_reads", "Reads of calendars by what woke them.", "way", _mapping(totals, "reads"))
    yield _Gauge(
        "last_day_news", "Reads that found an event changed by what woke them.", "way", _mapping(totals, "news")
    )
    for key, name, text in _DAY:
        yield _Gauge(f"last_day_{name}", text, samples={"": totals.get(key)})
    latency = {_QUANTILES[key]: value for key, value in _mapping(totals, "latency").items() if key in _QUANTILES}
    yield _Gauge("last_day_latency_seconds", "From a push to the end of its sync.", "quantile", latency)


def _mapping(totals: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = totals.get(key)
    return found if isinstance(found, Mapping) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
