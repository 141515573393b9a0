"""``calsync credentials``: the logins that the database keeps, sealed."""

from __future__ import annotations

import click

from calsync_core.cli.context import Call, json_option
from calsync_core.cli.output import Output
from calsync_core.errors import ConfigurationError, UnknownAccount
from calsync_core.models import Login, OAuthClient, OAuthGrant
from calsync_core.system import SystemClock

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


@credentials.command("login")
@click.argument("account_name", metavar="ACCOUNT")
@json_option
@click.pass_obj
def login(call: Call, *, account_name: str, as_json: bool) -> int:
    """Log in to an account by hand: type a code in on another device.

    For accounts of Microsoft with auth = { type = "device", client_id = … }; the database keeps what comes of it.
    """
    output = Output(as_json=as_json)
    with call.installation(output) as installation:
        config = installation.config
        each = next((each for each in config.accounts if each.account.name == account_name), None)
        if each is None or not each.logs_in_by_device:
            known = ", ".join(each.account.name for each in config.accounts if each.logs_in_by_device) or "none"
            problem = f'"{account_name}" has no auth of the type "device" (those that have: {known})'
            raise UnknownAccount(f"ACCOUNT: {problem}")
        if not config.encryption_keys:
            raise ConfigurationError(f"{config.path}: [store]: encryption_key: is missing, and the login would be lost")
        grant = _log_in(each.login, output)
        installation.engine.connect(each.account, grant)
    output.report(
        {"connected": account_name},
        lambda console: console.print(f"{account_name} is logged in.", markup=False),
    )
    return 0


def _log_in(client: Login, output: Output) -> OAuthGrant:
    from calsync_core.providers.microsoft import (  # noqa: PLC0415  (needs its extra)
        begin_device_login,
        finish_device_login,
    )

    if not isinstance(client, OAuthGrant):
        raise ConfigurationError("auth: a login by device needs a client_id")
    clock = SystemClock()
    application = OAuthClient(client.client_id, token_url=client.token_url)
    code = begin_device_login(application, clock=clock)
    output.errors().print(code.message, markup=False, soft_wrap=True)
    return finish_device_login(application, code, clock=clock)


COMMANDS = (credentials,)
