"""Ana at home and at work: two CalDAV servers, each with a calendar and a meeting on it.

For trying the quickstart on this machine; needs the extra ``demo``. It prints what the
quickstart reads from the environment, and runs until Ctrl-C.
"""

from __future__ import annotations

import secrets
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from calsync_core.models import Event, Span
from calsync_core.testing import icalendar_of
from calsync_core.testing.servers import RadicaleServer


@contextmanager
def two_servers() -> Iterator[dict[str, str]]:
    """The servers, running, and the variables that lead to them."""
    environment = {"CALSYNC_SECRET": secrets.token_urlsafe(24)}
    home = RadicaleServer({"ana": secrets.token_urlsafe(12)})
    work = RadicaleServer({"ana": secrets.token_urlsafe(12)})
    with home, work:
        for days, (name, server) in enumerate([("home", home), ("work", work)], start=1):
            url = server.add_calendar("ana", "calendar", name=name.title())
            start = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
            start += timedelta(days=days)
            uid = f"{name}@example.com"
            meeting = Event(uid, uid, Span(start, start + timedelta(hours=1)), title="Meeting")
            server.put(url, "meeting.ics", icalendar_of(meeting))
            environment[f"{name.upper()}_URL"] = server.base_url
            environment[f"{name.upper()}_PASSWORD"] = server.users["ana"]
        yield environment


if __name__ == "__main__":
    with two_servers() as variables, suppress(KeyboardInterrupt):
        for variable, value in variables.items():
            print(f"export {variable}={shlex.quote(value)}", flush=True)
        threading.Event().wait()
