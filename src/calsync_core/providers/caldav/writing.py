"""Writing blocks into one calendar collection: conditional, idempotent, one resource at a time (I-02, I-04)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from attrs import define, frozen

from calsync_core.errors import NotFound, ReadOnly, Unavailable
from calsync_core.icalendar.names import parse_block_name
from calsync_core.models import BlockContent, Event, Intent, Item, Lookup, Operation, OperationKind, Outcome
from calsync_core.models import OutcomeStatus as Status
from calsync_core.providers.caldav.blocks import build_block
from calsync_core.providers.caldav.discovery import role_of
from calsync_core.providers.caldav.names import quoted_etag, resource_url
from calsync_core.providers.caldav.reading import Collection
from calsync_core.providers.caldav.wire import DAV, Entry, build_propfind, parse_multistatus, parse_preconditions
from calsync_core.transport import Answer

__all__ = ["BlockWriter"]

_TEXT = "text/calendar; charset=utf-8"
_LATER = frozenset({423, 425, 500, 502, 503, 504})
_WRITTEN = frozenset({200, 201, 204})
_UNCLEAR = frozenset({403, 404, 405, 409, 410, 412})
"""Mean one thing here and another there."""
_UID_IN_USE = frozenset({"no-uid-conflict", "unique-scheduling-object-resource"})
_BAD_BODY = frozenset(
    {
        "valid-calendar-data",
        "supported-calendar-data",
        "valid-calendar-object-resource",
        "supported-calendar-component",
        "max-resource-size",
        "min-date-time",
        "max-date-time",
        "quota-not-exceeded",
        "sufficient-disk-space",
    }
)


@frozen
class _Now:
    """What stands at an id: a block with this event, something else (event None), or nothing (item None)."""

    item: Item | None
    event: Event | None = None


@define
class BlockWriter:
    """Applies intents to one collection."""

    collection: Collection

    def apply(self, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """See ``Provider.apply``."""
        unsure = [each.operation.native_id for each in intents if _must_look(each)]
        lookup = self.collection.lookup(unsure) if unsure else Lookup()
        failed = False
        for intent in intents:
            try:
                outcome = self._apply(intent, lookup)
            except Unavailable as failure:
                # One lost answer is one intent in doubt. The next one lost as well: the server is away.
                if failed:
                    raise
                outcome = Outcome(intent.id, Status.RETRY, retry_after=failure.retry_after, message=str(failure))
                failed = True
            else:
                failed = False
            yield outcome

    def _apply(self, intent: Intent, lookup: Lookup) -> Outcome:
        operation = intent.operation
        done = partial(Outcome, intent.id)
        etag = operation.etag
        if _must_look(intent):
            if any(each.key == operation.native_id for each in lookup.unreadable):
                return done(Status.RETRY, message="it could not be read before the write")
            now = _standing(operation, lookup)
            settled = _settle(intent, now)
            if settled is not None:
                return settled
            etag = now.item.etag if now.item else None
        if operation.kind is OperationKind.DELETE:
            return self._delete(done, operation, etag)
        return self._put(done, operation, etag)

    def _put(self, done: partial[Outcome], operation: Operation, etag: str | None) -> Outcome:
        create = operation.kind is OperationKind.CREATE
        url = self._url(operation)
        # Never If-Match: *, which iCloud reads backwards.
        condition = {"If-None-Match": "*"} if create else {"If-Match": etag} if etag else {}
        headers = {"Content-Type": _TEXT, **condition}
        answer = self.collection.link.send("PUT", url, build_block(operation), headers)
        if answer.status not in _WRITTEN:
            return self._refused_put(done, answer, url, create=create)
        stored = quoted_etag(answer.headers.get("etag"))
        if stored is None:
            exists, stored = self._look(url)
            if not exists:
                return done(Status.RETRY, message=f"accepted ({answer.status}), but it can't be found")
        return done(Status.DONE, etag=stored)

    def _refused_put(self, done: partial[Outcome], answer: Answer, url: str, *, create: bool) -> Outcome:
        """Why a PUT failed: servers use 403, 409 and 412 for each other's meanings, so the body and a look decide."""
        conditions = _local_names(answer)
        early = _early(done, answer, conditions)
        if early is not None:
            return early
        if conditions & _UID_IN_USE:
            return done(Status.TAKEN) if create else done(Status.REJECTED, message="another resource has this UID")
        exists, _ = self._look(url)
        if exists is None:
            return done(Status.RETRY, message=f"refused ({answer.status}), and nobody knows why")
        if answer.status in {403, 405} and not (create and exists):
            return self._forbidden(done, answer)
        if create and not exists:
            self._rights()
            return done(Status.RETRY, message=f"refused ({answer.status}) although its place is free")
        meaning = Status.CHANGED if exists else Status.MISSING
        return done(Status.TAKEN if create else meaning)

    def _delete(self, done: partial[Outcome], operation: Operation, etag: str | None) -> Outcome:
        url = self._url(operation)
        answer = self.collection.link.send("DELETE", url, headers={"If-Match": etag} if etag else {})
        if answer.status in {200, 202, 204, 404, 410}:
            return done(Status.DONE)
        early = _early(done, answer, _local_names(answer))
        if early is not None:
            return early
        exists, _ = self._look(url)
        if exists is None:
            return done(Status.RETRY, message=f"refused ({answer.status}), and nobody knows why")
        if not exists:
            return done(Status.DONE)
        if answer.status in {409, 412}:
            return done(Status.CHANGED)
        return self._forbidden(done, answer)

    def _forbidden(self, done: partial[Outcome], answer: Answer) -> Outcome:
        """403 or 405 without a reason: the calendar's own privileges tell whether it is us or this one write."""
        entry = self._rights()
        if entry.names(f"{{{DAV}}}current-user-privilege-set") and role_of(entry, None).writable:
            return done(Status.REJECTED, message=f"the server refused the write ({answer.status})")
        raise ReadOnly(f"this login may not write to this calendar ({answer.status})")

    def _rights(self) -> Entry:
        """The calendar with its privileges. Raises NotFound if it is gone."""
        body = build_propfind(f"{{{DAV}}}current-user-privilege-set")
        answer = self.collection.link.send("PROPFIND", self.collection.url, body, {"Depth": "0"})
        if answer.status in {404, 410}:
            raise NotFound("there is no such calendar")
        if answer.status == 403:
            raise ReadOnly("this login may not write to this calendar (403)")
        entries = parse_multistatus(answer.body).entries if answer.status == 207 else ()
        if entries and entries[0].status in {404, 410}:
            raise NotFound("there is no such calendar")
        if not entries:
            raise Unavailable(f"the calendar's privileges can't be read ({answer.status})")
        return entries[0]

    def _look(self, url: str) -> tuple[bool | None, str | None]:
        """Whether the resource is there (None: no telling), and its entity tag."""
        body = build_propfind(f"{{{DAV}}}getetag")
        try:
            answer = self.collection.link.send("PROPFIND", url, body, {"Depth": "0"})
            entries = parse_multistatus(answer.body).entries if answer.status == 207 else ()
        except Unavailable:
            return None, None
        if answer.status in {404, 410} or (entries and entries[0].status in {404, 410}):
            return False, None
        return (True, entries[0].etag) if entries and entries[0].status == 200 else (None, None)

    def _url(self, operation: Operation) -> str:
        return resource_url(self.collection.url, operation.native_id)


