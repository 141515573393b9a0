"""The ``calsync`` command itself: global options, exit codes, and one way to report an error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from calsync_core.cli.json_object import print_json
from calsync_core.cli.loading import uncollected
from calsync_core.errors import CalsyncError, UsageError

__all__ = ["calsync"]

FAILED, MISUSED = 1, 2

_COMMANDS = {
    "audit": ("reports", "Compare every calendar with what should be on it."),
    "completion": ("completion", "Make a shell complete commands and options."),
    "credentials": ("credentials", "Logins that the database keeps, sealed."),
    "demo": ("demo", "The whole story on this machine; needs no account."),
    "explain": ("reports", "Why an instant is blocked, or isn't."),
    "held": ("held", "Deletions that the guard held, and your decision."),
    "init": ("init", "Write a commented calsync.toml with a fresh secret."),
    "plan": ("sync", "What sync would write, and why; write nothing."),
    "purge": ("purge", "Remove every busy block we made."),
    "run": ("run", "Keep all calendars in step until told to stop."),
    "status": ("reports", "Calendars, their health, and the last runs."),
    "subscriptions": ("subscriptions", "What providers promised to push."),
    "sync": ("sync", "Bring every calendar's blocks up to date, once."),
    "undo": ("undo", "Take back what one run wrote."),
}
"""Each command's module in ``calsync_core.cli.commands``, and what ``calsync --help`` says of it."""


class _Announced(click.Command):
    """A command of which the name and one line are known: its module is imported when it is called or completed.

    So ``calsync --help`` and a shell that completes a command's name wait for no database and no provider.
    """

    def __init__(self, name: str, module: str, line: str) -> None:
        super().__init__(name, short_help=line)
        self._module = module

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the command itself, which click goes on with."""
        with uncollected():
            module = import_module(f"calsync_core.cli.commands.{self._module}")
        command: click.Command = next(each for each in module.COMMANDS if each.name == self.name)
        return command.make_context(info_name, args, parent, **extra)


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


def _tell_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  (click calls it so)
    if wanted and not ctx.resilient_parsing:
        from calsync_core.cli.version import version_lines  # noqa: PLC0415  (only for who asks)

        click.echo(version_lines())
        ctx.exit()


@click.group(cls=Application, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("calsync.toml"),
    show_default=True,
    help="The configuration file.",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_tell_version, help="Show versions and exit."
)
@click.pass_context
def calsync(ctx: click.Context, config_path: Path) -> None:
    """Keep one person's calendars honest with each other.

    What is booked on one calendar shows as a busy block on the others.

    Exit codes: 0 all well, 1 something failed (and says what), 2 bad usage or configuration.
    """
    with uncollected():
        from calsync_core.cli.context import Call  # noqa: PLC0415  (a command follows: its parts are needed now)

    ctx.obj = Call(config_path)


for name, (module, line) in _COMMANDS.items():
    calsync.add_command(_Announced(name, module, line))
