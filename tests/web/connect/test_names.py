"""What accounts are called that people connect: names that a store takes, whatever was typed or a server says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calsync_core import SyncEngine
from calsync_core.credentials import new_key
from calsync_core.models import Identity, Password
from calsync_core.stores.sql import SQLStore
from calsync_core.web.connect.accounts import name_for
from connect_bench import Host
from planted import PASSWORD
from scripted_server import multistatus, prop, scripted


@given(
    user=st.text(st.characters(), max_size=8).map(lambda text: text * 60),
    email=st.none() | st.text(max_size=8).map(lambda text: text * 60),
    subject=st.text(min_size=1, max_size=8),
    others=st.integers(0, 3),
)
def test_every_name_is_short_printable_and_nobody_else_s(
    user: str, email: str | None, subject: str, others: int
) -> None:
    taken: list[str] = []
    for _ in range(others + 1):
        name = name_for(Identity(subject, email), Password(user, PASSWORD), "https://dav.example.com/", taken, "caldav")
        assert 0 < len(name) <= 255
        assert name.isprintable()
        assert name.strip()
        assert name not in taken
        taken.append(name)


@pytest.mark.parametrize("user", ["u" * 1_000, "a\x00b", "\x00"])
def test_a_database_takes_the_name_whatever_was_typed(host: Host, tmp_path: Path, user: str) -> None:
    host.engine = SyncEngine(
        store=SQLStore(f"sqlite:///{tmp_path}/connect.db"),
        providers=host.engine.providers,
        secret="a secret for tests only",
        encryption_key=new_key(),
        clock=host.clock,
    )
    principal = "<current-user-principal><href>/dav/</href></current-user-principal>"
    home = "<C:calendar-home-set><href>/dav/</href></C:calendar-home-set>"
    with scripted(lambda _: multistatus(prop("/dav/", principal + home))) as server:
        for path in ("/dav/", "/dav/other/"):
            browser = host.browser(private_servers=True)
            browser.open("/caldav")
            browser.submit(username=user, password=PASSWORD, address=f"{server.root}{path}")
            assert browser.path.endswith("/calendars")
    assert len(host.engine.accounts("ana")) == 1
