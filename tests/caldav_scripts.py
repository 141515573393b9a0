"""One scripted CalDAV collection behind a real provider, as the tests of misbehaving servers need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from io import BufferedIOBase

from caldav_hands import ics, session_for
from calsync_core.models import (
    Calendar,
    Cursor,
    KnownItem,
)
from calsync_core.protocols import KnownItems, Provider
from calsync_core.providers.caldav import CalDAVProvider
from calsync_core.testing.provider_kit import Bench
from scripted_server import (
    COLLECTION,
    Dav,
    Reply,
    Request,
    Script,
    ScriptedServer,
    scripted,
)


def event(uid: str, extra: str = "") -> str:
    return ics(f"UID:{uid}\nDTSTAMP:20260301T000000Z\nDTSTART:20260303T090000Z\nDTEND:20260303T100000Z\n{extra}")


FILES = {"a.ics": event("a"), "b.ics": event("b"), "c.ics": event("c")}


class Hands:
    """Nobody's: these tests put files into the script."""

    def put(self, *events: object) -> str:
        raise NotImplementedError

    def remove(self, key: str) -> None:
        raise NotImplementedError

    def list_raw(self) -> Mapping[str, str]:
        raise NotImplementedError


@contextmanager
def serving(script: Script, provider: Provider | None = None) -> Iterator[tuple[ScriptedServer, Bench]]:
    with scripted(script) as server:
        session = session_for(f"{server.root}/dav/")
        calendar = Calendar(1, "ana", server.root + COLLECTION, "Work", id=1)
        yield server, Bench(provider or CalDAVProvider(timeout=20), session, calendar, Hands())


def sync_reply(reply: Reply) -> Callable[[Request], Reply | None]:
    """Answers sync-collection with a token so, and leaves the rest to the good server."""
    return lambda request: reply if "sync-token>http" in request.body else None


def cursor_of(bench: Bench) -> Cursor:
    return bench.read().cursor


def known(dav: Dav, *, ours: bool = False, written_at: datetime | None = None) -> KnownItems:
    stored = {key: KnownItem(key, dav.etag(key), ours, written_at) for key in dav.files}
    return lambda keys: {key: one for key, one in stored.items() if keys is None or key in keys}


def hang_up(wfile: BufferedIOBase) -> None:
    wfile.close()
