"""How the status page says lengths of time, instants and counts."""

from __future__ import annotations

from datetime import datetime, timedelta

from calsync_core.web.markup import Markup, element

__all__ = ["NOTHING", "ago", "count", "spell", "until", "wall"]

NOTHING = "–"


def spell(seconds: float) -> str:
    """A rough length of time: ``0.4 s``, ``40 s``, ``12 min``, ``3 h``, ``5 days``."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if 0 < seconds < 10 else f"{max(0.0, seconds):.0f} s"


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 calendar``, ``12,000 calendars``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def wall(at: datetime, pattern: str = "%Y-%m-%d %H:%M:%S") -> Markup:
    """An instant in UTC."""
    return _time(at, at.strftime(pattern))


def ago(at: datetime | None, now: datetime, never: str = "never") -> Markup | str:
    """How long ago it was."""
    return never if at is None else _time(at, f"{spell((now - at).total_seconds())} ago")


def until(at: datetime | None, now: datetime, never: str = NOTHING) -> Markup | str:
    """How long until then; what should have been for more than a moment is said so."""
    if at is None:
        return never
    seconds = (at - now).total_seconds()
    if seconds > 0:
        return _time(at, f"in {spell(seconds)}")
    return _time(at, "now" if seconds > -60 else f"due for {spell(-seconds)}")


def _time(at: datetime, words: str) -> Markup:
    whole = at - timedelta(microseconds=at.microsecond)
    return element("time", words, datetime=whole.isoformat(), title=f"{whole:%Y-%m-%d %H:%M:%S} UTC")
