"""The engine, as the application and its worker both have it."""

from __future__ import annotations

import os

from calsync_core import OAuthClient, SyncEngine, SyncPolicy
from calsync_core.protocols import Provider
from calsync_core.providers.caldav import ICloudProvider
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.stores.sql import SQLStore
from calsync_core.testing.playground import services_at

__all__ = ["URL", "clients", "engine"]

URL = os.environ.get("URL", "http://127.0.0.1:8000")

providers: dict[str, Provider] = {"icloud": ICloudProvider()}
clients: dict[str, OAuthClient] = {}
if "PLAYGROUND" in os.environ:  # Google and Microsoft simulated on this machine
    providers, clients = services_at(os.environ["PLAYGROUND"])
if "GOOGLE_CLIENT_ID" in os.environ:
    providers["google"] = GoogleProvider()
    clients["google"] = OAuthClient(
        os.environ["GOOGLE_CLIENT_ID"], os.environ["GOOGLE_CLIENT_SECRET"]
    )
if "MICROSOFT_CLIENT_ID" in os.environ:
    providers["microsoft"] = MicrosoftProvider()
    clients["microsoft"] = OAuthClient(
        os.environ["MICROSOFT_CLIENT_ID"], os.environ["MICROSOFT_CLIENT_SECRET"]
    )

engine = SyncEngine(
    store=SQLStore(os.environ.get("DATABASE", "sqlite:///planner.db")),
    providers=providers,
    secret=os.environ["CALSYNC_SECRET"],
    encryption_key=os.environ["CALSYNC_KEY"],
    webhook_url=f"{URL}/webhooks",
    policy=SyncPolicy(title="Busy elsewhere"),
)
