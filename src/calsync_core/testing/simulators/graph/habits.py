"""How the simulated Graph behaves where the real one was seen to behave in more than one way."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from attrs import define

__all__ = ["Habits"]


@define
class Habits:
    """Switches; assign to them at any time. The defaults are the ones that hurt a careless client most.

    Attributes:
        page_size: Items on a page of a listing when the client names no size; Graph's own default is 10.
        longest_page: More is never on a page, whatever ``$top`` or ``odata.maxpagesize`` say (reported: 1,000).
        longest_view: A longer ``startDateTime``..``endDateTime`` is refused (reported: 1,825 days).
        view_expands: ``calendarView`` shows extended properties that it is asked for (msgraph-metadata #299; its page
            in the reference does not say so).
        empty_pages: Every delta round of more than one page has an empty one inside ("delta-query-overview").
        replays: Every delta round of two items or more shows one of them twice ("delta-query-overview").
        shuffled: Delta items come in any order ("delta-query-overview").
        delta_delay: A change shows in later delta rounds only after this time, by the clock; a round read right after a
            notification is then empty (seen on OneDrive, onedrive-api-docs #1402).
        masters: Whether a changed series' master comes with its occurrences in a delta: in the first round always
            unless ``never``; in later rounds ``always``, ``sometimes`` (by the simulator's dice) or not
            (``first_round``). Reports differ (docs issues #7632, #22197, keeper.sh #409).
        removed_occurrences: A deleted series has each of its occurrences removed in a delta too, not only its master.
            Nothing says which is right.
        occurrence_uids: ``iCalUId`` of an occurrence: its own (the documentation), the series' (docs issue #17479) or
            null (OutlookGoogleCalendarSync #2374).
        create_replay: A second POST with the same ``transactionId``: 201 with the first event, or an error with code
            ``ErrorDuplicateTransactionId`` and status 400 (real traces) or 409 (others' code).
        second_delete: Deleting what is deleted, by immutable id: 404 ``ErrorItemNotFound``, or 403
            ``ErrorCannotDeleteObject`` (seen on messages, msgraph-sdk-dotnet #3047).
        enforce_if_match: A wrong ``If-Match`` is refused with 412. Not on the event pages, hence off.
        declined: A meeting that its guest declines leaves the calendar, or stays and says ``declined``.
        calendar_subscriptions: ``/me/calendars/{id}/events`` may be subscribed to; undocumented but reported.
        duplicate_subscription: The second subscription to one resource: 409, or a second one lives beside the first
            (learn.microsoft.com answers 5768670).
        mixed_deliveries: Notifications to one URL travel together, whatever their subscriptions.
        retry_after: How a 429 says how long: whole seconds, a fraction (``2.128`` in the documentation's sample), an
            HTTP date, not at all, or each in turn.
        shuffled_batches: The answers in a batch come in any order.
        concurrency: Requests at a time per app and mailbox, the parts of batches included.
        requests: And in ``period``.
        handshake_time: Real seconds in which an endpoint must echo a validation token.
        one_time_refresh_tokens: A used refresh token is dead; the documentation says that it is not.
        asks_for_consent: The consent page waits for an answer; otherwise whom ``login_hint`` names consents at once.
        admin_consent: Nobody but an administrator may consent: everybody else comes back with AADSTS90094.
    """

    page_size: int = 10
    longest_page: int = 1000
    longest_view: timedelta = timedelta(days=1825)
    view_expands: bool = True
    empty_pages: bool = True
    replays: bool = True
    shuffled: bool = True
    delta_delay: timedelta = timedelta()
    masters: Literal["always", "sometimes", "first_round", "never"] = "sometimes"
    removed_occurrences: bool = False
    occurrence_uids: Literal["occurrence", "series", "null"] = "occurrence"
    create_replay: Literal["created", "bad_request", "conflict"] = "bad_request"
    second_delete: Literal["not_found", "forbidden"] = "not_found"
    enforce_if_match: bool = False
    declined: Literal["removed", "marked"] = "removed"
    calendar_subscriptions: bool = True
    duplicate_subscription: Literal["conflict", "second"] = "conflict"
    mixed_deliveries: bool = True
    retry_after: Literal["seconds", "fraction", "date", "none", "mixed"] = "mixed"
    shuffled_batches: bool = True
    concurrency: int = 4
    requests: int = 10_000
    period: timedelta = timedelta(minutes=10)
    handshake_time: float = 10.0
    one_time_refresh_tokens: bool = False
    asks_for_consent: bool = False
    admin_consent: bool = False
