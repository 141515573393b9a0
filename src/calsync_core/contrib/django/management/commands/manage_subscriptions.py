"""``manage.py manage_subscriptions``: push by hand, and how it is doing."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from calsync_core.contrib.django.installation import installation
from calsync_core.contrib.django.management.base import EngineCommand
from calsync_core.engine import SyncEngine
from calsync_core.errors import ConfigurationError
from calsync_core.models import CalendarHealth, Metrics

__all__ = ["Command"]

_ACTIONS = {
    "create": "make what is missing and prolong what ends soon, also where that has failed",
    "renew": "replace subscriptions by new ones with new secrets",
    "cleanup": "end what nobody needs; all, where there is no public_url any more",
    "health": "how each calendar is kept up to date",
    "metrics": "what the syncs of the last hours add up to",
}


class Command(EngineCommand):
    """Create, renew, end or look at subscriptions."""

    help = "What providers promised to push. " + " ".join(f"{name}: {what}." for name, what in _ACTIONS.items())

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to do, and to which."""
        super().add_arguments(parser)
        parser.add_argument("action", choices=tuple(_ACTIONS))
        self.add_owner(parser)
        parser.add_argument("--calendar-id", type=int, metavar="ID", help="renew: only this calendar's.")
        parser.add_argument("--hours", type=float, default=24.0, help="metrics: how far back. [24]")

    def work(self, engine: SyncEngine, options: dict[str, Any]) -> None:
        """Do it."""
        action, owner = options["action"], options["owner"]
        if options["calendar_id"] is not None and (action != "renew" or owner):
            raise CommandError("--calendar-id is for renew, and takes no --owner", returncode=2)
        if action == "health":
            self._health(engine, options)
        elif action == "metrics":
            metrics = engine.metrics(options["hours"])
            self.show(metrics.as_dict(), _spell_metrics(metrics), options)
        elif action == "cleanup":
            pushed = installation().configuration.public_url is not None
            self.tell((engine.maintain_subscriptions if pushed else engine.end_subscriptions)(owner), options)
        else:
            _require_address()
            if action == "renew":
                self.tell(engine.replace_subscriptions(options["calendar_id"], owner), options)
            else:
                self.tell(engine.maintain_subscriptions(owner, everything=True), options)

    def _health(self, engine: SyncEngine, options: dict[str, Any]) -> None:
        report = engine.health(options["owner"])
        lines = [_spell_health(each) for each in report.calendars]
        lines.append(f"{report.status} · {len(report.calendars)} calendars · {report.held} deletions held")
        self.show(report.as_dict(), "\n".join(lines), options)


def _require_address() -> None:
    if installation().configuration.public_url is None:
        raise ConfigurationError("CALSYNC['public_url']: is missing: without it, providers can't push")


def _spell_health(each: CalendarHealth) -> str:
    read = "never read" if each.read_at is None else f"read {each.read_at:%Y-%m-%d %H:%M} UTC"
    ends = "" if each.push_expires_at is None else f" until {each.push_expires_at:%Y-%m-%d %H:%M} UTC"
    return f"{each.calendar}  {each.account} / {each.name}: {each.state} · {read} · push {each.push}{ends}"


def _spell_metrics(metrics: Metrics) -> str:
    share = "no news" if metrics.webhook_share is None else f"{metrics.webhook_share:.0%} of the news came by push"
    return (
        f"{metrics.runs} runs · {metrics.failed_runs} failed · {share} · {metrics.blocks_written} blocks written · "
        f"{metrics.api_calls} requests"
    )
