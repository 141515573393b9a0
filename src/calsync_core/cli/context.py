"""What every command gets: the configuration file's place, and the installation built from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import frozen

from calsync_core.cli.assembly import Installation, build_installation
from calsync_core.cli.config import Config, load_config
from calsync_core.cli.loading import uncollected
from calsync_core.cli.output import Output, configure_logging
from calsync_core.cli.progress import listening

__all__ = ["Call", "json_option", "verbose_option"]

Command = TypeVar("Command", bound=Callable[..., Any])


@frozen
class Call:
    """One call of ``calsync``.

    Attributes:
        config_path: As given, or ``calsync.toml``.
    """

    config_path: Path

    def config(self) -> Config:
        """Read the configuration. Raises ConfigurationError."""
        return load_config(self.config_path)

    @contextmanager
    def installation(self, output: Output, *, verbose: bool = False) -> Iterator[Installation]:
        """The installation, with progress shown while it is in use. Sends no request by itself.

        Raises:
            ConfigurationError: names what is wrong and where.
        """
        config = self.config()
        configure_logging(verbose=verbose)
        with listening(output.errors()) as listener:
            with uncollected():
                installation = build_installation(config, on_progress=listener)
            try:
                yield installation
            finally:
                installation.close()


def json_option(command: Command) -> Command:
    """``--json``, passed as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")(command)


def verbose_option(command: Command) -> Command:
    """``--verbose``, passed as ``verbose``."""
    return click.option("--verbose", "-v", is_flag=True, help="Log every step on stderr.")(command)
