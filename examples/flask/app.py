"""A Flask application whose users see when they are busy on any of their calendars.

``python app.py`` runs it. What comes in is only stored here: ``python worker.py`` does
the work, as a process of its own.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from flask import Flask, redirect, render_template_string, request, session
from flask.sessions import SessionMixin
from planner import URL, clients, engine
from waitress import serve
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from calsync_core.web.receiver import Received
from calsync_core.web.wsgi import connect_app, webhook_app

OPERATORS = {"operator"}

app = Flask(__name__)
app.secret_key = os.environ.get("SESSION_SECRET", secrets.token_urlsafe())
app.config.update(
    SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_SECURE=URL.startswith("https:")
)

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{{ title }}</title>
<style>:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui; max-width: 40rem; margin: 2rem auto }</style>
<h1>{{ title }}</h1>
{% if owner is none %}
<form method="post">
<label>Name <input name="name" maxlength="40" required></label>
<button>Log in</button></form>
{% else %}
<ul id="calendars">{% for each in calendars %}
<li>{{ each.provider }}, {{ each.name }}: {{ each.state }},
blocks on it: {{ each.blocks }}</li>{% endfor %}</ul>
<p><a href="/connect/">Connect a calendar</a></p>
<h2>Busy in the next two weeks</h2>
<ul id="busy">{% for each in busy %}
<li>{{ each.start.strftime("%a %d %b %H:%M") }} – {{ each.end.strftime("%H:%M") }} UTC
</li>{% endfor %}</ul>
{% endif %}</html>"""


@app.get("/login")
def show_login() -> str:
    """A toy: put your own login in its place."""
    return render_template_string(PAGE, title="Log in", owner=None)


@app.post("/login")
def log_in() -> Response:
    """Whoever says a name is believed."""
    session["owner"] = request.form["name"][:40]
    return redirect("/")


@app.get("/")
def calendars() -> str | Response:
    """The user's calendars, and when they are busy: from the store alone."""
    owner: str | None = session.get("owner")
    if not owner:
        return redirect("/login")
    now = datetime.now(UTC)
    return render_template_string(
        PAGE,
        title=f"Calendars of {owner}",
        owner=owner,
        calendars=engine.health(owner).calendars,
        busy=engine.busy(owner, now, now + timedelta(days=14)),
    )


def who(received: Received) -> str | None:
    """Who is logged in: Flask's session, for what stands beside Flask."""
    opened: SessionMixin | None = app.session_interface.open_session(
        app, app.request_class(dict(received.scope))
    )
    return None if opened is None else opened.get("owner")


application = DispatcherMiddleware(
    app,
    {
        "/connect": connect_app(
            engine,
            public_url=f"{URL}/connect",
            owner=who,
            clients=clients,
            done="/",
            login="/login",
        ),
        "/webhooks": webhook_app(
            engine,
            drain=False,  # the worker does
            status=lambda received: who(received) in OPERATORS,
            status_names=True,
        ),
    },
)

if __name__ == "__main__":
    serve(application, host="127.0.0.1", port=urlsplit(URL).port or 8000, threads=8)
