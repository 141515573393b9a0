"""``calsync held``: deletions that looked like a mistake wait here for a decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import click
from rich.console import Console

from calsync_core.cli.assembly import Installation
from calsync_core.cli.context import Call, json_option
from calsync_core.cli.output import Output, plain_table
from calsync_core.cli.wording import calendar_names, spell_age, spell_span
from calsync_core.errors import InvalidValue
from calsync_core.models import CalendarId, HeldDeletion, Moment, Span
from calsync_core.system import SystemClock

__all__ = ["COMMANDS"]

_SHORT = 12
"""Letters of a reference that are shown; any beginning that fits one block only is understood."""


@click.group("held")
def held() -> None:
    """Deletions the guard held, because too many came at once."""


@held.command("list")
@click.option("--owner", metavar="NAME", help="Only this owner's.")
@json_option
@click.pass_obj
def list_held(call: Call, *, owner: str | None, as_json: bool) -> int:
    """Show what is held."""
    output = Output(as_json=as_json)
    with call.installation(output) as installation:
        installation.check_owner(owner)
        found = installation.engine.held(owner)
        names = calendar_names(installation.store)
    output.report(
        {"held": [each.as_dict() for each in found], "count": len(found)},
        lambda console: _show(console, found, names),
    )
    return 0


@held.command("approve")
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--all", "everything", is_flag=True, help="All that is held.")
@click.option("--owner", metavar="NAME", help="Only this owner's.")
@json_option
@click.pass_obj
def approve(call: Call, *, refs: tuple[str, ...], everything: bool, owner: str | None, as_json: bool) -> int:
    """Let the next sync delete these blocks, as far as nothing wants them any more."""
    output = Output(as_json=as_json)
    with call.installation(output) as installation:
        chosen = _chosen(installation, refs, owner, everything=everything)
        count = installation.engine.approve(chosen, owner)
    output.report(
        {"approved": count},
        lambda console: console.print(f"{count} deletions approved; the next sync carries them out."),
    )
    return 0


@held.command("drop")
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--all", "everything", is_flag=True, help="All that is held.")
@click.option("--owner", metavar="NAME", help="Only this owner's.")
@json_option
@click.pass_obj
def drop(call: Call, *, refs: tuple[str, ...], everything: bool, owner: str | None, as_json: bool) -> int:
    """Keep these blocks where they are until their time is past."""
    output = Output(as_json=as_json)
    with call.installation(output) as installation:
        chosen = _chosen(installation, refs, owner, everything=everything)
        count = installation.engine.drop(chosen, owner)
    output.report(
        {"dropped": count},
        lambda console: console.print(f"{count} deletions dropped; the blocks stay until their time is past."),
    )
    return 0


def _chosen(
    installation: Installation, refs: Sequence[str], owner: str | None, *, everything: bool
) -> list[str] | None:
    """Whole references for what was typed; None for all."""
    installation.check_owner(owner)
    if everything == bool(refs):
        raise click.UsageError("name the blocks (calsync held list shows them), or say --all; not both")
    if everything:
        return None
    known = [each.ref for each in installation.engine.held(owner)]
    chosen = []
    for ref in refs:
        fitting = [ref] if ref in known else [each for each in known if each.startswith(ref)]
        if len(fitting) != 1:
            problem = "fits several held deletions; type more of it" if fitting else "is not held"
            raise InvalidValue(f'REF: "{ref}" {problem}')
        chosen += fitting
    return chosen


def _show(console: Console, found: Sequence[HeldDeletion], names: dict[CalendarId, str]) -> None:
    if not found:
        console.print("Nothing is held.")
        return
    now = SystemClock().now()
    table = plain_table("ref", "block on", "for an event of", "when", "held for", "decided")
    table.columns[0].no_wrap = True  # to be typed or copied
    for each in found:
        table.add_row(
            each.ref[:_SHORT],
            names.get(each.target, str(each.target)),
            names.get(each.source, str(each.source)),
            spell_span(Span(_moment(each.start), _moment(each.end))),
            spell_age((now - each.since).total_seconds()),
            "approved" if each.approved else "",
        )
    console.print(table)
    console.print()
    console.print("calsync held approve REF... lets them be deleted; calsync held drop REF... keeps the blocks.")


def _moment(text: str) -> Moment:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)


COMMANDS = (held,)