def _must_look(intent: Intent) -> bool:
    operation = intent.operation
    return intent.in_doubt or (operation.kind is not OperationKind.CREATE and operation.etag is None)


def _standing(operation: Operation, lookup: Lookup) -> _Now:
    item = next((each for each in lookup.items if each.key == operation.native_id), None)
    if item is None:
        return _Now(None)
    named = parse_block_name(operation.native_id)
    events = [each for each in item.events if each.mark and (each.mark.key, each.mark.generation) == named]
    single = len(events) == len(item.events) == 1
    return _Now(item, events[0] if single else None)


def _settle(intent: Intent, now: _Now) -> Outcome | None:
    """What a look at the id already answers (decision 3); None: the write is still to be sent."""
    kind, wanted = intent.operation.kind, intent.operation
    item, event = now.item, now.event
    if item is None:
        missing = {OperationKind.UPDATE: Status.MISSING, OperationKind.DELETE: Status.DONE}
        return Outcome(intent.id, missing[kind]) if kind in missing else None
    if event is not None and event.mark is not None and not event.adorned:
        shown, meant = BlockContent.shown_by(event), wanted.content
        # A server may have normalised the title of what we wrote; other times are somebody's edit.
        placed = (shown.span, shown.show_as) == (meant.span, meant.show_as)
        mine = kind is OperationKind.CREATE and event.mark.tag == wanted.tag and placed
        same = kind is OperationKind.UPDATE and shown == meant
        if mine or same:
            return Outcome(intent.id, Status.DONE, etag=item.etag, seen=BlockContent.shown_by(event))
    if kind is OperationKind.CREATE:
        return Outcome(intent.id, Status.TAKEN)
    changed = event is None or event.adorned or wanted.etag not in {None, item.etag}
    return Outcome(intent.id, Status.CHANGED) if changed else None


def _local_names(answer: Answer) -> frozenset[str]:
    return frozenset(name.rpartition("}")[2] for name in parse_preconditions(answer.body))


def _early(done: partial[Outcome], answer: Answer, conditions: frozenset[str]) -> Outcome | None:
    """Answers whose meaning needs no further look."""
    if "need-privileges" in conditions:
        raise ReadOnly(f"this login may not write to this calendar ({answer.status})")
    if conditions & _BAD_BODY:
        names = ", ".join(sorted(conditions & _BAD_BODY))
        return done(Status.REJECTED, message=f"the server refused the block ({answer.status}: {names})")
    if answer.status in _LATER:
        return done(Status.RETRY, message=f"the server failed ({answer.status})")
    if answer.status < 400:
        return done(Status.RETRY, message=f"an answer that means nothing here ({answer.status})")
    if answer.status not in _UNCLEAR:
        return done(Status.REJECTED, message=f"the server refused the block ({answer.status})")
    return None
