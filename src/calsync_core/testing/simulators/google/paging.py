"""Pages and the tokens that lead to the next page or the next round."""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from calsync_core.testing.simulators.google.errors import bad
from calsync_core.testing.simulators.google.habits import Habits

__all__ = ["Listing", "Pages", "SyncToken", "open_sync_token"]

_KEPT = 500
"""Listings whose further pages can still be asked for."""


@frozen
class Listing:
    """One list, as of its first page.

    Attributes:
        shape: What the request for each page must say again.
        items: Ready to send.
        head: What each page says besides.
        sync_token: For the last page.
    """

    shape: Mapping[str, Any]
    items: Sequence[Any]
    head: Mapping[str, Any]
    sync_token: str | None


@frozen
class SyncToken:
    """What a sync token says inside.

    Attributes:
        of: What was listed, and for whom.
        change: The last change that its list showed.
        epoch: Of what was listed.
        shape: What every request with this token must say again.
    """

    of: str
    change: int
    epoch: int
    shape: Mapping[str, Any]

    def text(self) -> str:
        """The token to hand out."""
        inside = json.dumps([self.of, self.change, self.epoch, self.shape], sort_keys=True)
        return base64.urlsafe_b64encode(inside.encode()).decode()


def open_sync_token(text: str, of: str, shape: Mapping[str, Any]) -> SyncToken:
    """A token that a client sent.

    Raises:
        ApiError: 400, it is none, is for something else, or comes with other parameters than its first request
            ("should be the same … to avoid undefined behavior", discovery document: here the undefined is an error).
    """
    try:
        token = SyncToken(*json.loads(base64.urlsafe_b64decode(text.encode())))
    except (ValueError, TypeError):
        raise bad("Invalid sync token value.", parameter="syncToken") from None
    if token.of != of:
        raise bad("Invalid sync token value.", parameter="syncToken")
    if dict(token.shape) != dict(shape):
        raise bad("Sync token cannot be used with these parameters.", parameter="syncToken")
    return token


class Pages:
    """Cuts lists into pages and finds the next one."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._open: OrderedDict[str, tuple[Listing, Sequence[Sequence[Any]]]] = OrderedDict()
        self._made = 0

    def first(self, listing: Listing, size: int) -> dict[str, Any]:
        """The first page of a new list."""
        size = min(size, self._habits.page_size or size)
        items = [*listing.items, *listing.items[: self._habits.replays]]
        full = [items[start : start + size] for start in range(0, len(items), size)] or [[]]
        pages = [page for one in full for page in ([[]] * self._habits.empty_pages + [one])]
        self._made += 1
        key = f"{self._made}"
        if len(pages) > 1:
            self._open[key] = (listing, pages)
            if len(self._open) > _KEPT:
                self._open.popitem(last=False)
        return _page(key, listing, pages, 0)

    def following(self, page_token: str, shape: Mapping[str, Any]) -> dict[str, Any]:
        """A further page.

        Raises:
            ApiError: 400, the token is none or too old, or the parameters are others than for the first page.
        """
        key, _, place = page_token.removeprefix("page").partition("-")
        if key not in self._open or not place.isdecimal():
            raise bad("Invalid page token value.", parameter="pageToken")
        listing, pages = self._open[key]
        if dict(listing.shape) != dict(shape) or int(place) >= len(pages):
            raise bad("Page token cannot be used with these parameters.", parameter="pageToken")
        return _page(key, listing, pages, int(place))


def _page(key: str, listing: Listing, pages: Sequence[Sequence[Any]], place: int) -> dict[str, Any]:
    page = {**listing.head, "items": list(pages[place])}
    if place + 1 < len(pages):
        page["nextPageToken"] = f"page{key}-{place + 1}"
    elif listing.sync_token is not None:
        page["nextSyncToken"] = listing.sync_token
    return page
