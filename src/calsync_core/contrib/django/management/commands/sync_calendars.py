"""``manage.py sync_calendars``: bring every calendar's busy blocks up to date, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from calsync_core.contrib.django.management.base import EngineCommand
from calsync_core.engine import SyncEngine
from calsync_core.models import CalendarId, PushState, SyncReport

__all__ = ["Command"]

_MODES = ("webhook-fallback", "polling-only", "legacy-full")


class Command(EngineCommand):
    """Read what is due, all, or everything afresh; write what follows."""

    help = "Bring every calendar's busy blocks up to date, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which calendars, and how."""
        super().add_arguments(parser)
        parser.add_argument(
            "--mode",
            choices=_MODES,
            help="webhook-fallback (unless said): read every calendar that no push keeps up to date, and do whatever "
            "waits; polling-only: read all, whatever push says; legacy-full: read everything again and compare.",
        )
        parser.add_argument("--calendar-id", type=int, metavar="ID", help="Only this calendar.")
        self.add_owner(parser)
        parser.add_argument("--verbose", action="store_true", help="Say what was done to events and blocks.")

    def work(self, engine: SyncEngine, options: dict[str, Any]) -> None:
        """Sync."""
        calendar_id, mode = options["calendar_id"], options["mode"]
        if calendar_id is not None and (mode or options["owner"]):
            raise CommandError("--calendar-id reads one calendar and takes neither --mode nor --owner", returncode=2)
        report = self._sync(engine, calendar_id, mode, options["owner"])
        if options["verbose"] and not options["as_json"]:
            self.stdout.write(_detail(report))
        line = report.summary
        if calendar_id is None and options["owner"] is None and mode in {None, _MODES[0]}:
            kept = engine.vitals().push.get(PushState.ACTIVE, 0)
            line += f" · {kept} kept up to date by push"
        self.show(report.as_dict(), line, options)
        self.name_failures(report.errors)

    def _sync(
        self, engine: SyncEngine, calendar_id: CalendarId | None, mode: str | None, owner: str | None
    ) -> SyncReport:
        if calendar_id is not None:
            return engine.sync_calendar(calendar_id)
        if mode == "legacy-full":
            return engine.sync_all_calendars(owner)
        return engine.sync_calendars_needing_polling(owner, trust_push=mode != "polling-only")


def _detail(report: SyncReport) -> str:
    return (
        f"{report.sync_type}: {report.calendars_read} calendars read, {report.calendars_changed} of them changed\n"
        f"events: {report.events_created} new, {report.events_updated} changed, {report.events_deleted} gone\n"
        f"blocks: {report.busy_blocks_created} made, {report.busy_blocks_updated} changed, "
        f"{report.busy_blocks_deleted} removed, {report.held} deletions held"
    )
