"""``calsync demo``: the whole story on this machine."""

from __future__ import annotations

import click

from calsync_core.cli.context import json_option
from calsync_core.cli.output import Output, configure_logging
from calsync_core.cli.registry import require_demo

__all__ = ["COMMANDS"]


@click.command("demo")
@json_option
def demo(*, as_json: bool) -> int:
    """Tell the whole story on this machine, with no account needed.

    Starts two real CalDAV servers, simulates Google and Microsoft, loads four calendars, syncs them and lets their
    owner change her mind a few times. Every step is checked by listing them: exit code 0 only if all came out right.
    """
    require_demo()
    from calsync_core.cli.demo import tell_story  # noqa: PLC0415  (needs the extra just checked)

    configure_logging(verbose=False, quiet=True)
    return tell_story(Output(as_json=as_json))


COMMANDS = (demo,)
