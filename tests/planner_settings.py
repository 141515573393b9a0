"""The example project's settings, with a Google on this machine and whatever database a test gives it."""

from __future__ import annotations

import json
import os

import httpx
from planner.settings import *  # noqa: F403  (the project's)
from planner.settings import CALSYNC, DATABASES

from calsync_core.providers.google import GoogleProvider

TOLD = json.loads(os.environ["PLANNER_TEST"])
"""By the test: where the simulated Google is, the application that is registered there, and the database."""


class ToThisMachine(httpx.HTTPTransport):
    """Carries what is meant for Google to the simulator."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=TOLD["google_port"])
        request.headers["host"] = request.url.netloc.decode()
        return super().handle_request(request)


def google_here() -> GoogleProvider:
    return GoogleProvider(writes_per_minute=100_000, transport=ToThisMachine())


if TOLD["database"]["ENGINE"] != DATABASES["default"]["ENGINE"]:
    DATABASES["default"].pop("OPTIONS")  # they are SQLite's
DATABASES["default"].update(TOLD["database"])
CALSYNC["providers"] = {
    "google": google_here,
    "caldav": "calsync_core.providers.caldav.CalDAVProvider",
}
CALSYNC["connect"] |= {"clients": {"google": TOLD["client"]}, "private_servers": True}
