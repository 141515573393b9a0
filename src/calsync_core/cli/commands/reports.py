"""``calsync status``, ``audit`` and ``explain``: how things stand, whether that is right, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from rich.console import Console
from rich.text import Text

from calsync_core.cli.accounts import align_accounts, align_modes
from calsync_core.cli.assembly import Installation
from calsync_core.cli.context import Call, json_option, verbose_option
from calsync_core.cli.output import Output, failures_as_dicts, plain_table, print_failures
from calsync_core.cli.wording import calendar_names, spell_age, spell_moment, spell_observed
from calsync_core.errors import InvalidValue
from calsync_core.models import (
    AccountStatus,
    AuditReport,
    CalendarHealth,
    CalendarId,
    Explanation,
    HealthReport,
    Metrics,
    Mode,
    PushState,
    SyncReport,
)
from calsync_core.system import SystemClock

__all__ = ["COMMANDS"]


@click.command("status")
@click.option("--owner", metavar="NAME", help="Only this owner's calendars.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), default=24.0, show_default=True, help="Sum up.")
@click.option("--runs", "count", type=click.IntRange(min=0), default=5, show_default=True, help="So many last runs.")
@json_option
@click.pass_obj
def status(call: Call, *, owner: str | None, hours: float, count: int, as_json: bool) -> int:
    """Show calendars, their health, the last runs and what they cost. Asks no provider."""
    output = Output(as_json=as_json)
    with call.installation(output) as installation:
        installation.check_owner(owner)
        engine = installation.engine
        health, runs, metrics = engine.health(owner), engine.runs(limit=count), engine.metrics(hours)
        accounts = _accounts(installation, owner)
    output.report(
        {
            **health.as_dict(),
            "healthy": health.healthy and all(_works(each) for each in accounts),
            "accounts": accounts,
            "runs": [run.as_dict() for run in runs],
            "metrics": metrics.as_dict(),
        },
        lambda console: _show_status(console, health, accounts, runs, metrics),
    )
    return 0


@click.command("audit")
@click.option("--owner", metavar="NAME", help="Only this owner's calendars.")
@click.option("--repair", is_flag=True, help="Write what is missing, take away what is too much, mend what is wrong.")
@verbose_option
@json_option
@click.pass_obj
def audit(call: Call, *, owner: str | None, repair: bool, verbose: bool, as_json: bool) -> int:
    """List every calendar afresh and compare it with what should be there.

    Exit code 1 if anything is missing, extra or wrong that no hold or wish of yours excuses.
    """
    output = Output(as_json=as_json)
    with call.installation(output, verbose=verbose) as installation:
        installation.check_owner(owner)
        align_modes(installation)
        align_accounts(installation, owner=owner)
        report = installation.engine.audit(owner, repair=repair)
        errors = installation.all_failures(report.errors)
        names = calendar_names(installation.store)
    ok = report.ok and not errors
    output.report(
        {**report.as_dict(), "errors": failures_as_dicts(errors), "ok": ok},
        lambda console: _show_audit(console, report, names, ok=ok),
    )
    if not as_json:
        print_failures(output.console(), errors)
    return 0 if ok else 1


@click.command("explain")
@click.argument("owner")
@click.argument("instant")
@click.option("--timezone", metavar="NAME", help="Zone of an INSTANT that has no offset, such as Europe/Berlin.")
@json_option
@click.pass_obj
def explain(call: Call, *, owner: str, instant: str, timezone: str | None, as_json: bool) -> int:
    """Say why OWNER is blocked at INSTANT, or isn't, on each calendar. Asks no provider.

    INSTANT is ISO 8601, with its offset: 2026-11-30T09:15+01:00.
    """
    moment = _instant(instant, timezone)
    output = Output(as_json=as_json)
    with call.installation(output) as installation:
        installation.check_owner(owner)
        explanation = installation.engine.explain(owner, moment)
        names = calendar_names(installation.store)
    output.report(explanation.as_dict(), lambda console: _show_explanation(console, explanation, moment, names))
    return 0


def _instant(text: str, timezone: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValue(f"INSTANT: {text!r} is not ISO 8601, such as 2026-11-30T09:15+01:00") from None
    if timezone is not None:
        try:
            zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidValue(f"--timezone: {timezone!r} is not an IANA time zone name") from None
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    if moment.tzinfo is None:
        raise InvalidValue(f"INSTANT: {text!r} has no offset; add one ({text}+01:00) or say --timezone")
    return moment


def _accounts(installation: Installation, owner: str | None) -> list[dict[str, Any]]:
    configured = {each.account.name: each.account for each in installation.config.accounts}
    stored = {account.name: account for account in installation.store.load_accounts()}
    rows = []
    for name, account in {**configured, **stored}.items():
        if owner is None or account.owner == owner:
            row = {"name": name, "owner": account.owner, "provider": account.provider}
            state = str(account.status) if name in stored else "not_connected"
            rows.append({**row, "status": state, "configured": name in configured})
    return sorted(rows, key=lambda row: (row["owner"], row["name"]))


def _works(account: dict[str, Any]) -> bool:
    """An account of the file that never connected has no calendar that could be unwell."""
    return account["status"] == AccountStatus.ACTIVE or not account["configured"]


def _show_status(
    console: Console,
    health: HealthReport,
    accounts: list[dict[str, Any]],
    runs: list[SyncReport],
    metrics: Metrics,
) -> None:
    table = plain_table("id", "calendar", "owner", "state", "way", "read", "next", "blocks", right=("id", "blocks"))
    now = SystemClock().now()
    for each in health.calendars:
        state = Text(each.state, style="green" if each.state == "ok" else "yellow")
        age = "never" if each.staleness is None else f"{spell_age(each.staleness)} ago"
        where = f"{each.account} / {each.name}"
        due = _spell_due(each, now)
        table.add_row(str(each.calendar), where, each.owner, state, each.way, age, due, str(each.blocks))
    if health.calendars:
        console.print(table)
    else:
        console.print("No calendar takes part yet; calsync sync connects what the configuration names.")
    for each in health.calendars:
        _show_push(console, each)
        if each.last_error is not None:
            console.print(f"{each.account} / {each.name}: {each.last_error}", style="red", markup=False)
        if each.debts:
            where = f"{each.account} / {each.name}"
            console.print(f"{where}: {each.debts} items could not be read and are tried again", markup=False)
    for account in accounts:
        if account["status"] != AccountStatus.ACTIVE or not account["configured"]:
            note = "" if account["configured"] else ", not in the configuration"
            console.print(f"Account {account['name']}: {account['status']}{note}", style="yellow", markup=False)
    _show_waiting(console, health)
    _show_runs(console, runs, metrics)


def _show_waiting(console: Console, health: HealthReport) -> None:
    observed = {each.owner for each in health.calendars if each.mode is Mode.OBSERVE}
    if observed:
        console.print(spell_observed(observed), style="yellow", markup=False)
    if health.held:
        console.print(f"{health.held} deletions are held until you decide: calsync held list", style="yellow")
    if health.open_intents:
        console.print(f"{health.open_intents} writes wait for their calendar")


def _spell_due(each: CalendarHealth, now: datetime) -> str:
    """When a calendar is read at the latest, if nothing wakes it before."""
    if each.next_read_at is None:
        return ""
    seconds = (each.next_read_at - now).total_seconds()
    return "now" if seconds <= 0 else f"in {spell_age(seconds)}"


def _show_push(console: Console, each: CalendarHealth) -> None:
    """One line where push is wanted and isn't well; silence where it works or isn't wanted."""
    words = {
        PushState.FAILING: "push fails; it is polled, and push is tried again by itself",
        PushState.SUSPENDED: "push is given up but for a slow probe; it is polled (calsync subscriptions create)",
    }
    said = words.get(PushState(each.push))
    if said is not None:
        console.print(f"{each.account} / {each.name}: {said}", style="yellow", markup=False)


def _show_runs(console: Console, runs: list[SyncReport], metrics: Metrics) -> None:
    if runs:
        console.print()
        numbers = ("events", "written", "requests", "failed")
        table = plain_table("last runs", "run", "kind", *numbers, right=("run", *numbers))
        for run in runs:
            changes = run.events_created + run.events_updated + run.events_deleted
            table.add_row(
                spell_moment(run.started_at),
                str(run.id),
                _spell_kind(run),
                str(changes),
                str(run.writes) if run.observed is None else f"{run.writes}, {run.observed.writes} observed",
                str(run.api_calls),
                str(len(run.errors) or ""),
            )
        console.print(table)
    console.print()
    share = "" if metrics.success_rate is None else f" · {metrics.success_rate:.0%} without a failure"
    console.print(
        f"Last {metrics.hours:g} h: {metrics.runs} runs · {metrics.blocks_written} blocks written · "
        f"{metrics.api_calls} requests{share}"
    )
    _show_ways(console, metrics)


def _spell_kind(run: SyncReport) -> str:
    if run.undoes is not None:
        return f"undo of {run.undoes}"
    return str(run.sync_type) if run.finished_at is not None else f"{run.sync_type}, not finished"


def _show_ways(console: Console, metrics: Metrics) -> None:
    """What woke the reads, how soon after a push its sync was done, and what push spared."""
    if metrics.reads:
        words = {
            "webhook": "woken by push",
            "polling": "polled",
            "full": "in full",
            "echo": "seeing our own writes only",
        }
        counts = ", ".join(f"{count} {words.get(way, way)}" for way, count in metrics.reads.items())
        share = "" if metrics.webhook_share is None else f" · {metrics.webhook_share:.0%} of the news came by push"
        console.print(f"Calendars read: {counts}{share}")
    if "p95" in metrics.latency:
        console.print(f"From a push to its blocks: {metrics.latency['p95']:.1f} s at most for 95 in 100")
    if metrics.calls_saved > 0:
        console.print(
            f"Push saved {metrics.calls_saved} of {metrics.polling_calls} requests that polling would have cost"
        )


def _show_audit(console: Console, report: AuditReport, names: dict[CalendarId, str], *, ok: bool) -> None:
    table = plain_table("calendar", "finding", "when", "block", "detail")
    for finding in report.findings:
        table.add_row(
            names.get(finding.calendar, str(finding.calendar)),
            finding.kind,
            finding.start,
            finding.block,
            finding.detail,
        )
    if report.findings:
        console.print(table)
        console.print()
    console.print(
        Text.assemble(
            ("✓ all is as it should be" if ok else "✗ not as it should be", "green" if ok else "red"),
            f" · {report.checked} blocks checked · {report.missing} missing · {report.extra} extra · "
            f"{report.wrong} wrong · {report.excepted} excepted · {report.repaired} repaired · "
            f"{report.api_calls} requests",
        )
    )


def _show_explanation(
    console: Console, explanation: Explanation, moment: datetime, names: dict[CalendarId, str]
) -> None:
    console.print(f"{explanation.owner} at {moment.isoformat()}", markup=False)
    for each in explanation.calendars:
        mark = Text("■ blocked", style="magenta") if each.blocked else Text("□ free", style="green")
        console.print(Text.assemble(mark, f"  {names.get(each.calendar, each.name)}"))
        for sentence in each.because:
            console.print(f"    {sentence}", markup=False)
    if not explanation.calendars:
        console.print("No calendar of this owner takes part yet.")


COMMANDS = (status, audit, explain)
