"""A person's calendars on a real server, a configuration that points at them, and ``calsync`` called on both."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from attrs import define, field
from click.testing import CliRunner, Result

from calsync_core.cli.application import calsync
from calsync_core.testing.servers import CalDAVServer
from planted import DETAIL, GUEST, LUNCH, PASSWORD

_numbers = count()


@define
class Household:
    """One configuration, the server behind it, and the command line in between."""

    server: CalDAVServer
    folder: Path
    calendars: dict[str, str] = field(factory=dict)
    secret: str = field(factory=lambda: f"the-secret-of-installation-{next(_numbers)}")

    @property
    def config(self) -> Path:
        return self.folder / "calsync.toml"

    def add_calendar(self, name: str, user: str = "ana") -> str:
        """A calendar of this name on the server; tests share the server, so its path is its own."""
        number = next(_numbers)
        self.calendars[name] = self.server.add_calendar(user, f"cal-{number}", name=f"{name} {number}")
        return self.calendars[name]

    def put(self, calendar: str, name: str, text: str) -> None:
        self.server.put(self.calendars[calendar], name, text)

    def names(self, calendar: str) -> list[str]:
        return self.server.names(self.calendars[calendar])

    def account(self, name: str, *calendars: str, **changes: str) -> str:
        """An ``[[accounts]]`` table for some of the calendars."""
        selected = json.dumps([self.calendars[each] for each in calendars])
        user = "ana-office" if name == "office" else "ana"
        keys = {
            "name": f'"{name}"',
            "owner": '"ana"',
            "provider": '"caldav"',
            "email": '"ana@example.com"',
            "timezone": '"Europe/Berlin"',
            "base_url": f'"{self.server.base_url}"',
            "auth": f'{{ type = "password", username = "{user}", password = "{PASSWORD}" }}',
            "calendars": selected,
            **changes,
        }
        return "[[accounts]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())

    def write(self, *accounts: str, policy: str = "") -> None:
        """Write the configuration."""
        head = f'[installation]\nsecret = "{self.secret}"\n[store]\nurl = "sqlite:///calsync.db"\n[policy]\n{policy}\n'
        self.config.write_text(head + "\n".join(accounts), encoding="utf-8")

    def call(self, *words: str) -> Result:
        """``calsync --config … WORDS``."""
        return CliRunner().invoke(calsync, ["--config", str(self.config), *words])

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        """The one JSON object of a call that must end with this code."""
        result = self.call(*words, "--json")
        assert result.exit_code == code, result.output
        values = json.loads(result.stdout)
        assert isinstance(values, dict)
        return values


def noon(days: int) -> datetime:
    """Noon UTC so many days from today."""
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return today + timedelta(days=days)


def event(uid: str, start: datetime, *lines: str, summary: str = LUNCH) -> str:
    """One hour's event as an app would save it."""
    stamp = "%Y%m%dT%H%M%SZ"
    return "\r\n".join(
        (
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//an app//EN",
            "BEGIN:VEVENT",
            f"UID:{uid}",
            "DTSTAMP:20260101T000000Z",
            f"DTSTART:{start.astimezone(UTC):{stamp}}",
            f"DTEND:{start.astimezone(UTC) + timedelta(hours=1):{stamp}}",
            f"SUMMARY:{summary}",
            f"DESCRIPTION:{DETAIL}",
            f"LOCATION:{DETAIL}",
            f"ATTENDEE:mailto:{GUEST}",
            *lines,
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        )
    )
