"""The library's loggers.

structlog is imported when the first line is written, not by the modules that may write one: it takes longer to import
than all of the library, since it brings asyncio along and, where it is installed, rich.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Logger"]


class Logger:
    """structlog's logger of this name, as the host has configured it by the time a line is written.

    Args:
        name: For the host's logger factory.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        import structlog  # noqa: PLC0415  (see above)

        return getattr(structlog.get_logger(self._name), attribute)
