"""Telling the story: run each step, check it on the servers, and print what happened."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from attrs import asdict, define, field, frozen
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from calsync_core.cli.accounts import align_accounts
from calsync_core.cli.assembly import Installation, build_installation
from calsync_core.cli.config import load_config
from calsync_core.cli.demo.calendars import story_monday
from calsync_core.cli.demo.proof import Shown, block_differences, shown_week
from calsync_core.cli.demo.story import CHAPTERS, Chapter, Evidence, Listings
from calsync_core.cli.demo.town import EMAIL, OWNER, ZONE, Login, Town, open_town
from calsync_core.cli.demo.week import LEGEND, changes_table, week_table
from calsync_core.cli.json_object import print_json
from calsync_core.cli.output import Output, plain_table
from calsync_core.cli.progress import listening
from calsync_core.cli.wording import REASONS
from calsync_core.models import Operation
from calsync_core.system import SystemClock

__all__ = ["tell_story"]

T = TypeVar("T")

_ACCOUNT = """
[[accounts]]
name = "{name}"
owner = "{owner}"
provider = "{provider}"
base_url = "{url}"
email = "{email}"
timezone = "{zone}"
auth = {{ {auth} }}
calendars = ["{calendar}"]
"""


@frozen
class Result:
    """How one step came out.

    Attributes:
        wrong: What the servers show that they should not; empty: it came out right.
        seconds: What the sync itself took.
    """

    title: str
    wrong: tuple[str, ...]
    created: int = 0
    updated: int = 0
    deleted: int = 0
    requests: int = 0
    seconds: float = 0.0


def tell_story(output: Output) -> int:
    """Run the whole story.

    Returns:
        The exit code: 0 if every step came out right, else 1.

    Raises:
        ConfigurationError: something that the demo needs isn't installed.
        ServerError: a server did not start, or refused Ana's own edits.
    """
    clock = SystemClock()
    began = clock.monotonic()
    console = Console(quiet=True) if output.as_json else output.console()
    monday = story_monday(clock.now().date())
    _title(console, "Google, Microsoft, two CalDAV servers, one Ana")
    with (
        open_town(monday) as town,
        tempfile.TemporaryDirectory(prefix="calsync-demo-") as folder,
        listening(output.errors() if output.as_json else console) as listener,
    ):
        installation = build_installation(load_config(_write_config(town, Path(folder))), on_progress=listener)
        try:
            results = _Telling(town, installation, console, clock).all()
        finally:
            installation.close()
    seconds = clock.monotonic() - began
    ok = not any(result.wrong for result in results)
    if output.as_json:
        steps = [{**asdict(result), "ok": not result.wrong} for result in results]
        print_json({"ok": ok, "steps": steps, "seconds": round(seconds, 3)})
    else:
        _summary(console, results, seconds)
    return 0 if ok else 1


def _write_config(town: Town, folder: Path) -> Path:
    """The same file that anybody would write, for servers that live only as long as the story."""
    path = folder / "calsync.toml"
    head = (
        f'[installation]\nsecret = "{secrets.token_urlsafe(32)}"\n\n[store]\nurl = "sqlite:///calsync.db"\n\n'
        # She deletes a block moments after it was made, which in real life is taken for the server's delay.
        "[policy]\nhorizon_days = 16\ngrace_seconds = 0\n"
    )
    path.write_text(head + "".join(map(_account, town.logins)), encoding="utf-8")
    return path


def _account(login: Login) -> str:
    return _ACCOUNT.format(
        name=login.name,
        owner=OWNER,
        provider=login.provider,
        url=login.base_url,
        email=EMAIL,
        zone=ZONE,
        auth=", ".join(f"{key} = {json.dumps(value)}" for key, value in login.auth.items()),
        calendar=login.desk.name,
    )


@define
class _Telling:
    """The story as it goes."""

    town: Town
    installation: Installation
    console: Console
    clock: SystemClock
    results: list[Result] = field(factory=list)

    def all(self) -> list[Result]:
        """Every step, in order."""
        for login in self.town.logins:
            desk = login.desk
            self._say(f"{login.name}: {login.kept}, at {login.base_url} with {desk.name} ({len(desk.own)})")
        self._say("Google and Microsoft are simulated on this machine; the CalDAV servers are real.")
        self._say("One calsync.toml names the four accounts; no calendar knows of the others yet.")
        self._say("")
        self._say(f"Her week from {self.town.monday:%A, %d %B %Y}, as the servers show it (Berlin time):")
        self._show_week(self.town.listings())
        self._say(LEGEND, style="dim")
        align_accounts(self.installation)
        if self.installation.failures:
            wrong = tuple(f"{each.account}: {each.kind}: {each.message}" for each in self.installation.failures)
            self._finish(Result("Connecting", wrong))
            return self.results
        for chapter in CHAPTERS:
            self._chapter(chapter)
        self._audit()
        self._purge()
        return self.results

    def _chapter(self, chapter: Chapter) -> None:
        _title(self.console, f"{len(self.results) + 1} · {chapter.title}")
        self._say(chapter.told)
        chapter.edit(self.town)
        before = self.town.listings()
        report, seconds = self._timed(lambda: self.installation.engine.sync_calendars_needing_polling(OWNER))
        after = self.town.listings()
        written = self.installation.written()
        self._show_changes(before, after, first=not self.results)
        self._show_written(written)
        wrong = [f"{each.account}: {each.kind}: {each.message}" for each in report.errors]
        wrong += chapter.check(Evidence(self.town, before, after, report))
        wrong += self._wrong_everywhere(after)
        self._finish(
            Result(
                chapter.title,
                tuple(wrong),
                report.busy_blocks_created,
                report.busy_blocks_updated,
                report.busy_blocks_deleted,
                report.api_calls,
                seconds,
            )
        )

    def _audit(self) -> None:
        title = "The audit"
        _title(self.console, f"{len(self.results) + 1} · {title}")
        self._say("Every calendar is listed afresh, every event fetched again and compared with what should be there.")
        before = self.town.listings()
        report, seconds = self._timed(lambda: self.installation.engine.audit(OWNER))
        standing = sum(len(desk.blocks(before[desk.name])) for desk in self.town.desks)
        verdict = f"{report.missing} missing, {report.extra} extra, {report.wrong} wrong"
        self._say(f"{standing} blocks are on the servers: {verdict}.")
        wrong = [] if report.ok else ["the audit is not content"]
        if report.checked < standing:
            wrong.append(f"{report.checked} blocks checked, {standing} on the servers")
        if self.town.listings() != before:
            wrong.append("the audit changed something")
        self._finish(Result(title, tuple(wrong), requests=report.api_calls, seconds=seconds))

    def _purge(self) -> None:
        title = "Everything is taken back"
        _title(self.console, f"{len(self.results) + 1} · {title}")
        self._say("Purge removes every block, lists the calendars again, and leaves what is Ana's own as it was.")
        report, seconds = self._timed(lambda: self.installation.engine.purge(OWNER))
        after = self.town.listings()
        self._show_week(after)
        wrong = [f"left: {each}" for each in report.residue]
        wrong += [f"{each.account}: {each.kind}: {each.message}" for each in report.errors]
        wrong += [
            f"{desk.name} shows {len(left)} blocks"
            for desk in self.town.desks
            if (left := desk.blocks(after[desk.name]))
        ]
        wrong += self._touched(after)
        self._finish(Result(title, tuple(wrong), deleted=report.removed, requests=report.api_calls, seconds=seconds))

    def _wrong_everywhere(self, listings: Listings) -> list[str]:
        """What must hold after every step: the right blocks, and Ana's own events as she left them."""
        return [*block_differences(self._week(listings)), *self._touched(listings)]

    def _touched(self, listings: Listings) -> list[str]:
        return [
            f"{desk.name}: an event of Ana's was changed"
            for desk in self.town.desks
            if not desk.untouched(listings[desk.name])
        ]

    def _week(self, listings: Listings) -> dict[str, list[Shown]]:
        return shown_week(self.town, listings)

    def _timed(self, work: Callable[[], T]) -> tuple[T, float]:
        began = self.clock.monotonic()
        return work(), self.clock.monotonic() - began

    def _show_week(self, listings: Listings) -> None:
        services = {desk.name: desk.service for desk in self.town.desks}
        self.console.print(week_table(self._week(listings), services))

    def _show_changes(self, before: Listings, after: Listings, *, first: bool) -> None:
        if first:
            self._show_week(after)
            self._say(LEGEND, style="dim")
            return
        changes = changes_table(self._week(before), self._week(after))
        if changes.row_count:
            self.console.print(changes)

    def _show_written(self, written: Sequence[Operation]) -> None:
        if not written:
            return
        names = {calendar.key: calendar.name for calendar in self.installation.store.load_calendars(owner=OWNER)}
        counts = Counter((names[each.target_id], str(each.kind), REASONS[each.reason]) for each in written)
        table = plain_table("written on", "blocks", "", "why", right=("blocks",))
        for (name, kind, reason), count in sorted(counts.items()):
            table.add_row(name, str(count), f"{kind}d", reason)
        self.console.print(table)

    def _finish(self, result: Result) -> None:
        self.results.append(result)
        spent = f"{result.requests} requests, {result.seconds:.1f} s"
        if not result.wrong:
            self.console.print(Text.assemble(("✓ ", "bold green"), "checked on the servers: ", spent))
        for problem in result.wrong:
            self.console.print(Text.assemble(("✗ ", "bold red"), problem))

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style=style))


def _title(console: Console, text: str) -> None:
    console.print()
    console.print(Rule(Text(text, style="bold cyan"), align="left", style="cyan"))


def _summary(console: Console, results: Sequence[Result], seconds: float) -> None:
    _title(console, "In short")
    table = plain_table("step", "created", "updated", "deleted", "requests", "seconds", "", right=_NUMBERS)
    for number, result in enumerate(results, 1):
        mark = Text("✗", style="red") if result.wrong else Text("✓", style="green")
        counts = (str(count or "") for count in (result.created, result.updated, result.deleted))
        table.add_row(f"{number} {result.title}", *counts, str(result.requests), f"{result.seconds:.1f}", mark)
    console.print(table)
    console.print()
    spent = sum(result.requests for result in results)
    failed = [f"{number} ({result.title})" for number, result in enumerate(results, 1) if result.wrong]
    if failed:
        console.print(Text(f"✗ did not come out right: {', '.join(failed)}", style="bold red"))
    else:
        console.print(
            Text(
                f"✓ all {len(results)} steps came out right: {spent} requests, {seconds:.1f} s in all",
                style="bold green",
            )
        )


_NUMBERS = ("created", "updated", "deleted", "requests", "seconds")
