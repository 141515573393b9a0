"""Time zone names as calendars really spell them."""

from __future__ import annotations

import re
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from calsync_core.core.windows_zones import WINDOWS_ZONES

__all__ = ["resolve_zone"]

_LONGEST = 100
_PART = r"[A-Za-z][A-Za-z0-9_+\-]{0,30}"
_IANA = re.compile(rf"{_PART}(?:/{_PART}){{0,2}}")
_UTC_SPELLINGS = frozenset({"utc", "gmt", "z", "zulu", "utc0", "gmt0", "tzone://microsoft/utc"})
_SAME_AGAIN = re.compile(r"^(?:(?:posix|right)/)+")
# Files of the tz database that are no place: the machine's own zone, POSIX defaults, and the placeholder.
_NO_PLACE = frozenset({"localtime", "posixrules", "factory"})
_WINDOWS = {name.casefold(): iana for name, iana in WINDOWS_ZONES.items()}


def resolve_zone(name: str) -> ZoneInfo | None:
    """Find the zone that a calendar means by a name.

    Understands IANA names, Windows names (CLDR's ``windowsZones``, territory 001), the several spellings of UTC, and
    an IANA name at the end of a vendor's path (``/freeassociation.sourceforge.net/Europe/Berlin``). Quotes and white
    space around the name don't matter.

    Args:
        name: A ``TZID``, ``timeZone`` or ``originalStartTimeZone`` as the provider gave it. Any text is safe: only
            what looks like an IANA name is ever looked for in the tz database.

    Returns:
        The zone, or None where nobody can know it (``tzone://Microsoft/Custom``, a display name, nonsense).
    """
    return _resolve(name) if len(name) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _resolve(name: str) -> ZoneInfo | None:
    text = name.strip().strip("\"'").strip()
    if not text:
        return None
    folded = text.casefold()
    if folded in _UTC_SPELLINGS:
        return ZoneInfo("UTC")
    if folded in _WINDOWS:
        return _load(_WINDOWS[folded])
    if not text.startswith("/"):
        return _load(text)
    parts = text.strip("/").split("/")
    if ".." in parts:
        return None
    # The longest ending first: America/Argentina/Buenos_Aires is a zone, Argentina/Buenos_Aires is not.
    endings = ("/".join(parts[-length:]) for length in (3, 2, 1))
    return next((zone for ending in endings if (zone := _load(ending)) is not None), None)


def _load(key: str) -> ZoneInfo | None:
    # posix/ and right/ are the same places again; right/ counts leap seconds and would be half a minute off.
    key = _SAME_AGAIN.sub("", key)
    if not _IANA.fullmatch(key) or key.casefold() in _NO_PLACE:
        return None
    try:
        return ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
