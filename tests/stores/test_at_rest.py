"""What a database holds after a life with everything in it: of what is private, titles only (decision 7, I-39)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from calsync_core.credentials import new_key
from calsync_core.credentials.kept import KeptLogin
from calsync_core.credentials.vault import Vault
from calsync_core.models import BearerToken, Login, OAuthGrant, Password, Response, ServiceAccountGrant
from calsync_core.stores.sql import SQLStore
from hybrid_world import KINDS as CALENDARS
from hybrid_world import HybridWorld
from planted import DETAILS, GUESTS, PASSWORD, SECRETS, TITLES, guest, secret
from store_servers import KINDS
from world import at

PRIVATE = (SECRETS, GUESTS, DETAILS)
LOGINS: tuple[Login, ...] = (
    Password("ana", PASSWORD),
    BearerToken(secret("bearer"), acts_for=guest()),
    OAuthGrant("app", secret("client"), secret("refresh"), access_token=secret("access"), cache=secret("cache")),
    ServiceAccountGrant(json.dumps({"private_key": secret("key")}), guest(), access_token=secret("access")),
)


def live(store: SQLStore) -> set[str]:
    """Bookings, invitations, series, moves and pushes at three services, and every kind of login; returns the keys and
    tokens that nobody planted.
    """
    world = HybridWorld(store=store)
    for kind in CALENDARS:
        world.book("ana", kind, f"{kind}-single", at(1))
        world.book("ana", kind, f"{kind}-series", at(2), recurrence=("RRULE:FREQ=DAILY;COUNT=3",))
        world.book("ana", kind, f"{kind}-invited", at(4), response=Response.ACCEPTED)
    world.until(world.clock.now() + timedelta(minutes=5))
    for kind in CALENDARS:
        world.book("ana", kind, f"{kind}-single", at(1, 15))
    world.until(world.clock.now() + timedelta(minutes=5))
    assert sum(len(world.services[kind].blocks(world.remote["ana", kind])) for kind in CALENDARS) == 2 * 3 * (1 + 3 + 1)
    key = new_key()
    accounts = store.load_accounts()
    for login in LOGINS:
        for account in accounts:
            now = world.clock.now()
            lease = store.acquire_lease(f"credential:{account.key}", "the test", 60.0, now)
            store.save_credential(lease, account.key, Vault(key).seal(account, KeptLogin.of(login)), now)
            store.release_lease(lease)
    pushes = {channel.token or "" for channel in world.google.google.channels}
    pushes |= {one["clientState"] for one in world.graph.graph.subscriptions}
    assert len(pushes - {""}) == 2
    return {key, "a secret for tests only", *pushes, *world.google.tokens.values(), *world.graph.tokens.values()}


def everything_in(store: SQLStore) -> str:
    """Every row of every table that the database has, ours or not."""
    engine = store._database._open().engine
    found = sa.MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        return "\n".join(
            repr(tuple(row)) for table in found.sorted_tables for row in connection.execute(sa.select(table))
        )


@pytest.mark.parametrize("kind", ["file", *(pytest.param(kind, marks=pytest.mark.server) for kind in KINDS)])
def test_a_database_holds_titles_and_nothing_else_that_is_private(
    kind: str, file_store: SQLStore, emptied_store: Callable[[str], SQLStore], tmp_path: Path
) -> None:
    store = file_store if kind == "file" else emptied_store(kind)
    generated = live(store)
    texts = [everything_in(store)]
    if kind == "file":
        texts += [file.read_bytes().decode("latin-1") for file in tmp_path.glob("calsync.db*")]
        assert len(texts) >= 3, "the write-ahead log, too"
    assert TITLES in texts[0]
    for text in texts:
        assert [mark for mark in PRIVATE if mark in text] == []
        assert [value for value in generated if value in text] == []
