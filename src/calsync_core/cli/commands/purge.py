"""``calsync purge``: take back every block we made, and look again."""

from __future__ import annotations

import sys

import click
from rich.console import Console

from calsync_core.cli.accounts import align_accounts
from calsync_core.cli.assembly import Installation
from calsync_core.cli.context import Call, json_option, verbose_option
from calsync_core.cli.output import Output, failures_as_dicts, print_failures
from calsync_core.errors import UnknownAccount
from calsync_core.models import AccountId, PurgeReport, SyncFailure

__all__ = ["COMMANDS"]


@click.command("purge")
@click.option(
    "--account", "account_name", metavar="NAME", help="Only this account's calendars, and its blocks elsewhere."
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@verbose_option
@json_option
@click.pass_obj
def purge(call: Call, *, account_name: str | None, yes: bool, verbose: bool, as_json: bool) -> int:
    """Remove every busy block we made, list the calendars again, and report what is left.

    Your own events stay as they are. Exit code 1 if anything of ours is left, or could not be looked at.
    """
    output = Output(as_json=as_json)
    if not yes:
        _ask(account_name, as_json=as_json)
    with call.installation(output, verbose=verbose) as installation:
        account_id = _find(installation, account_name)
        report = installation.engine.purge(account_id=account_id)
        errors = installation.all_failures(report.errors)
    ok = report.ok and not errors
    output.report(
        {**report.as_dict(), "errors": failures_as_dicts(errors), "ok": ok},
        lambda console: _show(console, report, errors, ok=ok),
    )
    return 0 if ok else 1


def _ask(account_name: str | None, *, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise click.UsageError("purge asks first, and there is nobody to ask: say --yes")
    what = "every account" if account_name is None else f'account "{account_name}"'
    click.confirm(f"Remove every busy block of {what}?", abort=True, err=True)


def _find(installation: Installation, name: str | None) -> AccountId | None:
    """The account's id; None for all. What a fresh store does not know yet is connected, so that it can be searched."""
    stored = {account.name for account in installation.store.load_accounts()}
    configured = {each.account.name for each in installation.config.accounts}
    if name is not None and name not in stored | configured:
        known = ", ".join(sorted(stored | configured)) or "none"
        raise UnknownAccount(f'--account: there is no "{name}" (known: {known})')
    if ({name} if name is not None else configured) - stored:
        align_accounts(installation)
    for account in installation.store.load_accounts():
        if account.name == name:
            return account.key
    return None


def _show(console: Console, report: PurgeReport, errors: tuple[SyncFailure, ...], *, ok: bool) -> None:
    console.print(f"{report.removed} blocks removed · {report.api_calls} requests")
    for left in report.residue:
        console.print(f"✗ still there: {left}", style="red", markup=False)
    print_failures(console, errors)
    if ok:
        console.print("✓ nothing of ours is left", style="green")
        console.print("The next sync writes them again, unless you take the accounts out of the configuration first.")


COMMANDS = (purge,)
