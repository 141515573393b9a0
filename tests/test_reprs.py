"""No repr shows a secret, a title or an attendee: of values by their fields, of what works by looking at it (I-39)."""

from __future__ import annotations

import gc
import importlib
import pkgutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import attrs

import calsync_core
import django_bench  # noqa: F401  (Django's models can be imported only where Django is configured)
from caldav_hands import ics, session_for
from calsync_core.credentials import new_key
from calsync_core.icalendar.components import parse_components
from calsync_core.models import Calendar, Identity, Password, Response
from calsync_core.protocols import ReadRequest, nothing_known
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.address import parse_address
from calsync_core.testing.provider_contract.bench import WINDOW
from hybrid_world import KINDS, HybridWorld
from planted import DETAIL, GUEST, LUNCH, PASSWORD, guest
from scripted_server import COLLECTION, Dav, scripted
from watching import watch
from world import World, at

UNTOLD = frozenset(
    {"access_token", "acts_for", "body", "cache", "client_secret", "email", "flow", "login", "password"}
    | {"refresh_token", "reply", "secret", "secrets", "secret_hash", "title", "verifier"}
)
"""Names of fields that hold what must not be told, whatever class they are in."""

TOLD = {
    "MirrorRule.title": "a pattern from the configuration",
    "SyncPolicy.title": "a pattern from the configuration",
}
"""Fields that are named like one and hold none."""

FICTION = ("calsync_core.testing", "calsync_core.cli.demo")
"""Simulated services and the demo tell of people who don't exist."""


def classes() -> Iterator[type]:
    """Every attrs class of the package."""
    for module in pkgutil.walk_packages(calsync_core.__path__, "calsync_core."):
        if not module.name.startswith(FICTION) and ".migrations" not in module.name:
            for found in vars(importlib.import_module(module.name)).values():
                if isinstance(found, type) and found.__module__ == module.name and attrs.has(found):
                    yield found


def test_fields_that_must_not_be_told_are_in_no_repr() -> None:
    fields = {f"{kind.__name__}.{each.name}": each for kind in classes() for each in attrs.fields(kind)}
    untold = {name: each for name, each in fields.items() if each.name.lstrip("_") in UNTOLD}
    assert len(untold) > 20
    assert {name for name, each in untold.items() if each.repr is not False} == set(TOLD)


def test_no_value_shows_what_it_was_made_of() -> None:
    text = ics(
        f"SUMMARY:{LUNCH}\nDESCRIPTION:{DETAIL}\nATTENDEE;CN={guest('cn')}:mailto:{GUEST}\nORGANIZER:mailto:{GUEST}"
    )
    values = [
        parse_components(text),
        Identity("the subject", GUEST),
        parse_address(f"postgresql://ana:{PASSWORD}@host/db?sslpassword={PASSWORD}"),
    ]
    assert [type(value).__name__ for value in values if watch.names_in(f"{value!r} {value}")] == []


def living() -> list[object]:
    """What there is of the package's classes, the simulated services apart."""
    gc.collect()
    return [one for one in gc.get_objects() if _is_ours(str(type(one).__module__))]


def _is_ours(module: str) -> bool:
    return module.startswith("calsync_core.") and not module.startswith(FICTION)


def test_nothing_that_works_shows_what_it_holds(tmp_path: Path) -> None:
    """Engines, stores, providers, connections and all between them, in the middle of their work."""
    before = {id(one) for one in living()}
    hybrid = HybridWorld(store=SQLStore(f"sqlite:///{tmp_path}/calsync.db"))
    for kind in KINDS:
        hybrid.book("ana", kind, kind, at(1), response=Response.ACCEPTED)
    hybrid.until(hybrid.clock.now() + timedelta(minutes=2))
    world = World(["work", "home"], encryption_key=new_key())
    world.engine.attach(world.calendars["home"].account_id, Password("ana-home", PASSWORD))
    event = world.book("work", "e1", at(1))
    world.sync()
    calendar = Calendar(1, "ana", COLLECTION, "Work", id=1)
    with scripted(
        Dav({"a.ics": ics(f"UID:a\nDTSTAMP:20260301T000000Z\nDTSTART:20260303T090000Z\nSUMMARY:{LUNCH}")})
    ) as server:
        provider, session = CalDAVProvider(), session_for(f"{server.root}/")
        there = attrs.evolve(calendar, remote_id=f"{server.root}{COLLECTION}")
        pages = list(provider.fetch_changes(session, ReadRequest(there, WINDOW, None, nothing_known)))
        seen = [one for one in living() if id(one) not in before]
        kinds = {type(one).__name__ for one in seen}
        assert {
            "SyncEngine",
            "SQLStore",
            "MemoryStore",
            "Vault",
            "Keyring",
            "CalDAVProvider",
            "GoogleProvider",
        } <= kinds
        assert {"MicrosoftProvider", "MemoryService", "Receiver", "Scheduler", "Event", "Password", "Session"} <= kinds
        assert {type(one).__name__ for one in seen if watch.names_in(f"{one!r} {one}")} == set()
    assert event.title
    assert pages[0].items[0].events[0].title == LUNCH
    hybrid.store.close()  # type: ignore[attr-defined]  # a port has no such method
