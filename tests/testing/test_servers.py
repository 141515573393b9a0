"""The real servers that tests and the demo start: they come up, hold what they are given, and leave nothing behind."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from caldav_hands import ics
from calsync_core.errors import ConfigurationError
from calsync_core.testing.servers import CalDAVServer, RadicaleServer, ServerError, XandikosServer

EVENT = ics("UID:a\nDTSTAMP:20260301T000000Z\nDTSTART:20260302T090000Z\nDTEND:20260302T100000Z\nSUMMARY:Über")

pytestmark = pytest.mark.server


@pytest.mark.parametrize("kind", [RadicaleServer, XandikosServer])
def test_a_whole_life(kind: type[CalDAVServer]) -> None:
    with kind({"ana": "a", "bo": "b"}) as server:
        folder, address = server.folder, urlsplit(server.base_url)
        calendar = server.add_calendar("bo", "work", name="Büro", timezone="Europe/Berlin")
        assert calendar.startswith(server.base_url)
        assert server.put(calendar, "a b.ics", EVENT)
        assert server.names(calendar) == ["a b.ics"]
        assert "SUMMARY:Über" in server.read(calendar, "a b.ics")
        server.delete(calendar, "a b.ics")
        assert server.names(calendar) == []
        with pytest.raises(ServerError, match="404"):
            server.read(calendar, "a b.ics")
    assert not folder.exists()
    assert address.hostname == "127.0.0.1"
    with socket.socket() as probe:
        assert probe.connect_ex((address.hostname, address.port)) != 0, "nobody listens any more"


def test_one_that_is_not_running_says_so() -> None:
    server = RadicaleServer()
    server.stop()
    with pytest.raises(ServerError, match="not started"):
        server.names("http://127.0.0.1/user/work/")


class Missing(RadicaleServer):
    package = "no_such_package"


class Broken(RadicaleServer):
    def command(self, folder: Path, port: int) -> list[str]:
        return [*super().command(folder, port), "--no-such-option"]


def test_a_package_that_is_not_installed_is_named() -> None:  # I-44
    with pytest.raises(ConfigurationError, match=r"no_such_package is not installed: pip install"):
        Missing().start()


def test_one_that_does_not_start_tells_why_and_leaves_nothing() -> None:
    server = Broken()
    with pytest.raises(ServerError, match="no-such-option"):
        server.start()
    with pytest.raises(ServerError, match="not started"):
        server.folder.exists()
