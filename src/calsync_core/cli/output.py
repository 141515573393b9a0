"""Where the command line speaks: one JSON object or readable text on stdout, logs and progress on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from attrs import asdict, frozen
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from calsync_core.cli.json_object import print_json
from calsync_core.models import SyncFailure

__all__ = ["Output", "configure_logging", "failures_as_dicts", "plain_table", "print_failures"]

_QUIET_LIBRARIES = (
    *("alembic", "amqp", "celery", "charset_normalizer", "google", "hpack", "httpcore", "httpx", "kombu", "msal"),
    *("psycopg", "radicale", "requests", "socks", "sqlalchemy", "tzlocal", "urllib3"),
)


def configure_logging(*, verbose: bool, quiet: bool = False, lasting: bool = False) -> None:
    """Send structlog's lines to stderr: readable on a terminal, one logfmt line each elsewhere.

    A terminal shows progress instead, and so gets warnings only unless ``verbose``, or unless the call is ``lasting``
    and shows none; ``quiet`` leaves errors only.
    Other libraries' own logs may quote what servers sent, titles included, and stay silent (I-39).
    """
    terminal = sys.stderr.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True)
        if terminal
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    )
    usual = logging.WARNING if terminal and not lasting else logging.INFO
    level = logging.ERROR if quiet else logging.DEBUG if verbose else usual
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Looked up for every logger: a progress bar, or a test, may have replaced the stream since.
        logger_factory=lambda *_args: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)


@frozen
class Output:
    """How this call speaks.

    Attributes:
        as_json: One JSON object on stdout, nothing else there.
    """

    as_json: bool = False

    def console(self) -> Console:
        """Readable text on stdout."""
        return Console(file=sys.stdout, highlight=False)

    def errors(self) -> Console:
        """Progress and remarks on stderr."""
        return Console(file=sys.stderr, highlight=False)

    def report(self, values: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print the values as JSON, or let ``show`` print them for a person."""
        if self.as_json:
            print_json(values)
        else:
            show(self.console())


def failures_as_dicts(failures: Iterable[SyncFailure]) -> list[dict[str, Any]]:
    """As every report's ``errors`` has them."""
    return [asdict(failure) for failure in failures]


def print_failures(console: Console, failures: Iterable[SyncFailure]) -> None:
    """One line for each account or calendar that failed."""
    for failure in failures:
        where = failure.account if failure.calendar is None else f"{failure.account} / {failure.calendar}"
        console.print(Text.assemble(("✗ ", "red"), (where, "bold"), f": {failure.kind}: {failure.message}"))


def plain_table(*columns: str, right: Iterable[str] = ()) -> Grid:
    """A light table without a frame; the columns named in ``right`` hold numbers."""
    table = Grid(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    numbers = set(right)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table
