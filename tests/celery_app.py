"""The application that the workers and the beat of ``celery_world.py`` run, as their environment says."""

from __future__ import annotations

import json
import os
from typing import Any

from celery import Celery

from calsync_core.contrib.celery import CalsyncTasks, calsync_tasks
from calsync_core.engine import SyncEngine
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.stores.sql import SQLStore

__all__ = ["SETTINGS", "celery_app", "engine_of"]

SETTINGS = "CALSYNC_TEST_CELERY"


def engine_of(settings: dict[str, Any]) -> SyncEngine:
    """An engine as every process of the installation makes it."""
    return SyncEngine(
        store=SQLStore(settings["store"]),
        providers={"google": GoogleProvider(writes_per_minute=100_000), "microsoft": MicrosoftProvider()},
        secret="a secret for tests only",
        encryption_key=settings["key"],
        webhook_url=settings["webhook_url"],
    )


def celery_app(settings: dict[str, Any], engine: SyncEngine | None = None) -> tuple[Celery, CalsyncTasks]:
    """An application whose broker is that of ``settings``, and the tasks."""
    made = Celery("calsync-test", set_as_current=False)
    made.conf.update(worker_prefetch_multiplier=1, worker_enable_remote_control=False, **settings["celery"])
    tasks = calsync_tasks(made, engine or (lambda: engine_of(settings)))
    made.conf.beat_schedule = tasks.beat_schedule(inbox_tick=1, polling_tick=1)
    return made, tasks


if SETTINGS in os.environ:
    _settings = json.loads(os.environ[SETTINGS])
    _engine = None
    if os.environ.get("CALSYNC_TEST_ENGINE") == "before the fork":
        _engine = engine_of(_settings)
        _engine.owners()  # so that a connection is open when the worker forks
    app, _tasks = celery_app(_settings, _engine)
