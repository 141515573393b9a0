"""A FastAPI application whose users see when they are busy on any of their calendars.

``python app.py`` runs it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Annotated, Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from planner import URL, clients, engine
from starlette.middleware.sessions import SessionMiddleware

from calsync_core.models import BusyTime
from calsync_core.scheduler import Scheduler
from calsync_core.web.asgi import connect_app, webhook_app
from calsync_core.web.receiver import Received

OPERATORS = {"operator"}

# Every two seconds: who has just connected a calendar is waiting.
scheduler = Scheduler(engine, polling_tick=2)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Work in a thread of this process for as long as the server runs."""
    stop = threading.Event()
    worker = threading.Thread(target=scheduler.run, args=[stop])
    worker.start()
    yield
    stop.set()
    await asyncio.to_thread(worker.join)


app = FastAPI(lifespan=lifespan)
app.add_middleware(
    SessionMiddleware,
    secret_key=os.environ.get("SESSION_SECRET", secrets.token_urlsafe()),
    https_only=URL.startswith("https:"),
)


def who(request: Received) -> str | None:
    """Who is logged in, as the session middleware has it."""
    owner: str | None = request.scope["session"].get("owner")
    return owner


app.mount(
    "/connect",
    connect_app(
        engine,
        public_url=f"{URL}/connect",
        owner=who,
        clients=clients,
        done="/",
        login="/login",
    ),
)
app.mount(
    "/webhooks",
    webhook_app(
        engine,
        drain=False,  # the scheduler does
        on_accepted=lambda _: scheduler.wake(),
        status=lambda request: who(request) in OPERATORS,
        status_names=True,
    ),
)


def logged_in(request: Request) -> str:
    """Whose calendars to show. Raises HTTPException: to the login page."""
    owner: str | None = request.session.get("owner")
    if owner is None:
        raise HTTPException(303, headers={"Location": "/login"})
    return owner


Owner = Annotated[str, Depends(logged_in)]


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.5 system-ui; max-width: 40rem; margin: 2rem auto }}</style>
<h1>{title}</h1>{body}</html>"""


def page(title: str, body: str) -> HTMLResponse:
    """A page; the body is HTML already."""
    return HTMLResponse(PAGE.format(title=escape(title), body=body))


@app.get("/login")
def show_login() -> HTMLResponse:
    """A toy: put your own login in its place."""
    name = '<label>Name <input name="name" maxlength="40" required></label>'
    return page("Log in", f'<form method="post">{name} <button>Log in</button></form>')


@app.post("/login")
def log_in(
    request: Request, name: Annotated[str, Form(min_length=1, max_length=40)]
) -> RedirectResponse:
    """Whoever says a name is believed."""
    request.session["owner"] = name
    return RedirectResponse("/", 303)


@app.get("/api/busy")
def busy(owner: Owner) -> list[dict[str, Any]]:
    """When the user is busy: from the store, without a request to anybody."""
    return [each.as_dict() for each in busy_times(owner)]


@app.get("/")
def calendars(owner: Owner) -> HTMLResponse:
    """The user's calendars, and the same busy times for people."""
    lines = "".join(
        f"<li>{each.provider}, {escape(each.name)}: {each.state}, "
        f"blocks on it: {each.blocks}</li>"
        for each in engine.health(owner).calendars
    )
    times = "".join(
        f"<li>{each.start:%a %d %b %H:%M} – {each.end:%H:%M} UTC</li>"
        for each in busy_times(owner)
    )
    return page(
        f"Calendars of {owner}",
        f'<ul id="calendars">{lines}</ul>'
        '<p><a href="/connect/">Connect a calendar</a></p>'
        f'<h2>Busy in the next two weeks</h2><ul id="busy">{times}</ul>',
    )


def busy_times(owner: str) -> list[BusyTime]:
    """The next two weeks'."""
    now = datetime.now(UTC)
    return engine.busy(owner, now, now + timedelta(days=14))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=urlsplit(URL).port or 8000)
