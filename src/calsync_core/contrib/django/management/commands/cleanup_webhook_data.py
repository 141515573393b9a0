"""``manage.py cleanup_webhook_data``: forget what is over."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from calsync_core.contrib.django.management.base import EngineCommand
from calsync_core.engine import SyncEngine

__all__ = ["Command"]


class Command(EngineCommand):
    """Delete old rows, or count them."""

    help = "Forget finished runs and notifications, and records of blocks that are past; maintenance does so by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How old, and whether in earnest."""
        super().add_arguments(parser)
        parser.add_argument("--days", type=float, default=30.0, help="What has been over for so many days. [30]")
        parser.add_argument("--dry-run", action="store_true", help="Only say how many rows that would be.")

    def work(self, engine: SyncEngine, options: dict[str, Any]) -> None:
        """Forget."""
        dry_run = options["dry_run"]
        count = engine.cleanup(options["days"], dry_run=dry_run)
        line = f"{count} rows would be forgotten" if dry_run else f"{count} rows forgotten"
        self.show({"rows": count, "dry_run": dry_run}, line, options)
