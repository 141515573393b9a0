"""Token servers that drip, or never stop: a login is not waited for without end (I-34)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from calsync_core.errors import Unavailable
from calsync_core.models import OAuthGrant
from calsync_core.providers.google import auth as google
from calsync_core.providers.microsoft import auth as microsoft
from calsync_core.system import SystemClock

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000000\r\n\r\n"


def _drip(connection: socket.socket) -> None:
    """A byte at a time, each well inside any time-out between two of them, until the client hangs up."""
    connection.recv(65536)
    pace = threading.Event()
    try:
        connection.sendall(_HEAD)
        while not pace.wait(0.01):
            connection.sendall(b" ")
    except OSError:
        connection.close()


@pytest.fixture
def dripping() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_drip, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("module", "path", "renew"),
    [(google, "/token", google.renew), (microsoft, "/tenant/oauth2/v2.0/token", microsoft.renew)],
    ids=["google", "microsoft"],
)
def test_a_drip_does_not_outlast_the_deadline(
    dripping: str, monkeypatch: pytest.MonkeyPatch, module: object, path: str, renew: Callable[..., object]
) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.3)
    grant = OAuthGrant("client", "secret", "refresh", token_url=dripping + path)
    with pytest.raises(Unavailable):
        renew(grant, SystemClock())
