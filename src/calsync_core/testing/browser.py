"""A person's browser, as far as connecting an account needs one: pages, forms, cookies, and the consent pages of the
simulators. Without scripts, and without a network unless the application is across one.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Collection
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from attrs import define, field

from calsync_core.errors import CalsyncError
from calsync_core.testing.simulators.google import GoogleSimulator
from calsync_core.testing.simulators.graph import GraphSimulator

__all__ = ["Browser", "BrowserError", "Form", "client_for"]

_MOST_REDIRECTS = 10


class BrowserError(CalsyncError):
    """There is no such form, or the browser was sent to where no page is simulated."""


@define
class Form:
    """A form of a page.

    Attributes:
        fields: What it would send now: what is typed in or hidden, and the boxes that are ticked.
        boxes: All boxes, with what each would send.
    """

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(factory=dict, repr=False)
    boxes: dict[str, str] = field(factory=dict, repr=False)


class Browser:
    """Walks through a host's pages; each method goes on from the page before.

    ::

        browser = Browser(client_for(app, "https://app.example.com"), google=google)
        browser.open("/connect/google")
        browser.submit()
        browser.consent("ana@example.com", untick=["calendar.events"])

    Args:
        client: Asks the host's application; see ``client_for``. Any client will do, Starlette's ``TestClient`` too.
        google: Whose consent page stands for Google's.
        microsoft: Whose stands for Microsoft's.

    Attributes:
        response: The last answer of the host's.
        waiting_at: The consent page that the person was sent to and has not answered; None: they are with the host.
    """

    def __init__(
        self, client: httpx.Client, *, google: GoogleSimulator | None = None, microsoft: GraphSimulator | None = None
    ) -> None:
        self._client = client
        self._google = google
        self._microsoft = microsoft
        self.response = httpx.Response(204, request=httpx.Request("GET", client.base_url))
        self.waiting_at: str | None = None

    # -- where it is ----------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The path of the page."""
        return self.response.url.path

    @property
    def status(self) -> int:
        """Its status."""
        return self.response.status_code

    @property
    def text(self) -> str:
        """Its HTML."""
        return self.response.text

    @property
    def forms(self) -> list[Form]:
        """Its forms, in order."""
        reader = _Reader()
        reader.feed(self.text)
        return reader.forms

    # -- what a person does ---------------------------------------------------------------------------------------

    def open(self, path: str) -> httpx.Response:
        """Type an address of the host's in, or follow a link to it."""
        return self._go("GET", path)

    def submit(self, number: int = 0, /, **fields: str | bool) -> httpx.Response:
        """Fill in some fields of a form, tick (True) or untick (False) some boxes, and send it.

        Args:
            number: Which form of the page, from 0.
            fields: By their names; ``-`` in a name is written ``_``.

        Raises:
            BrowserError: the page has no such form.
        """
        forms = self.forms
        if number >= len(forms):
            raise BrowserError(f"{self.path} (status {self.status}) has {len(forms)} forms")
        form = forms[number]
        names = {name.replace("-", "_"): name for name in (*form.fields, *form.boxes)}
        for given, value in fields.items():
            name = names.get(given, given)
            form.fields.pop(name, None)
            if value is not False:
                form.fields[name] = form.boxes.get(name, "on") if value is True else value
        action = form.action or str(self.response.url)
        if form.method == "get":
            return self._go("GET", action, params=form.fields)
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(str(self.response.url)))
        return self._go("POST", action, data=form.fields, headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"})

    def consent(self, user: str, *, deny: bool = False, untick: Collection[str] = ()) -> httpx.Response:
        """Answer the consent page as this user, and come back to the host.

        Args:
            user: Their address at the simulator.
            deny: Say no.
            untick: Scopes, as Google's page has them, without their prefix.

        Raises:
            BrowserError: the person was not sent to one.
        """
        page, self.waiting_at = self.waiting_at, None
        if page is None:
            raise BrowserError(f"{self.path} (status {self.status}) sent nobody to a consent page")
        if self._google is not None and page.startswith(self._google.authorize_url):
            return self._go("GET", self._google.consent(page, user, deny=deny, untick=untick))
        if self._microsoft is not None and page.startswith(self._microsoft.authority):
            return self._go("GET", self._microsoft.consent(page, user, deny=deny))
        raise BrowserError(f"nothing stands for {urlsplit(page).netloc} here")

    def _go(self, method: str, url: str, **more: Any) -> httpx.Response:
        """Ask, and follow redirects for as long as they stay with the host."""
        url = urljoin(str(self.response.url), url)
        for _ in range(_MOST_REDIRECTS):
            self.response = self._client.request(method, url, follow_redirects=False, **more)
            target = self.response.headers.get("location")
            if target is None or not self.response.is_redirect:
                return self.response
            url, method, more = urljoin(url, target), "GET", {}
            if urlsplit(url)[:2] != urlsplit(str(self.response.url))[:2]:
                self.waiting_at = url
                return self.response
        raise BrowserError(f"more than {_MOST_REDIRECTS} redirects")


def client_for(app: Any, base_url: str) -> httpx.Client:
    """A client that asks a WSGI or ASGI application in this process, as if it were at this address."""
    call = app if inspect.isfunction(app) else type(app).__call__
    transport = _AsgiTransport(app) if inspect.iscoroutinefunction(call) else httpx.WSGITransport(app=app)
    return httpx.Client(transport=transport, base_url=base_url)


class _AsgiTransport(httpx.BaseTransport):
    """httpx's own is for clients that are asynchronous."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app=app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Ask, in an event loop of its own."""
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())

        async def ask() -> httpx.Response:
            answer = await self._inner.handle_async_request(asked)
            await answer.aread()
            return answer

        answer = asyncio.run(ask())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content, request=request)


class _Reader(HTMLParser):
    """Finds forms in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A form, or a field of the last one."""
        given = dict(attrs)
        if tag == "form":
            self.forms.append(Form(given.get("action") or "", (given.get("method") or "get").lower()))
        elif tag == "input" and self.forms and given.get("name"):
            self._read_input(self.forms[-1], str(given["name"]), given)

    @staticmethod
    def _read_input(form: Form, name: str, given: dict[str, str | None]) -> None:
        kind, value = given.get("type") or "text", given.get("value")
        if kind in {"checkbox", "radio"}:
            form.boxes[name] = value or "on"
            if "checked" not in given:
                return
        if kind not in {"submit", "button", "image", "reset", "file"}:
            form.fields[name] = value or ("on" if kind == "checkbox" else "")
