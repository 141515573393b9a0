"""The web process that ``test_killed.py`` kills: an endpoint over a database that its parent filled."""

from __future__ import annotations

import sys

import uvicorn

from calsync_core.engine import SyncEngine
from calsync_core.models import Password
from calsync_core.protocols import Clock
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores.sql import SQLStore
from calsync_core.system import StaticTokens
from calsync_core.web.asgi import webhook_app
from planted import PASSWORD

USER, SECRET = "ana", "a secret for tests only"
NAMES = ("work", "home")


def engine_over(url: str, clock: Clock | None = None) -> SyncEngine:
    """An engine over this database, and Ana's calendars as every process sees them: empty ones."""
    service = MemoryService()
    service.add_user(USER, PASSWORD)
    for name in NAMES:
        service.add_calendar(USER, name, primary=name == NAMES[0])
    return SyncEngine(
        store=SQLStore(url),
        providers={"memory": MemoryProvider(service)},
        secret=SECRET,
        tokens=lambda _account: StaticTokens(Password(USER, PASSWORD)),
        webhook_url="http://127.0.0.1/hooks",
        clock=clock,
    )


def main() -> None:
    """``killed_app.py URL PORT DRAIN``."""
    url, port, drain = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "drain"
    app = webhook_app(engine_over(url), drain=drain)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", lifespan="on")


if __name__ == "__main__":
    main()
