"""``calsync credentials``: the logins that the database keeps, sealed."""

from __future__ import annotations

import click

from calsync_core.cli.context import Call, json_option
from calsync_core.cli.output import Output
from calsync_core.errors import ConfigurationError, UnknownAccount

__all__ = ["COMMANDS"]


@click.group("credentials")
def credentials() -> None:
    """The logins that the database keeps, sealed under [store] encryption_key."""


@credentials.command("rotate")
@json_option
@click.pass_obj
def rotate(call: Call, *, as_json: bool) -> int:
    """Seal all stored logins under the first encryption key.

    Put a new key before the old one in [store] encryption_key, run this, then remove the old one.
    """
    output = Output(as_json=as_json)
    with call.installation(output) as installation:
        if not installation.config.encryption_keys:
            raise ConfigurationError(f"{installation.config.path}: [store]: encryption_key: is missing")
        count = installation.engine.rotate_credentials()
        kept = len(installation.store.load_credentials())
    output.report(
        {"rotated": count, "stored": kept},
        lambda console: console.print(
            f"{count} of {kept} stored logins sealed anew; all are under the first key now.", soft_wrap=True
        ),
    )
    return 0


@credentials.command("forget")
@click.argument("account_name", metavar="ACCOUNT")
@json_option
@click.pass_obj
def forget(call: Call, *, account_name: str, as_json: bool) -> int:
    """Delete an account's login from the database; the next sync takes the one in the configuration.

    For a key that is lost. A refresh token in the configuration may be spent by then: consent again, and write the new
    one there.
    """
    output = Output(as_json=as_json)
    with call.installation(output) as installation:
        accounts = {account.name: account for account in installation.store.load_accounts()}
        if account_name not in accounts:
            known = ", ".join(sorted(accounts)) or "none"
            raise UnknownAccount(f'ACCOUNT: there is no "{account_name}" (known: {known})')
        installation.engine.forget_credentials(accounts[account_name].key)
    output.report(
        {"forgotten": account_name},
        lambda console: console.print(f"The stored login of {account_name} is forgotten.", markup=False),
    )
    return 0


COMMANDS = (credentials,)
