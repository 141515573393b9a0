"""Real CalDAV servers for tests that skip, by the server's name, where it is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from calsync_core.errors import ConfigurationError
from calsync_core.testing.servers import CalDAVServer

__all__ = ["running"]

_Server = TypeVar("_Server", bound=CalDAVServer)


@contextmanager
def running(server: _Server) -> Iterator[_Server]:
    """The server, started, and stopped in the end."""
    try:
        server.start()
    except ConfigurationError as missing:
        pytest.skip(f"{type(server).__name__}: {missing}")
    try:
        yield server
    finally:
        server.stop()
