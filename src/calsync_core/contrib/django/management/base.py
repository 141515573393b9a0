"""What the commands share: the engine, one line on what it did, and what that means for the exit code.

0: all well. 1: something failed, and stderr says what. 2: wrong usage or settings.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any, Protocol

from django.core.management.base import BaseCommand, CommandError

from calsync_core.contrib.django.installation import engine
from calsync_core.engine import SyncEngine
from calsync_core.errors import CalsyncError, InvalidValue, UsageError
from calsync_core.models import SyncFailure

__all__ = ["EngineCommand", "Told"]


class Told(Protocol):
    """A report of the engine's."""

    @property
    def errors(self) -> tuple[SyncFailure, ...]:
        """What failed."""
        ...

    @property
    def summary(self) -> str:
        """In a line."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        ...


class EngineCommand(BaseCommand):
    """Has the engine do something, and tells."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What all of them take."""
        parser.add_argument("--json", action="store_true", dest="as_json", help="One JSON object on stdout.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do it. A mistake of the caller's ends with 2, anything else of ours with 1."""
        try:
            owner = options.get("owner")
            if owner is not None and not engine().accounts(owner):
                raise InvalidValue(f"owner: {owner!r} has no account here; owners are called what owner_of(user) says")
            self.work(engine(), options)
        except CalsyncError as error:
            raise CommandError(str(error), returncode=2 if isinstance(error, UsageError) else 1) from None

    def add_owner(self, parser: ArgumentParser) -> None:
        """``--owner``."""
        said = (
            "Only this owner's calendars: what owner_of(user) says, unless you chose otherwise the user's primary key."
        )
        parser.add_argument("--owner", metavar="NAME", help=said)

    def work(self, engine: SyncEngine, options: dict[str, Any]) -> None:
        """What the command is for."""
        raise NotImplementedError

    def tell(self, report: Told, options: dict[str, Any]) -> None:
        """One line, and what failed. Raises CommandError if something did."""
        self.show(report.as_dict(), report.summary, options)
        self.name_failures(report.errors)

    def show(self, document: dict[str, Any], line: str, options: dict[str, Any]) -> None:
        """Either of them on stdout."""
        self.stdout.write(json.dumps(document) if options["as_json"] else line)

    def name_failures(self, errors: Iterable[SyncFailure]) -> None:
        """On stderr. Raises CommandError if there are any."""
        count = 0
        for count, each in enumerate(errors, 1):  # noqa: B007  (counted)
            where = each.account if each.calendar is None else f"{each.account} / {each.calendar}"
            self.stderr.write(f"{where}: {each.kind}: {each.message}")
        if count:
            raise CommandError(f"{count} failed")
