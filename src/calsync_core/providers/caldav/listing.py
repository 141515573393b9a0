"""What a listing of a collection said: resources there, resources gone, and how to ask the next time. Pure."""

from __future__ import annotations

from attrs import Factory, define, frozen

from calsync_core.errors import UnreadableAnswer
from calsync_core.providers.caldav.names import is_collection, key_of
from calsync_core.providers.caldav.wire import DAV, Entry, Multistatus

__all__ = ["Listed", "Listing"]

MAX_MEMBERS = 500_000
"""Resources in one calendar."""
MAX_INLINE = 64 * 1024 * 1024
"""Characters of data kept from a listing; what comes beyond is asked for again, chunk by chunk."""
_TYPE = f"{{{DAV}}}resourcetype"


@frozen
class Listed:
    """A resource that is there; its data, if the listing gave it."""

    path: str
    etag: str | None
    data: str | None = None


@define
class Listing:
    """Page after page of one listing.

    Attributes:
        inline: Characters of data that it gave.
    """

    mode: str
    token: str | None = None
    entries: dict[str, Listed] = Factory(dict)
    gone: set[str] = Factory(set)
    inline: int = 0

    def add(self, found: Multistatus, collection: str) -> None:
        """Take in one page; a later page knows better than an earlier one. Raises UnreadableAnswer: it is too much."""
        there: dict[str, Listed] = {}
        gone = set()
        for entry in found.entries:
            key = key_of(entry.href)
            if not key or is_collection(entry.href, collection) or _is_folder(entry):
                continue
            if entry.status in {404, 410}:
                gone.add(key)
            else:
                there[key] = Listed(entry.href, entry.etag, self._kept(entry.data))
        for key in gone:
            self.entries.pop(key, None)
        self.entries.update(there)
        self.gone = (self.gone | gone) - there.keys()
        if len(self.entries) + len(self.gone) > MAX_MEMBERS:
            raise UnreadableAnswer(f"the calendar lists more than {MAX_MEMBERS} resources")

    def _kept(self, data: str | None) -> str | None:
        self.inline += len(data or "")
        return data if self.inline <= MAX_INLINE else None


def _is_folder(entry: Entry) -> bool:
    return f"{{{DAV}}}collection" in (entry.names(_TYPE) or ())
