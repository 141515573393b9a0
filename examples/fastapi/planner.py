"""The engine, for every process of the application."""

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
if client_id := os.environ.get("GOOGLE_CLIENT_ID"):
    providers["google"] = GoogleProvider()
    clients["google"] = OAuthClient(client_id, os.environ["GOOGLE_CLIENT_SECRET"])
if client_id := os.environ.get("MICROSOFT_CLIENT_ID"):
    providers["microsoft"] = MicrosoftProvider()
    clients["microsoft"] = OAuthClient(client_id, os.environ["MICROSOFT_CLIENT_SECRET"])

engine = SyncEngine(
    store=SQLStore(os.environ.get("DATABASE", "sqlite:///planner.db")),
    providers=providers,
    secret=os.environ["CALSYNC_SECRET"],
    encryption_key=os.environ["CALSYNC_KEY"],
    webhook_url=f"{URL}/webhooks",
    policy=SyncPolicy(title="Busy elsewhere"),
)
