"""An HTTP server on the loopback interface that answers as a test says, as no real CalDAV server would."""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from attrs import field, frozen

COLLECTION = "/dav/work/"


@frozen
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def login(self) -> str:
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return base64.b64decode(value).decode() if scheme == "Basic" else value


@frozen
class Reply:
    """An answer; ``raw`` writes to the socket itself and returns when it likes."""

    status: int = 207
    body: str | bytes = b""
    headers: Mapping[str, str] = field(factory=dict)
    raw: Callable[[BufferedIOBase], object] | None = None


Script = Callable[[Request], Reply]


class ScriptedServer:
    """Answers every request by ``script`` and remembers it in ``requests``."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or (lambda _: Reply(404))
        self.requests: list[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, self.rfile.read(size).decode())
                outer.requests.append(request)
                outer._write(self, outer.script(request))

            do_GET = do_POST = do_PUT = do_DELETE = do_PROPFIND = do_REPORT = _answer  # noqa: N815  (the base class's names)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
                """Keep quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @staticmethod
    def _write(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        with contextlib.suppress(OSError):
            if reply.raw is not None:
                reply.raw(handler.wfile)
                return
            handler.send_response(reply.status)
            for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def response(key: str, *, etag: str | None = None, data: str | None = None, status: int = 200) -> str:
    """One member of a multistatus; a status other than 200 stands for the whole resource."""
    href = key if key.startswith(("/", "http")) else COLLECTION + key
    if status != 200:
        return f"<response><href>{escape(href)}</href><status>HTTP/1.1 {status} So</status></response>"
    tag = f"<getetag>{escape(etag)}</getetag>" if etag else ""
    text = f"<C:calendar-data>{escape(data)}</C:calendar-data>" if data else ""
    return prop(href, tag + text)


def prop(href: str, inner: str, missing: str = "") -> str:
    """One member with these properties, and a second propstat for those that it lacks."""
    lacks = f"<propstat><prop>{missing}</prop><status>HTTP/1.1 404 Not Found</status></propstat>" if missing else ""
    return (
        f"<response><href>{escape(href)}</href><propstat><prop>{inner}</prop>"
        f"<status>HTTP/1.1 200 OK</status></propstat>{lacks}</response>"
    )


def multistatus(*responses: str, token: str | None = None) -> Reply:
    """A 207 with these members, and a sync token if given."""
    end = f"<sync-token>{escape(token)}</sync-token>" if token else ""
    spaces = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"'
    body = f'<?xml version="1.0" encoding="utf-8"?><multistatus {spaces}>{"".join(responses)}{end}</multistatus>'
    return Reply(207, body)


def refusal(status: int, *conditions: str) -> Reply:
    """An error with a ``DAV:error`` body naming preconditions; ``C:`` marks CalDAV's."""
    inner = "".join(f"<{name}/>" for name in conditions)
    spaces = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
    return Reply(status, f'<?xml version="1.0" encoding="utf-8"?><error {spaces}>{inner}</error>')


@contextlib.contextmanager
def scripted(script: Script) -> Iterator[ScriptedServer]:
    """A server for the length of a with statement."""
    server = ScriptedServer(script)
    try:
        yield server
    finally:
        server.close()


class Dav:
    """A script that plays one collection well, so that a test can play one thing in it badly.

    ``twist`` sees each request first and answers it, or returns None to let this one answer. ``silent_multiget``
    leaves missing members out, ``etag_on_put`` and ``sync`` say what this server can.
    """

    def __init__(
        self, files: Mapping[str, str] | None = None, twist: Callable[[Request], Reply | None] | None = None
    ) -> None:
        self.files = dict(files or {})
        self.twist = twist
        self.silent_multiget = False
        self.etag_on_put = True
        self.sync = True
        self.ctag: str | None = None

    def __call__(self, request: Request) -> Reply:
        told = self.twist(request) if self.twist else None
        return told if told is not None else self.answer(request)

    def answer(self, request: Request) -> Reply:
        """As a good server would."""
        if request.method == "PROPFIND":
            return self._propfind(request)
        if request.method == "REPORT":
            return self._multiget(request) if "calendar-multiget" in request.body else self._sync(request)
        key = key_of(request)
        if request.method == "GET":
            return Reply(200, self.files[key], {"ETag": self.etag(key)}) if key in self.files else Reply(404)
        return self._write(request, key)

    def etag(self, key: str) -> str:
        """Changes with the content."""
        return f'"{hash(self.files[key]) & 0xFFFFFFFF:x}"'

    def _write(self, request: Request, key: str) -> Reply:
        there, wanted = key in self.files, request.headers.get("if-match")
        if (there and request.headers.get("if-none-match") == "*") or (wanted and not there):
            return Reply(404 if request.method == "DELETE" and not there else 412)
        if wanted and wanted != self.etag(key):
            return Reply(412)
        if request.method == "DELETE":
            return Reply(204 if self.files.pop(key, None) is not None else 404)
        self.files[key] = request.body
        return Reply(204 if there else 201, headers={"ETag": self.etag(key)} if self.etag_on_put else {})

    def _propfind(self, request: Request) -> Reply:
        key = key_of(request)
        if key:
            return multistatus(response(key, etag=self.etag(key))) if key in self.files else Reply(404)
        ctag = f"<S:getctag>{self.ctag}</S:getctag>" if self.ctag else ""
        own = prop(COLLECTION, f"<resourcetype><collection/><C:calendar/></resourcetype>{ctag}")
        members = [response(name, etag=self.etag(name)) for name in self.files]
        return multistatus(own, *(members if request.headers.get("depth") == "1" else []))

    def _sync(self, request: Request) -> Reply:
        if not self.sync:
            return Reply(403)
        inline = "calendar-data" in request.body
        members = [
            response(key, etag=self.etag(key), data=text if inline else None) for key, text in self.files.items()
        ]
        return multistatus(*members, token="http://sync/1")

    def _multiget(self, request: Request) -> Reply:
        found = []
        for part in request.body.split("<D:href>")[1:]:
            key = unquote(part.partition("</D:href>")[0].rsplit("/", 1)[-1])
            if key in self.files:
                found.append(response(key, etag=self.etag(key), data=self.files[key]))
            elif not self.silent_multiget:
                found.append(response(key, status=404))
        return multistatus(*found)


def key_of(request: Request) -> str:
    """The resource a request is about; empty for the collection."""
    return unquote(urlsplit(request.path).path.rsplit("/", 1)[-1])
