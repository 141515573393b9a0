"""What a real service is free to do, and does on some days: a test turns on what it is about."""

from __future__ import annotations

import random
from datetime import timedelta

from attrs import define, field

__all__ = ["Habits"]


@define
class Habits:
    """Where the documents leave room, or say nothing. Change an attribute while the service runs.

    Attributes:
        page_size: Most items on a page, however many were asked for (documented: a page may be short).
        empty_pages: As many empty pages come before each page with items (documented: a page may be empty).
        replays: Every list shows its first n items again at its end, and an incremental one begins n changes too early.
        lag: Lists trail n changes behind; ``events.get`` does not.
        expansion: How far beyond now ``singleEvents=true`` expands without ``timeMax``. The real reach is unknown.
        oldest_update: ``updatedMin`` further back than this is answered with 410. The real limit is unknown.
        tells_lost_exceptions: When a series moves, exceptions without a place in it any more show up as cancelled in
            incremental lists; otherwise they are just gone. What the real service does is unknown.
        windows_hide_moved: ``timeMin`` and ``timeMax`` look at where an exception is, not at where it would be in its
            series; one that was moved out of the window is then not in the list. Unknown, so the worst is assumed.
        longest_watch: A channel lives no longer. The real limit for events is unknown; 7 days is the documented
            default.
        early_sync: A channel's ``sync`` message is delivered before ``events.watch`` is answered; otherwise it waits
            in the outbox like all others. Documented as possible.
        rotates_refresh_tokens: Each use of a refresh token gives another one and voids the old (Google seldom does).
        asks_for_consent: The consent page waits for an answer; otherwise whom ``login_hint`` names, or the first user,
            consents at once.
        order: Dice for the order in which a batch is carried out; None: as sent (documented: no order is promised).
    """

    page_size: int | None = None
    empty_pages: int = 0
    replays: int = 0
    lag: int = 0
    expansion: timedelta = timedelta(days=730)
    oldest_update: timedelta = timedelta(days=28)
    tells_lost_exceptions: bool = True
    windows_hide_moved: bool = True
    longest_watch: timedelta = timedelta(days=7)
    early_sync: bool = False
    rotates_refresh_tokens: bool = False
    asks_for_consent: bool = False
    order: random.Random | None = field(factory=lambda: random.Random(0))  # noqa: S311  (a die, not a secret)
