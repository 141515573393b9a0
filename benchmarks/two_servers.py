"""Requests and seconds of one calendar mirrored to another on two real CalDAV servers.

Run it with ``python benchmarks/two_servers.py [--events 1000] [--server radicale|xandikos]``; it prints one JSON object
per step. For comparison, vdirsyncer 0.21 copies 1,000 events between two Radicales with 1,003 requests, looks with 2,
and brings 10 changes over with 13.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from calsync_core import Account, Password, SyncEngine, SyncPolicy, SyncReport
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.stores.sql import SQLStore
from calsync_core.testing.servers import CalDAVServer, RadicaleServer, XandikosServer

SERVERS: dict[str, type[CalDAVServer]] = {"radicale": RadicaleServer, "xandikos": XandikosServer}


def ics(number: int, shift: timedelta = timedelta()) -> str:
    """One event of half an hour, within the next 80 days."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1 + number * 1.9) + shift
    end = start + timedelta(minutes=30)
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:bench-{number}@example.com\r\nDTSTAMP:20260101T000000Z\r\n"
        f"DTSTART:{start:%Y%m%dT%H%M%SZ}\r\nDTEND:{end:%Y%m%dT%H%M%SZ}\r\n"
        f"SUMMARY:Meeting {number}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def connect(engine: SyncEngine, name: str, server: CalDAVServer, *, publish: bool, receive: bool) -> None:
    """Connect the calendar of that name of a server."""
    account = Account(owner="ana", provider="caldav", name=name, base_url=server.base_url)
    stored = engine.connect(account, Password("user", "secret"))
    calendar = next(found for found in engine.discover(stored.key) if found.remote_id.endswith(f"/{name}/"))
    engine.enable(calendar.key, publish=publish, receive=receive)


def measure(step: str, sync: Callable[[], SyncReport]) -> SyncReport:
    """Run one sync and print what it cost."""
    started = time.perf_counter()
    report = sync()
    seconds = time.perf_counter() - started
    figures = {"requests": report.api_calls, "writes": report.writes, "errors": len(report.errors)}
    print(json.dumps({"step": step, **figures, "seconds": round(seconds, 2)}), flush=True)
    return report


def main() -> None:
    """Measure a first sync, the echo read, a sync with nothing new, ten changes and ten deletions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--server", choices=SERVERS, default="radicale")
    options = parser.parse_args()
    kind = SERVERS[options.server]
    with kind() as one, kind() as two, tempfile.TemporaryDirectory() as folder:
        source = one.add_calendar("user", "source")
        two.add_calendar("user", "target")
        for number in range(options.events):
            one.put(source, f"{number}.ics", ics(number))
        engine = SyncEngine(
            store=SQLStore(f"sqlite:///{Path(folder) / 'bench.db'}"),
            providers={"caldav": CalDAVProvider()},
            secret="only for this benchmark",  # noqa: S106  (it guards nothing)
            policy=SyncPolicy(horizon_days=120),
        )
        connect(engine, "source", one, publish=True, receive=False)
        connect(engine, "target", two, publish=False, receive=True)
        sync = engine.sync_calendars_needing_polling
        measure("first", sync)
        measure("echo", sync)
        measure("no change", sync)
        for number in range(10):
            one.put(source, f"{number}.ics", ics(number, timedelta(minutes=15)))
        measure("10 changes", sync)
        for number in range(10, 20):
            one.delete(source, f"{number}.ics")
        measure("10 deletions", sync)
        measure("no change", sync)


if __name__ == "__main__":
    main()
