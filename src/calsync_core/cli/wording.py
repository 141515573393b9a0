"""How the command line says things: reasons, times and calendars' names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from calsync_core.models import CalendarId, Moment, Reason, Span
from calsync_core.protocols import Store

__all__ = ["REASONS", "calendar_names", "spell_age", "spell_moment", "spell_observed", "spell_span"]

REASONS: dict[Reason, str] = {
    Reason.BOOKED: "booked",
    Reason.MOVED: "moved",
    Reason.RETITLED: "retitled",
    Reason.ANSWERED: "answered differently",
    Reason.NO_LONGER_WANTED: "no longer blocks",
    Reason.SWITCHED_OFF: "switched off",
    Reason.USER_DELETED: "was deleted by hand",
    Reason.USER_EDITED: "was edited by hand",
    Reason.LATE_WRITE: "came too late",
    Reason.ORPHANED: "belongs to nothing",
    Reason.ADOPTED: "taken over",
    Reason.UNDONE: "undone",
}


def calendar_names(store: Store) -> dict[CalendarId, str]:
    """``account / calendar`` for every calendar in the store."""
    accounts = {account.id: account.name for account in store.load_accounts()}
    return {
        calendar.key: f"{accounts.get(calendar.account_id, '?')} / {calendar.name}"
        for calendar in store.load_calendars()
    }


def spell_observed(owners: Iterable[str]) -> str:
    """That these are only observed, and where that is said."""
    names = sorted(owners)
    tables = ", ".join(f"[owners.{name}]" for name in names)
    verb = "is" if len(names) == 1 else "are"
    return f"{' and '.join(names)} {verb} only observed, and nothing is written ({tables} in the configuration)"


def spell_moment(moment: Moment) -> str:
    """A date, or an instant in this machine's own zone."""
    if isinstance(moment, datetime):
        return f"{moment.astimezone():%a %Y-%m-%d %H:%M}"
    return f"{moment:%a %Y-%m-%d}"


def spell_span(span: Span) -> str:
    """From when to when, in this machine's own zone; the end's day only where it differs."""
    start, end = span.start, span.end
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        last = end - timedelta(days=1)
        return f"{spell_moment(start)} all day" if last <= start else f"{spell_moment(start)} – {spell_moment(last)}"
    until = end.astimezone()
    same_day = until.date() == start.astimezone().date()
    return f"{spell_moment(start)} – {until:%H:%M}" if same_day else f"{spell_moment(start)} – {spell_moment(end)}"


def spell_age(seconds: float) -> str:
    """A rough length of time: ``40 s``, ``12 min``, ``3 h``, ``5 days``."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
