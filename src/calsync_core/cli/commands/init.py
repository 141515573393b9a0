"""``calsync init``: a commented configuration with a fresh secret and a fresh encryption key."""

from __future__ import annotations

import os
import secrets

import click

from calsync_core.cli.context import Call, json_option
from calsync_core.cli.output import Output
from calsync_core.credentials import new_key
from calsync_core.errors import ConfigurationError

__all__ = ["COMMANDS"]

_TEMPLATE = """\
# calsync-core: what is booked on one of a person's calendars shows as busy on the others.
# Any value may be "env:NAME" (an environment variable) or "file:PATH" (a file's content).
# Relative paths start in this file's folder. This file holds secrets: keep it to yourself.

[installation]
# Busy blocks are recognised by it. Lost, they can't be told from other people's: keep a copy.
# To change it, write a list: the first one signs, the others are still recognised.
secret = "{secret}"

[store]
url = "sqlite:///calsync.db"
# The database keeps logins sealed under it, since a renewed one must not get lost. Without this line it keeps none,
# and a login that is renewed (auth type "oauth") lasts no longer than the call that renewed it.
# To change it, write a list, run `calsync credentials rotate`, and remove the old one.
encryption_key = "{key}"

# [webhooks]
# public_url = "https://calendar.example.com/webhooks"   # where pushes reach `calsync run`; without it, polling only

[policy]                        # everything here is optional; these are the defaults
# horizon_days = 90             # how many days ahead are mirrored
# title = "🔒 Busy"             # "{{title}}" in it shows the event's own title, private events excepted
# all_day = "busy"              # busy | free | skip: how all-day events that are busy are mirrored
# unanswered = "tentative"      # tentative | busy | none: invitations nobody answered yet
# guard_max = 20                # more deletions than this ...
# guard_share = 0.5             # ... and than this share of a calendar's blocks within 24 h wait for `calsync held`
# on_block_deleted = "restore"  # restore | respect: what deleting or editing a block by hand means
# grace_seconds = 60            # a younger block that seems gone is the server's delay, not your doing
# full_hours = 24               # a calendar is wholly read again after this long, as a safety net
# polling_seconds = 3600        # a calendar without working push is read at least this often
# silence_hours = 6             # one with push that has been silent for this long is read all the same

# To see for some days what would be written, before anything is: `calsync sync` says so, `calsync plan` shows it.
# [owners.ana]
# mode = "observe"              # write (the default) | observe

# One table for each login. The accounts of one owner block each other.
# [[accounts]]
# name = "ana-icloud"
# owner = "ana"
# provider = "icloud"
# email = "ana@example.com"     # her address in invitations: what she declined blocks nothing
# timezone = "Europe/Berlin"    # optional: for events without a zone, and the edges of all-day events
# auth = {{ type = "password", username = "ana@example.com", password = "env:ANA_ICLOUD_PASSWORD" }}   # app-specific
# calendars = ["Home", "Work"]  # optional: names or ids; ["*"]: all she owns. Default: the login's own default calendar
# publish = true                # its events block the others
# receive = true                # the others' events block it

# [[accounts]]
# name = "ana-office"
# owner = "ana"
# provider = "caldav"
# base_url = "https://dav.example.com/"
# auth = {{ type = "password", username = "ana", password = "file:office-password" }}

# [[accounts]]
# name = "ana-google"
# owner = "ana"
# provider = "google"
# auth = {{ type = "oauth", client_id = "…", client_secret = "env:GOOGLE_SECRET", refresh_token = "env:ANA_GOOGLE" }}
"""


@click.command("init")
@json_option
@click.pass_obj
def init(call: Call, *, as_json: bool) -> int:
    """Write a commented calsync.toml with a fresh secret and encryption key.

    Never overwrites: the secret in an existing file is what recognises the blocks it made.
    """
    path = call.config_path
    text = _TEMPLATE.format(secret=secrets.token_urlsafe(32), key=new_key())
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{path}: exists already and was left as it is") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be written: {error.strerror}") from None
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
    Output(as_json=as_json).report(
        {"written": str(path)},
        lambda console: console.print(
            f"Wrote {path}, readable by you only. Add your accounts to it, then run: calsync sync",
            markup=False,
            soft_wrap=True,
        ),
    )
    return 0


COMMANDS = (init,)
