"""Real CalDAV servers on this machine: Radicale and Xandikos, each a process of its own with a folder of its own.

Tests run against them, and so does ``calsync demo``. They listen on a free port of the loopback interface only, and
everything they store disappears with them.
"""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import httpx

from calsync_core.errors import CalsyncError, ConfigurationError
from calsync_core.protocols import Clock
from calsync_core.system import SystemClock

__all__ = ["CalDAVServer", "RadicaleServer", "ServerError", "XandikosServer"]

_HOST = "127.0.0.1"
_LISTING = '<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>'


class ServerError(CalsyncError):
    """The server did not start, or refused a request that sets up its data."""


class CalDAVServer(ABC):
    """A real CalDAV server in a subprocess. Use it as a context manager, or call ``start`` and ``stop``.

    Args:
        users: User names and passwords.
        clock: For waiting until the server answers.
        start_timeout: Seconds until starting is given up.
    """

    package: ClassVar[str]
    extra: ClassVar[str]

    def __init__(
        self, users: dict[str, str] | None = None, *, clock: Clock | None = None, start_timeout: float = 30
    ) -> None:
        self.users = dict(users or {"user": "secret"})
        self._clock = clock or SystemClock()
        self._start_timeout = start_timeout
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._http: httpx.Client | None = None
        self._port = 0

    @abstractmethod
    def command(self, folder: Path, port: int) -> list[str]:
        """The command line that serves ``folder`` on ``port``; may write configuration there first."""

    @abstractmethod
    def home(self, user: str) -> str:
        """Path of the collection that holds the user's calendars; ends with a slash."""

    @property
    def base_url(self) -> str:
        """The DAV root, as in ``Account.base_url``; ends with a slash."""
        return f"http://{_HOST}:{self._port}/"

    @property
    def folder(self) -> Path:
        """Where the server keeps its data and its log.

        Raises:
            ServerError: it is not running.
        """
        if self._folder is None:
            raise ServerError(f"{self.package}: not started")
        return Path(self._folder.name)

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            ConfigurationError: the server's package is not installed.
            ServerError: it ended or did not answer in time; the message has the end of its log.
        """
        if importlib.util.find_spec(self.package) is None:
            raise ConfigurationError(f"{self.package} is not installed: pip install {self.extra}")
        self._folder = tempfile.TemporaryDirectory(prefix=f"calsync-{self.package}-")
        for last in (False, False, True):
            self._port = _free_port()
            self._launch()
            if self._ready(last=last):
                break
        self._http = httpx.Client(timeout=30, trust_env=False)

    def stop(self) -> None:
        """Stop it and delete everything it stored. Harmless if it is not running."""
        if self._http is not None:
            self._http.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._folder is not None:
            self._folder.cleanup()
        self._process = self._folder = self._http = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add_calendar(
        self,
        user: str,
        slug: str,
        *,
        name: str | None = None,
        timezone: str | None = None,
        components: Sequence[str] = ("VEVENT",),
    ) -> str:
        """Make a calendar and return its absolute URL, which ends with a slash.

        Args:
            user: One of ``users``.
            slug: Its name in the URL.
            name: Its display name; default ``slug``.
            timezone: IANA name for the calendar's ``calendar-timezone``.
            components: What it may hold.
        """
        url = self.base_url.rstrip("/") + self.home(user) + quote(slug) + "/"
        comps = "".join(f'<C:comp name="{escape(each)}"/>' for each in components)
        zone = f"<C:calendar-timezone>{_vtimezone(timezone)}</C:calendar-timezone>" if timezone else ""
        body = (
            '<?xml version="1.0" encoding="utf-8"?>'
            '<C:mkcalendar xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop>'
            f"<displayname>{escape(name or slug)}</displayname>"
            f"<C:supported-calendar-component-set>{comps}</C:supported-calendar-component-set>{zone}"
            "</prop></set></C:mkcalendar>"
        )
        self._send("MKCALENDAR", url, user, body, {"Content-Type": "application/xml; charset=utf-8"})
        return url

    def put(self, calendar_url: str, name: str, text: str) -> str | None:
        """Store an iCalendar text under a resource name, whatever was there; return its ETag if the server tells."""
        headers = {"Content-Type": "text/calendar; charset=utf-8"}
        answer = self._send("PUT", calendar_url + quote(name), self._owner(calendar_url), text, headers)
        etag: str | None = answer.headers.get("ETag")
        return etag

    def read(self, calendar_url: str, name: str) -> str:
        """The stored iCalendar text.

        Raises:
            ServerError: there is no such resource.
        """
        return self._send("GET", calendar_url + quote(name), self._owner(calendar_url)).text

    def delete(self, calendar_url: str, name: str = "") -> None:
        """Delete a resource; without a name, the calendar."""
        self._send("DELETE", calendar_url + quote(name), self._owner(calendar_url))

    def names(self, calendar_url: str) -> list[str]:
        """The resource names in a calendar, sorted."""
        headers = {"Depth": "1", "Content-Type": "application/xml; charset=utf-8"}
        answer = self._send("PROPFIND", calendar_url, self._owner(calendar_url), _LISTING, headers)
        own = unquote(urlsplit(calendar_url).path)
        tree = ElementTree.fromstring(answer.text)  # noqa: S314  (our own child process wrote it)
        paths = (unquote(urlsplit(node.text or "").path) for node in tree.iterfind("{DAV:}response/{DAV:}href"))
        return sorted(path.removeprefix(own) for path in paths if path.rstrip("/") != own.rstrip("/"))

    def _owner(self, calendar_url: str) -> str:
        path = urlsplit(calendar_url).path
        return next((user for user in self.users if path.startswith(self.home(user))), next(iter(self.users)))

    def _send(
        self, method: str, url: str, user: str, body: str = "", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        if self._http is None:
            raise ServerError(f"{self.package}: not started")
        auth = (user, self.users[user])
        answer = self._http.request(method, url, content=body.encode(), headers=headers, auth=auth)
        if not answer.is_success:
            raise ServerError(f"{self.package}: {method} {urlsplit(url).path} gave {answer.status_code}")
        return answer

    def _launch(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter, our own arguments)
                self.command(self.folder, self._port), stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )

    def _ready(self, *, last: bool) -> bool:
        """Wait for the port. False: the process ended (the port may have been taken meanwhile), try another one."""
        process = self._process
        limit = self._clock.monotonic() + self._start_timeout
        while process is not None and process.poll() is None and self._clock.monotonic() < limit:
            with socket.socket() as probe:
                if probe.connect_ex((_HOST, self._port)) == 0:
                    return True
            self._clock.sleep(0.05)
        ended = process is not None and process.poll() is not None
        if ended and not last:
            return False
        log = (self.folder / "server.log").read_text(errors="replace")[-600:]
        self.stop()
        raise ServerError(f"{self.package} {'ended at once' if ended else 'did not answer in time'}: {log}")


class RadicaleServer(CalDAVServer):
    """Radicale: each user's calendars are under ``/USER/``; passwords are checked."""

    package = "radicale"
    extra = "'calsync-core[demo]'"

    def home(self, user: str) -> str:
        """``/USER/``."""
        return f"/{quote(user)}/"

    def add_read_only_calendar(self, user: str, slug: str) -> str:
        """Make an empty calendar that nobody may write to, and return its absolute URL.

        Args:
            user: One of ``users``.
            slug: Its name in the URL; begins with ``read-only``, which is what the server goes by.
        """
        folder = self.folder / "data" / "collection-root" / user / slug
        folder.mkdir(parents=True)
        (folder / ".Radicale.props").write_text('{"tag": "VCALENDAR"}')
        return self.base_url.rstrip("/") + self.home(user) + quote(slug) + "/"

    def command(self, folder: Path, port: int) -> list[str]:
        """Radicale on a configuration of its own: nothing of the machine's is read."""
        (folder / "rights").write_text(
            "[locked]\nuser: .+\ncollection: {user}/read-only.*\npermissions: r\n"
            "[root]\nuser: .+\ncollection:\npermissions: R\n"
            "[home]\nuser: .+\ncollection: {user}\npermissions: RW\n"
            "[calendars]\nuser: .+\ncollection: {user}/[^/]+\npermissions: rw\n"
        )
        passwords = folder / "users"
        passwords.write_text("".join(f"{user}:{password}\n" for user, password in self.users.items()))
        config = folder / "radicale.ini"
        config.write_text(
            f"[server]\nhosts = {_HOST}:{port}\n"
            f"[auth]\ntype = htpasswd\nhtpasswd_filename = {passwords}\nhtpasswd_encryption = plain\ndelay = 0\n"
            f"[rights]\ntype = from_file\nfile = {folder / 'rights'}\n"
            f"[storage]\nfilesystem_folder = {folder / 'data'}\n"
            "[logging]\nlevel = warning\n"
        )
        return [sys.executable, "-m", "radicale", "--config", str(config)]


