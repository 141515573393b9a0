"""The ``calsync`` command itself: global options, exit codes, and one way to report an error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from calsync_core.cli.commands import credentials, demo, held, init, purge, reports, run, subscriptions, sync, undo
from calsync_core.cli.context import Call
from calsync_core.cli.output import print_json
from calsync_core.errors import CalsyncError, UsageError

__all__ = ["calsync"]

FAILED, MISUSED = 1, 2


class Application(click.Group):
    """A group whose commands return their exit code, and whose errors are one line, or one JSON object.

    Exit codes: 0 all well, 1 something failed, 2 bad usage or configuration.
    """

    def main(  # type: ignore[override]  # it always exits, so click's two ways to call it are one
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> None:
        """Run and end the process (as click does in its standalone mode)."""
        words = list(sys.argv[1:] if args is None else args)
        extra.pop("standalone_mode", None)
        try:
            code = super().main(words, prog_name, standalone_mode=False, **extra)
        except click.ClickException as error:
            if "--json" not in words:
                error.show()
            else:
                print_json({"error": error.format_message(), "kind": type(error).__name__})
            sys.exit(MISUSED if isinstance(error, click.UsageError | click.FileError) else FAILED)
        except click.Abort:
            _complain("stopped", "Abort", as_json="--json" in words)
            sys.exit(FAILED)
        except CalsyncError as error:
            _complain(str(error), type(error).__name__, as_json="--json" in words)
            sys.exit(MISUSED if isinstance(error, UsageError) else FAILED)
        except Exception as error:
            if "--json" in words:
                print_json({"error": "unexpected error; see the log", "kind": type(error).__name__})
            raise
        sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str, kind: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"error": message, "kind": kind})
    click.echo(f"calsync: {message}", err=True)


@click.group(cls=Application, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("calsync.toml"),
    show_default=True,
    help="The configuration file.",
)
@click.version_option(version("calsync-core"), prog_name="calsync")
@click.pass_context
def calsync(ctx: click.Context, config_path: Path) -> None:
    """Keep one person's calendars honest with each other.

    What is booked on one calendar shows as a busy block on the others.

    Exit codes: 0 all well, 1 something failed (and says what), 2 bad usage or configuration.
    """
    ctx.obj = Call(config_path)


for module in (init, sync, run, reports, subscriptions, held, undo, purge, credentials, demo):
    for command in module.COMMANDS:
        calsync.add_command(command)
