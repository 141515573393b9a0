"""``calsync undo``: take back what one run wrote."""

from __future__ import annotations

import click
from rich.console import Console

from calsync_core.cli.accounts import align_accounts, align_modes
from calsync_core.cli.assembly import Installation
from calsync_core.cli.context import Call, json_option, verbose_option
from calsync_core.cli.output import Output, failures_as_dicts, plain_table, print_failures
from calsync_core.cli.wording import calendar_names, spell_observed
from calsync_core.errors import ConfigurationError
from calsync_core.models import CalendarId, Mode, SyncFailure, UndoReport

__all__ = ["COMMANDS"]

_WHY = {
    "changed": "changed since",
    "taken": "somebody made it theirs",
    "replaced": "another block stands for it",
    "in doubt": "a write is under way: try again",
    "out of reach": "its account can't be written to",
    "unknown": "nobody remembers it any more",
}


@click.command("undo")
@click.argument("run", type=int)
@verbose_option
@json_option
@click.pass_obj
def undo(call: Call, *, run: int, verbose: bool, as_json: bool) -> int:
    """Take back what RUN wrote, where nobody has changed it since (see `calsync status` for the numbers of runs).

    The configuration must say that its owners are only observed, or the next sync would write the same again.
    """
    output = Output(as_json=as_json)
    with call.installation(output, verbose=verbose) as installation:
        _check_observed(installation, run)
        align_modes(installation)
        align_accounts(installation)
        report = installation.engine.undo(run)
        errors = installation.all_failures(report.errors)
        names = calendar_names(installation.store)
    ok = report.ok and not errors
    output.report(
        {**report.as_dict(), "errors": failures_as_dicts(errors), "ok": ok},
        lambda console: _show(console, report, errors, names),
    )
    return 0 if ok else 1


def _check_observed(installation: Installation, run: int) -> None:
    """Refuse to undo what the next sync would write again. Raises UnknownRun, ConfigurationError."""
    store, config = installation.store, installation.config
    store.load_run(run)
    owners = {store.load_calendar(each.target_id).owner for each in store.load_writes(run)}
    for owner in sorted(owners):
        if config.modes.get(owner) is Mode.WRITE:
            why = "or the next sync writes again what is undone"
            raise ConfigurationError(f'{config.path}: [owners.{owner}]: mode: must be "observe", {why}')


def _show(console: Console, report: UndoReport, errors: tuple[SyncFailure, ...], names: dict[CalendarId, str]) -> None:
    if report.left:
        table = plain_table("left as it is", "on", "why")
        for each in report.left:
            table.add_row(each.block, names.get(each.calendar, str(each.calendar)), _WHY[each.why])
        console.print(table)
        console.print()
    done = report.deleted + report.reverted + report.remade
    if done:
        counts = f"{report.deleted} deleted, {report.reverted} reverted, {report.remade} made again"
        console.print(f"Run {report.undone} undone by run {report.run}: {counts} · {report.api_calls} requests")
    elif not report.waiting:
        console.print("Nothing to undo.")
    if report.waiting:
        console.print(f"{report.waiting} blocks are still to be taken back; the next sync goes on", style="yellow")
    if report.observed:
        console.print(spell_observed(report.observed), style="yellow", markup=False)
    print_failures(console, errors)


COMMANDS = (undo,)
