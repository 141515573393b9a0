"""``calsync subscriptions``: push by hand. ``calsync run`` and ``calsync sync`` look after it by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from calsync_core.cli.accounts import align_accounts
from calsync_core.cli.assembly import Installation
from calsync_core.cli.context import Call, json_option, verbose_option
from calsync_core.cli.output import Output, failures_as_dicts, plain_table, print_failures
from calsync_core.cli.wording import calendar_names, spell_moment
from calsync_core.errors import ConfigurationError, UnknownCalendar
from calsync_core.models import CalendarHealth, CalendarId, PushState, SubscriptionReport

__all__ = ["COMMANDS"]


@click.group("subscriptions")
def subscriptions() -> None:
    """What providers promised to push, and making, replacing or ending it by hand."""


@subscriptions.command("list")
@click.option("--owner", metavar="NAME", help="Only this owner's.")
@json_option
@click.pass_obj
def list_subscriptions(call: Call, *, owner: str | None, as_json: bool) -> int:
    """Show every calendar's push: its state, when it ends, when it last came. Asks no provider."""
    output = Output(as_json=as_json)
    with call.installation(output) as installation:
        installation.check_owner(owner)
        stored = Counter(each.calendar_id for each in installation.engine.subscriptions(owner))
        calendars = installation.engine.health(owner).calendars
        names = calendar_names(installation.store)
        configured = installation.config.public_url is not None
    shown = {each.calendar for each in calendars}
    strays = {calendar_id: count for calendar_id, count in stored.items() if calendar_id not in shown}
    output.report(
        {
            "webhooks": configured,
            "calendars": [_as_dict(each, stored[each.calendar]) for each in calendars],
            "strays": [{"calendar": each, "subscriptions": count} for each, count in sorted(strays.items())],
        },
        lambda console: _show_list(
            console, calendars, {names.get(each, str(each)) for each in strays}, configured=configured
        ),
    )
    return 0


@subscriptions.command("create")
@click.option("--owner", metavar="NAME", help="Only this owner's calendars.")
@verbose_option
@json_option
@click.pass_obj
def create(call: Call, *, owner: str | None, verbose: bool, as_json: bool) -> int:
    """Look at every calendar's push now; what is missing is made, what ends soon is renewed.

    Calendars whose push failed lately or was given up are tried at once.
    """

    def work(installation: Installation) -> SubscriptionReport:
        _require_webhooks(installation)
        return installation.engine.maintain_subscriptions(owner, everything=True)

    return _do(call, owner, work, verbose=verbose, as_json=as_json)


@subscriptions.command("renew")
@click.option("--calendar", "calendar_id", type=int, metavar="ID", help="Only this calendar's (see `calsync status`).")
@click.option("--owner", metavar="NAME", help="Only this owner's calendars.")
@verbose_option
@json_option
@click.pass_obj
def renew(call: Call, *, calendar_id: CalendarId | None, owner: str | None, verbose: bool, as_json: bool) -> int:
    """Replace subscriptions by new ones with new secrets; each old one ends when the new one is there."""
    if calendar_id is not None and owner is not None:
        raise click.UsageError("--calendar names one calendar and takes no --owner")

    def work(installation: Installation) -> SubscriptionReport:
        _require_webhooks(installation)
        if calendar_id is not None and not installation.store.load_calendar(calendar_id).enabled:
            raise UnknownCalendar(f"calendar {calendar_id} does not take part")
        return installation.engine.replace_subscriptions(calendar_id, owner)

    return _do(call, owner, work, verbose=verbose, as_json=as_json)


@subscriptions.command("cleanup")
@click.option("--owner", metavar="NAME", help="Only this owner's calendars.")
@verbose_option
@json_option
@click.pass_obj
def cleanup(call: Call, *, owner: str | None, verbose: bool, as_json: bool) -> int:
    """End what nobody needs: subscriptions of calendars that were switched off, and all once webhooks are."""

    def work(installation: Installation) -> SubscriptionReport:
        if installation.config.public_url is None:
            return installation.engine.end_subscriptions(owner)
        return installation.engine.maintain_subscriptions(owner)

    return _do(call, owner, work, verbose=verbose, as_json=as_json)


def _do(
    call: Call,
    owner: str | None,
    work: Callable[[Installation], SubscriptionReport],
    *,
    verbose: bool,
    as_json: bool,
) -> int:
    output = Output(as_json=as_json)
    with call.installation(output, verbose=verbose) as installation:
        installation.check_owner(owner)
        align_accounts(installation, owner=owner)
        report = work(installation)
        known = {(each.account, each.kind) for each in report.errors}
        errors = (*(each for each in installation.failures if (each.account, each.kind) not in known), *report.errors)

    def show(console: Console) -> None:
        console.print(report.summary)
        if report.unsupported:
            console.print(f"{report.unsupported} calendars can't push and are polled")
        print_failures(console, errors)

    output.report({**report.as_dict(), "errors": failures_as_dicts(errors), "ok": not errors}, show)
    return 1 if errors else 0


def _require_webhooks(installation: Installation) -> None:
    if installation.config.public_url is None:
        raise ConfigurationError(
            f"{installation.config.path}: [webhooks]: public_url: is missing: without it, providers can't push"
        )


def _as_dict(each: CalendarHealth, count: int) -> dict[str, Any]:
    return {
        "calendar": each.calendar,
        "name": each.name,
        "account": each.account,
        "owner": each.owner,
        "way": each.way,
        "push": str(each.push),
        "subscriptions": count,
        "expires_at": _iso(each.push_expires_at),
        "pushed_at": _iso(each.pushed_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _show_list(console: Console, calendars: Sequence[CalendarHealth], strays: set[str], *, configured: bool) -> None:
    table = plain_table("id", "calendar", "push", "ends", "last push", right=("id",))
    for each in calendars:
        table.add_row(
            str(each.calendar),
            f"{each.account} / {each.name}",
            Text(str(each.push), style="green" if each.push == PushState.ACTIVE else "yellow"),
            "" if each.push_expires_at is None else spell_moment(each.push_expires_at),
            "never" if each.pushed_at is None else spell_moment(each.pushed_at),
        )
    if calendars:
        console.print(table)
    else:
        console.print("No calendar takes part yet; calsync sync connects what the configuration names.")
    for name in sorted(strays):
        console.print(f"{name} takes no part and has one still: calsync subscriptions cleanup", style="yellow")
    if not configured:
        console.print("No public_url is configured in [webhooks]: all calendars are polled.")


COMMANDS = (subscriptions,)
