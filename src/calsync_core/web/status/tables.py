"""The tables of the status page: calendars and runs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from calsync_core.models import CalendarHealth, CalendarId, Mode, PushState, SyncReport, SyncType
from calsync_core.web.markup import Content, Markup, element, short
from calsync_core.web.status.wording import NOTHING, ago, spell, until

__all__ = ["calendars", "runs"]

_STATES = {
    "ok": ("good", "●", "ok"),
    "unread": ("soft", "○", "not read yet"),
    "resyncing": ("soft", "○", "being read anew"),
    "paused": ("soft", "○", "paused"),
    "failing": ("bad", "▲", "failing"),
    "auth_expired": ("bad", "▲", "login refused"),
    "identity_changed": ("bad", "▲", "another login"),
    "read_only": ("bad", "▲", "read-only"),
    "vanished": ("bad", "▲", "vanished"),
}
_PUSH = {
    PushState.NONE: ("soft", "○", "none"),
    PushState.UNSUPPORTED: ("soft", "○", "not offered"),
    PushState.ACTIVE: ("good", "●", "active"),
    PushState.FAILING: ("warn", "▲", "failing"),
    PushState.SUSPENDED: ("bad", "▲", "given up"),
}
_MOST_IDS = 4
_WAYS = {SyncType.WEBHOOK: "push", SyncType.POLLING: "polling", SyncType.FULL: "full read"}


def calendars(given: Sequence[CalendarHealth], now: datetime, *, names: bool) -> Markup:
    """A row for each."""
    rows = [_calendar(each, now, names=names) for each in given]
    head = ("Calendar", "Owner", "State", "Push", "Last read", "Next read", "Blocks", "Owed")
    return _table("Enabled calendars, those in trouble first", head, rows, numbers={"Blocks", "Owed"})


def _calendar(each: CalendarHealth, now: datetime, *, names: bool) -> list[Content]:
    named = element("small", short(each.account), " / ", short(each.name)) if names else None
    # Of an error's words only its kind: what a service said may quote anything.
    kind = (each.last_error or "").partition(":")[0]
    why = element("small", f"{each.failures} × {kind}" if each.failures else kind) if kind else None
    expires = element("small", "until ", until(each.push_expires_at, now)) if each.push_expires_at else None
    return [
        [f"{each.calendar} ", element("span", short(each.provider), class_="unit"), named],
        [short(each.owner), element("small", "only observed") if each.mode is Mode.OBSERVE else None],
        [_sign(*_STATES.get(each.state, ("bad", "▲", each.state))), why],
        [_sign(*_PUSH[PushState(each.push)]), expires],
        ago(each.read_at, now),
        until(each.next_read_at, now),
        f"{each.blocks:,}",
        f"{each.debts:,}" if each.debts else NOTHING,
    ]


def runs(given: Sequence[SyncReport], now: datetime) -> Content:
    """A row for each."""
    if not given:
        return element("p", "None is recorded yet.")
    head = ("Ended", "Woken by", "Took", "Calendars", "Changes", "Written", "Requests", "Errors")
    rows = [_run(each, now) for each in given]
    return _table("The last syncs, newest first", head, rows, numbers={"Changes", "Written", "Requests"})


def _run(run: SyncReport, now: datetime) -> list[Content]:
    kinds = Counter(failure.kind for failure in run.errors)
    failed = [element("small", f"{number} × {kind}") for kind, number in kinds.most_common(3)]
    took = NOTHING if run.finished_at is None else spell((run.finished_at - run.started_at).total_seconds())
    return [
        ago(run.finished_at, now, "not yet"),
        [_WAYS[run.sync_type], element("small", "our own writes alone") if run.echo else None],
        took,
        _ids(run.calendars),
        f"{run.events_created + run.events_updated + run.events_deleted:,}",
        f"{run.writes:,}",
        f"{run.api_calls:,}",
        [_sign("bad", "▲", f"{len(run.errors):,}"), failed] if run.errors else NOTHING,
    ]


def _ids(calendars: Sequence[CalendarId]) -> str:
    """Some, and how many more."""
    more = f" + {len(calendars) - _MOST_IDS:,}" if len(calendars) > _MOST_IDS else ""
    return ", ".join(map(str, calendars[:_MOST_IDS])) + more or NOTHING


def _sign(colour: str, sign: str, word: str) -> Markup:
    return element("span", element("span", sign, aria_hidden="true"), f" {word}", class_=f"state {colour}")


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Content]], *, numbers: set[str]) -> Markup:
    """One whose rows are cards where the page is narrow; the roles are said since such a display takes them away."""

    def cell(name: str, content: Content) -> Markup:
        kinds = [kind for kind, is_one in (("n", name in numbers), ("none", content == NOTHING)) if is_one]
        if name == head[0]:
            return element("th", content, scope="row", role="rowheader")
        return element("td", element("div", content), class_=" ".join(kinds) or None, role="cell", data_label=name)

    titles = [
        element("th", name, scope="col", role="columnheader", class_="n" if name in numbers else None) for name in head
    ]
    body = [element("tr", [cell(*pair) for pair in zip(head, row, strict=True)], role="row") for row in rows]
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", titles, role="row"), role="rowgroup"),
        element("tbody", body, role="rowgroup"),
        class_="cards",
        role="table",
    )
