"""``manage.py process_webhook_notifications``: work the inbox off, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from calsync_core.contrib.django.management.base import EngineCommand
from calsync_core.engine import SyncEngine

__all__ = ["Command"]


class Command(EngineCommand):
    """Sync what pushes told of."""

    help = "Sync what providers' pushes told of; run_scheduler and Celery do so by themselves."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose."""
        super().add_arguments(parser)
        self.add_owner(parser)

    def work(self, engine: SyncEngine, options: dict[str, Any]) -> None:
        """Work it off."""
        self.tell(engine.process_notifications(options["owner"]), options)
