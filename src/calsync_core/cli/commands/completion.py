"""``calsync completion``: what makes a shell complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["COMMANDS"]

_VARIABLE = "_CALSYNC_COMPLETE"
"""Click's own: set by the script, it makes ``calsync`` answer a shell instead of running."""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> int:
    """Print the script that makes SHELL complete calsync's commands and options.

    \b
    bash: calsync completion bash > ~/.local/share/bash-completion/completions/calsync
    zsh:  calsync completion zsh > a file _calsync in a folder of $fpath
    fish: calsync completion fish > ~/.config/fish/completions/calsync.fish
    """  # noqa: D301  (click's mark for lines to leave alone)
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(made(ctx.find_root().command, {}, "calsync", _VARIABLE).source())
    return 0


COMMANDS = (completion,)
