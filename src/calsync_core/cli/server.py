"""The webhook endpoint behind uvicorn, in a thread of this process."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any, TypeAlias

from calsync_core.errors import ConfigurationError
from calsync_core.log import Logger

__all__ = ["Application", "WebServer", "mounted"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

_SECONDS_FOR_ANSWERS = 5
"""How long requests under way are waited for when it stops; a push is answered in milliseconds."""

log = Logger("calsync_core.cli")


class _Relay(logging.Handler):
    """What uvicorn complains of, without its words: they may quote a request (I-39)."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        log.warning("web_server_complained", level=record.levelname, kind=kind.__name__ if kind else None)


class WebServer:
    """Listens from the moment it is made, so that a port that can't be had is known at once; answers once started.

    Args:
        host: Name or address to listen on.
        port: 0: any free one.

    Raises:
        ConfigurationError: uvicorn is not installed, or the address can't be had.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            self._uvicorn = import_module("uvicorn")
        except ModuleNotFoundError:
            raise ConfigurationError(
                "run: uvicorn is not installed; a webhook endpoint needs the extra: pip install 'calsync-core[cli]'"
            ) from None
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=128)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "no such address"
            raise ConfigurationError(f"--host, --port: can't listen on {host} port {port}: {reason}") from None
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """Where it listens, as a URL without a path."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def alive(self) -> bool:
        """Whether it answers, or is about to."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, app: Application) -> None:
        """Answer with this ASGI application from now on."""
        words = logging.getLogger("uvicorn")
        words.handlers, words.propagate = [_Relay()], False
        config = self._uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_SECONDS_FOR_ANSWERS,
        )
        self._server = self._uvicorn.Server(config)
        # Outside the main thread uvicorn leaves the process's signals alone.
        self._thread = threading.Thread(target=self._serve, name="calsync-web", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Accept nothing more; returns at once."""
        if self._server is not None:
            self._server.should_exit = True
        else:
            self._socket.close()

    def ended(self, timeout: float) -> bool:
        """Wait so many seconds for the last answers. True: it has ended."""
        if self._thread is not None:
            self._thread.join(max(0.0, timeout))
        return not self.alive

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except (Exception, SystemExit) as error:  # noqa: BLE001  (told by its end: the process can't go on without)
            log.error("web_server_failed", kind=type(error).__name__)  # noqa: TRY400  (no traceback: it may show values)


def mounted(app: Application, prefix: str) -> Application:
    """An application whose requests may have a prefix before their path, as a proxy left it there or took it off.

    Args:
        app: Answers.
        prefix: Such as ``/webhooks``; empty: none.
    """

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": prefix} if scope["type"] == "http" else scope, receive, send)

    return answer
