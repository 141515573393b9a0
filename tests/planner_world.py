"""The example project for real: its web server and its scheduler are processes, and so is its database where it can be.

Google is simulated and served over HTTP by the test's process, Radicale is Radicale, and people come with a browser.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import attrs
import httpx

from calsync_core.credentials import new_key
from calsync_core.system import SystemClock
from calsync_core.testing import GoogleSimulator, VirtualClock
from calsync_core.testing.browser import Browser
from calsync_core.testing.servers import RadicaleServer
from django_bench import databases_of
from planted import secret, title

__all__ = ["ANA", "PASSWORD", "Planner", "planner"]

ANA, PASSWORD = "ana@example.com", "ana-at-the-planner"
PATIENCE = 90.0
"""Seconds for what other processes do: never reached where all is well."""

_HOUR = timedelta(hours=1)
_ROOT = Path(__file__).resolve().parents[1]


class Planner:
    """The project on one machine.

    Attributes:
        url: Where its pages are.
        google: Where Ana has a calendar.
        radicale: Where she has another one.
        home: That one's address.
    """

    def __init__(
        self, folder: Path, database: dict[str, Any], google: GoogleSimulator, radicale: RadicaleServer
    ) -> None:
        self.google, self.radicale = google, radicale
        self.home = radicale.add_calendar("ana", "home", name="Home", timezone="Europe/Berlin")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        told = {
            "google_port": urlsplit(google.base_url).port,
            "client": attrs.asdict(google.oauth_client),
            "database": database,
        }
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
            "PYTHONPATH": os.pathsep.join([str(_ROOT / "examples" / "django"), str(_ROOT / "tests"), *sys.path]),
            "DJANGO_SETTINGS_MODULE": "planner_settings",
            "PLANNER_TEST": json.dumps(told),
            "PLANNER_URL": self.url,
            "PLANNER_SECRET_KEY": secret("of-the-planner"),
            "PLANNER_DEBUG": "1",
            "CALSYNC_SECRET": secret("of-its-calendars"),
            "CALSYNC_KEY": new_key(),
        }

    # -- processes --------------------------------------------------------------------------------------------------

    def manage(self, *command: str) -> str:
        """``manage.py`` with this command; what it says."""
        ended = subprocess.run(
            [sys.executable, "-W", "error", "examples/django/manage.py", *command],
            cwd=_ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout.strip()

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A Python program that goes on."""
        log = self._folder / f"{len(self._processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=_ROOT,
                env=self._environment,
                stdout=output,
                stderr=output,
                pass_fds=[self._listener.fileno()],
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def serve(self, kind: Literal["wsgi", "asgi"]) -> None:
        """Two workers of gunicorn, or uvicorn."""
        there = self._listener.fileno()
        if kind == "wsgi":
            self.start("-m", "gunicorn", "planner.wsgi", "--workers", "2", "--bind", f"fd://{there}")
        else:
            self.start("-m", "uvicorn", "planner.asgi:application", "--fd", str(there), "--lifespan", "off")
        self.until(self.health)

    def health(self) -> str:
        """As a probe is told it; empty where nobody answers."""
        try:
            return str(httpx.get(f"{self.url}/calsync/health", timeout=5, trust_env=False).json()["status"])
        except httpx.TransportError:
            return ""

    def schedule(self) -> subprocess.Popen[bytes]:
        return self.start("examples/django/manage.py", "run_scheduler", "--polling-tick", "1")

    def stop(self) -> None:
        """Nothing is waited for: what is left undone belongs to nobody."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._listener.close()

    def logs(self) -> str:
        """What the processes said, for whoever has to find out why a test failed."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self._folder.glob("*.log")))

    def until(self, happens: Callable[[], object]) -> None:
        """Deliver what Google pushes until it does."""
        deadline, pause = time.monotonic() + PATIENCE, threading.Event()
        while not happens():
            assert time.monotonic() < deadline, self.logs()[-20_000:]
            self.google.outbox.deliver()
            pause.wait(0.1)

    # -- people ------------------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Its tables are made, and Ana gets a user name that may see the admin's pages."""
        code = (
            "from django.contrib.auth.models import User; from django.core.management import call_command; "
            f"call_command('migrate', verbosity=0); User.objects.create_superuser('ana', password={PASSWORD!r})"
        )
        self.manage("shell", "--command", code)

    def ana_connects(self) -> str:
        """She logs in, connects both accounts, and looks at her calendars: what the page says."""
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            browser = Browser(client, google=self.google)
            browser.open("/")
            browser.submit(username="ana", password=PASSWORD)
            browser.open("/calsync/connect/google")
            browser.submit()
            browser.consent(ANA)
            browser.submit()
            user, password = next(iter(self.radicale.users.items()))
            browser.open("/calsync/connect/caldav")
            browser.submit(username=user, password=password, address=self.radicale.base_url)
            browser.submit(**dict.fromkeys(browser.forms[-1].boxes, True))
            assert browser.path == "/"
            return browser.text

    def book(self, start: datetime | None = None) -> datetime:
        """A meeting at Google, tomorrow unless said; when it begins."""
        if start is None:
            start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
        times = {name: {"dateTime": moment.isoformat()} for name, moment in (("start", start), ("end", start + _HOUR))}
        self.google.put_event(ANA, {"summary": title("Review"), **times})
        return start

    def anas_page(self) -> str:
        """What she sees now."""
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            browser = Browser(client, google=self.google)
            browser.open("/")
            browser.submit(username="ana", password=PASSWORD)
            return browser.text

    def book_a_month(self) -> None:
        """A meeting a day at Google, after the first one."""
        first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        for day in range(2, 31):
            self.book(first + timedelta(days=day))

    def clear_the_month(self) -> None:
        """All of them go at once."""
        for event in self.google.events(ANA):
            self.google.remove_event(ANA, event["id"])

    def blocks(self) -> list[str]:
        """What stands on the calendar at home."""
        return [self.radicale.read(self.home, name) for name in self.radicale.names(self.home)]


@contextmanager
def planner(kind: str, folder: Path) -> Iterator[Planner]:
    """It is set up, and nothing of it runs yet.

    Args:
        kind: Of database.
        folder: For files and logs.
    """
    google = GoogleSimulator(cast("VirtualClock", SystemClock()))
    google.add_user(ANA, timezone="Europe/Berlin")
    with ExitStack() as stack:
        database = stack.enter_context(databases_of(kind, folder))
        radicale = RadicaleServer({"ana": secret("of-ana-at-radicale")})
        radicale.start()
        stack.callback(radicale.stop)
        stack.enter_context(google)
        project = Planner(folder, database, google, radicale)
        stack.callback(project.stop)
        project.set_up()
        yield project