class XandikosServer(CalDAVServer):
    """Xandikos: one principal, ``/user/``, and no password check. Every user name sees the same calendars."""

    package = "xandikos"
    extra = "xandikos"

    def home(self, user: str) -> str:  # noqa: ARG002  (all users share it)
        """``/user/calendars/``."""
        return "/user/calendars/"

    def command(self, folder: Path, port: int) -> list[str]:
        """Xandikos with its principal made, and its state kept out of the home folder."""
        data, state = str(folder / "data"), str(folder / "state")
        where = ["-d", data, "--state-dir", state, "-l", _HOST, "-p", str(port)]
        return [sys.executable, "-m", "xandikos", "serve", *where, "--defaults", "--no-detect-systemd"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _vtimezone(name: str) -> str:
    """Just enough of a VTIMEZONE to carry a name: readers look the rules up themselves."""
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//calsync//test server//EN",
        "BEGIN:VTIMEZONE",
        f"TZID:{name}",
        f"X-LIC-LOCATION:{name}",
        "BEGIN:STANDARD",
        "DTSTART:19700101T000000",
        "TZOFFSETFROM:+0000",
        "TZOFFSETTO:+0000",
        "END:STANDARD",
        "END:VTIMEZONE",
        "END:VCALENDAR",
        "",
    )
    return escape("\r\n".join(lines))
