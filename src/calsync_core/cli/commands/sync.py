"""``calsync sync`` and ``calsync plan``: do it, or say what would be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import click
from attrs import frozen
from rich.console import Console
from rich.table import Table as Grid

from calsync_core.cli.accounts import align_accounts, align_modes
from calsync_core.cli.assembly import Installation
from calsync_core.cli.context import Call, json_option, verbose_option
from calsync_core.cli.output import Output, failures_as_dicts, plain_table, print_failures
from calsync_core.cli.wording import REASONS, calendar_names, spell_observed, spell_span
from calsync_core.models import CalendarId, Observation, Operation, Parked, Plan, SyncFailure, SyncReport

__all__ = ["COMMANDS"]

_KINDS = ("create", "update", "delete")


@click.command("sync")
@click.option(
    "--mode",
    type=click.Choice(["due", "polling", "full"]),
    default="due",
    show_default=True,
    help="due, polling: read every calendar that no push keeps up to date, and do whatever waits; full: read "
    "everything again and compare.",
)
@click.option("--calendar", "calendar_id", type=int, metavar="ID", help="Only this calendar (see `calsync status`).")
@click.option("--owner", metavar="NAME", help="Only this owner's calendars.")
@verbose_option
@json_option
@click.pass_obj
def sync(
    call: Call, *, mode: str, calendar_id: CalendarId | None, owner: str | None, verbose: bool, as_json: bool
) -> int:
    """Bring every calendar's busy blocks up to date, once."""
    if calendar_id is not None and (owner is not None or mode != "due"):
        raise click.UsageError("--calendar reads one calendar and takes neither --owner nor --mode")
    output = Output(as_json=as_json)
    with call.installation(output, verbose=verbose) as installation:
        installation.check_owner(owner)
        align_modes(installation)
        align_accounts(installation, owner=owner, refresh=mode == "full")
        report = _run(installation, mode, calendar_id, owner)
        told = _Told(
            report=report,
            errors=installation.all_failures(report.errors, owner),
            written=installation.written(),
            parked=installation.parked(),
            names=calendar_names(installation.store),
        )
        installation.engine.cleanup()
    output.report(told.as_dict(), told.show)
    return 1 if told.errors else 0


@click.command("plan")
@click.option("--calendar", "calendar_id", type=int, metavar="ID", help="Only what this calendar's changes cause.")
@click.option("--owner", metavar="NAME", help="Only this owner's calendars.")
@verbose_option
@json_option
@click.pass_obj
def plan(call: Call, *, calendar_id: CalendarId | None, owner: str | None, verbose: bool, as_json: bool) -> int:
    """Show what sync would write, and why; write nothing to any calendar."""
    output = Output(as_json=as_json)
    with call.installation(output, verbose=verbose) as installation:
        installation.check_owner(owner)
        align_accounts(installation, owner=owner)
        made = installation.engine.plan(calendar_id, owner)
        errors = installation.all_failures(made.errors, owner)
        names = calendar_names(installation.store)
    output.report(
        {**made.as_dict(), "errors": failures_as_dicts(errors), "ok": not errors},
        lambda console: _show_plan(console, made, errors, names),
    )
    return 1 if errors else 0


def _run(installation: Installation, mode: str, calendar_id: CalendarId | None, owner: str | None) -> SyncReport:
    engine = installation.engine
    if calendar_id is not None:
        return engine.sync_calendar(calendar_id)
    if mode == "full":
        return engine.sync_all_calendars(owner)
    return engine.sync_calendars_needing_polling(owner)


@frozen
class _Told:
    """What one sync came to."""

    report: SyncReport
    errors: tuple[SyncFailure, ...]
    written: list[Operation]
    parked: list[Parked]
    names: dict[CalendarId, str]

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.report.as_dict(),
            "parked": [{"event": each.event_id, "reason": each.reason} for each in self.parked],
            "errors": failures_as_dicts(self.errors),
            "ok": not self.errors,
        }

    def show(self, console: Console) -> None:
        if self.written:
            console.print(self._writes())
            console.print()
        report = self.report
        console.print(report.summary, markup=False)
        if report.observed is not None:
            self._show_observed(console, report.observed)
        if report.held:
            console.print(f"{report.held} deletions are held until you decide: calsync held list", style="yellow")
        _show_parked(console, self.parked)
        print_failures(console, self.errors)

    def _show_observed(self, console: Console, observed: Observation) -> None:
        if observed.calendars:
            console.print()
            table = plain_table("calendar", *(f"would {kind}" for kind in _KINDS), right=[f"would {k}" for k in _KINDS])
            for each in observed.calendars:
                counts = (str(getattr(each, kind) or "") for kind in _KINDS)
                table.add_row(self.names.get(each.calendar, str(each.calendar)), *counts)
            console.print(table)
        console.print(spell_observed(observed.owners), style="yellow", markup=False)
        console.print(
            f"{observed.writes} writes would be due; calsync plan shows them."
            if observed.writes
            else "Nothing would be due."
        )

    def _writes(self) -> Grid:
        table = plain_table("calendar", *(f"{kind}d" for kind in _KINDS), "why", right=[f"{kind}d" for kind in _KINDS])
        for calendar_id in sorted({operation.target_id for operation in self.written}):
            here = [operation for operation in self.written if operation.target_id == calendar_id]
            counts = Counter(str(operation.kind) for operation in here)
            why = Counter(REASONS[operation.reason] for operation in here)
            table.add_row(
                self.names.get(calendar_id, str(calendar_id)),
                *(str(counts[kind] or "") for kind in _KINDS),
                ", ".join(f"{count} {reason}" for reason, count in why.most_common()),
            )
        return table


def _show_parked(console: Console, parked: Iterable[Parked]) -> None:
    for each in parked:
        console.print(f"! {each.event_id} blocks nothing: {each.reason}", style="yellow", markup=False)


def _show_plan(console: Console, made: Plan, errors: tuple[SyncFailure, ...], names: dict[CalendarId, str]) -> None:
    table = plain_table("calendar", "what", "when", "why")
    for operation in made.operations:
        table.add_row(
            names.get(operation.target_id, str(operation.target_id)),
            f"{operation.kind} ({operation.content.show_as})",
            spell_span(operation.content.span),
            REASONS[operation.reason],
        )
    if made.operations:
        console.print(table)
        console.print()
    console.print(f"{len(made.operations)} writes are due." if made.operations else "Nothing is due.")
    for hold in made.holds:
        where = names.get(hold.source_id, str(hold.source_id))
        console.print(f"{len(hold.refs)} deletions for events of {where} would be held: {hold.reason}", style="yellow")
    _show_parked(console, made.parked)
    print_failures(console, errors)


COMMANDS = (sync, plan)
