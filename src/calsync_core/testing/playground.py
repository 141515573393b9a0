"""Google and Microsoft on this machine, to try an application with by hand: people connect, book and look in a browser.

::

    python -m calsync_core.testing.playground [--connect URL] -- python app.py -- python worker.py

serves both, and a page with Ana's calendars as she sees them there, for as long as these commands run, or until Ctrl-C.
``--connect`` says where the application has its connect pages, if not at ``http://127.0.0.1:8000/connect``: Microsoft
sends people back nowhere else. The commands find in their environment ``PLAYGROUND``, that page's address, which
``services_at`` takes; and ``CALSYNC_SECRET``, ``CALSYNC_KEY`` and ``DATABASE``, new each time unless
they are set already.

Nothing of it is kept, and everybody may do everything: it listens on the loopback interface only.

Its exit code is 0 after Ctrl-C or SIGTERM; the highest of the commands' codes once one of them has ended; 127 for a
command that can't be started; 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from types import TracebackType
from typing import Any, Self

import attrs
import httpx

from calsync_core.credentials import new_key
from calsync_core.models import OAuthClient
from calsync_core.protocols import Provider
from calsync_core.testing.simulators.google import GoogleSimulator
from calsync_core.testing.simulators.graph import GraphSimulator
from calsync_core.testing.simulators.messages import Request, Response
from calsync_core.testing.simulators.service import SimulatedService

__all__ = ["AT_GOOGLE", "AT_MICROSOFT", "Playground", "services_at"]

AT_GOOGLE, AT_MICROSOFT = "ana@example.com", "ana@contoso.example"
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "main{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:2rem}li{margin:.4rem 0}"
    "li form{display:inline}button{font:inherit}small{opacity:.75}"
)


class Playground(SimulatedService):
    """Both services with Ana's calendars, their pushes, and the page with both. Use it as a context manager.

    Args:
        connect_url: Where the application has its connect pages, as browsers see them: people are sent back there.
    """

    def __init__(self, connect_url: str) -> None:
        super().__init__()
        self.google, self.microsoft = GoogleSimulator(), GraphSimulator()
        self.google.habits.asks_for_consent = self.microsoft.habits.asks_for_consent = True
        self.google.add_user(AT_GOOGLE, timezone="Europe/Berlin")
        self.microsoft.add_user(AT_MICROSOFT, zone="W. Europe Standard Time")
        self.connect_url = connect_url.rstrip("/")
        self._booked = 0
        self._over = threading.Event()
        self._postman = threading.Thread(target=self._deliver, name="playground-pushes", daemon=True)

    def __enter__(self) -> Self:
        self.google.start()
        self.microsoft.start()
        self._postman.start()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._postman.join()
        super().__exit__(kind, error, trace)
        self.microsoft.stop()
        self.google.stop()

    def book(self, service: str) -> None:
        """Ana books an hour of one of the next days, at ``google`` or at ``microsoft``."""
        self._booked += 1
        day, hour = divmod(self._booked - 1, 8)
        start = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(
            days=1 + day, hours=hour
        )
        times = {
            name: {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}
            for name, at in (("start", start), ("end", start + timedelta(hours=1)))
        }
        title = f"Meeting {self._booked}"
        if service == "google":
            self.google.put_event(AT_GOOGLE, {"summary": title, **times})
        else:
            self.microsoft.put_event(self._folder, {"subject": title, **times})

    def cancel(self, service: str, key: str) -> None:
        """Ana deletes an event; nothing happens if there is none of this id."""
        if key not in {event[0] for event in self.events(service)}:
            return
        if service == "google":
            self.google.remove_event(AT_GOOGLE, key)
        else:
            self.microsoft.remove_event(key)

    def events(self, service: str) -> list[tuple[str, str, str]]:
        """What stands on her calendar there: id, start (in UTC, or a date) and title, in order of time."""
        if service == "google":
            found = [(each["id"], each["start"], each["summary"]) for each in self.google.events(AT_GOOGLE)]
        else:
            found = [(each["id"], each["start"], each["subject"]) for each in self.microsoft.events(self._folder)]
        return sorted(((key, _spell(start), title) for key, start, title in found), key=lambda event: event[1:])

    def answer(self, request: Request) -> Response:
        """The page, what applications need to know, and what is done on the page."""
        match request.method, request.path.strip("/").split("/"):
            case "GET", [""]:
                return Response(200, _HTML, _page(self).encode())
            case "GET", ["services.json"]:
                return Response.of(self._services())
            case "POST", [service, "book"] if service in _SERVICES:
                self.book(service)
            case "POST", [service, "cancel"] if service in _SERVICES:
                self.cancel(service, request.form().get("event", ""))
            case _:
                return Response(404)
        return Response(303, {"Location": "/"})

    @property
    def _folder(self) -> str:
        return self.microsoft.calendars(AT_MICROSOFT)[0]

    def _services(self) -> dict[str, Any]:
        clients = {
            "google": self.google.oauth_client,
            "microsoft": self.microsoft.oauth_client(f"{self.connect_url}/microsoft/callback"),
        }
        bases = {"google": self.google.base_url, "microsoft": self.microsoft.base_url}
        return {name: {"base_url": bases[name], "client": attrs.asdict(clients[name])} for name in bases}

    def _deliver(self) -> None:
        while not self._over.wait(0.05):
            self.google.outbox.deliver()
            self.microsoft.outbox.deliver()


_SERVICES = {"google": ("Google", AT_GOOGLE), "microsoft": ("Microsoft", AT_MICROSOFT)}


def services_at(url: str) -> tuple[dict[str, Provider], dict[str, OAuthClient]]:
    """What an application gives its engine, and its connect pages, to use the playground at this address."""
    from calsync_core.providers.google import GoogleProvider  # noqa: PLC0415  (an extra)
    from calsync_core.providers.microsoft import MicrosoftProvider  # noqa: PLC0415  (an extra)

    told: Mapping[str, Any] = httpx.get(f"{url}/services.json", trust_env=False).raise_for_status().json()
    providers: dict[str, Provider] = {
        "google": GoogleProvider(base_url=told["google"]["base_url"]),
        "microsoft": MicrosoftProvider(base_url=told["microsoft"]["base_url"]),
    }
    return providers, {name: OAuthClient(**each["client"]) for name, each in told.items()}


def _page(playground: Playground) -> str:
    sections = "".join(_section(playground, name, *titles) for name, titles in _SERVICES.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Ana's calendars</title><style>{_STYLE}</style><h1>Ana's calendars, as she sees them</h1>"
        f'<p><a href="/">Look again</a> (times are UTC)</p><main>{sections}</main></html>'
    )


def _section(playground: Playground, name: str, title: str, address: str) -> str:
    lines = "".join(_line(name, *event) for event in playground.events(name)) or "<li>Nothing.</li>"
    book = f'<form method="post" action="/{name}/book"><button>Book an hour</button></form>'
    return f'<section id="{name}"><h2>{title}</h2><p><small>{address}</small></p><ul>{lines}</ul>{book}</section>'


def _spell(start: Mapping[str, str]) -> str:
    """A start as Google or Graph has it. What names no offset is in UTC: nobody books otherwise here."""
    if "date" in start:
        return start["date"]
    at = datetime.fromisoformat(start["dateTime"][:26])
    return f"{at if at.tzinfo is None else at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _line(name: str, key: str, start: str, title: str) -> str:
    cancel = f'<input type="hidden" name="event" value="{escape(key)}"><button>Cancel</button>'
    form = f'<form method="post" action="/{name}/cancel">{cancel}</form>'
    return f"<li>{escape(start)} <b>{escape(title)}</b> {form}</li>"


def _run(playground: Playground, commands: Sequence[Sequence[str]]) -> int:
    """Run these until one of them ends, and return its exit code, or until somebody ends this."""
    with tempfile.TemporaryDirectory(prefix="calsync-playground-") as folder:
        made = {
            "CALSYNC_SECRET": new_key(),
            "CALSYNC_KEY": new_key(),
            "DATABASE": f"sqlite:///{folder}/planner.db",
        }
        print(f"Ana's calendars: {playground.origin}/", flush=True)  # noqa: T201  (a command)
        print(f"Your connect pages: {playground.connect_url}/ (if they are elsewhere: --connect URL)", flush=True)  # noqa: T201  (a command)
        processes: list[subprocess.Popen[bytes]] = []
        told = {**made, **os.environ, "PLAYGROUND": playground.origin}
        tick = threading.Event()
        try:
            for command in commands:
                try:
                    processes.append(subprocess.Popen(command, env=told))  # noqa: S603  (as told)
                except OSError as error:
                    print(f"{command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201  (a command)
                    return 127
            while all(process.poll() is None for process in processes):
                tick.wait(0.1)
        except KeyboardInterrupt:
            return 0
        finally:
            for process in processes:
                process.terminate()
            codes = [process.wait() for process in processes]
    return max(codes)


def main() -> int:
    """Serve until Ctrl-C, or until the application ends; returns the exit code."""
    arguments, *commands = _split(sys.argv[1:])
    parser = argparse.ArgumentParser(
        prog="python -m calsync_core.testing.playground",
        description="Google and Microsoft on this machine, to try an application with.",
        usage="%(prog)s [--connect URL] [-- COMMAND …]…",
    )
    parser.add_argument(
        "--connect",
        default="http://127.0.0.1:8000/connect",
        metavar="URL",
        help="where the application has its connect pages  [default: %(default)s]",
    )
    chosen, strange = parser.parse_known_args(arguments)
    if strange:
        parser.error(f"unrecognized arguments: {' '.join(strange)}; a command comes after --, as in: -- python app.py")
    if not all(commands):
        parser.error("--: a command must follow, as in: -- python app.py")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Playground(chosen.connect) as playground:
        return _run(playground, commands)


def _split(words: Sequence[str]) -> list[list[str]]:
    """At each ``--``."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


if __name__ == "__main__":
    sys.exit(main())
