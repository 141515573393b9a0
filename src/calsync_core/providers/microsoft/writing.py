"""Writing blocks into one calendar: looked at first, idempotent, many in one request (I-02, I-04).

Graph does not promise to honour ``If-Match`` on events: so a fresh read precedes every update and delete, in one batch
for all of them, and the tag is sent all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from attrs import define, field

from calsync_core.errors import Unavailable
from calsync_core.models import BlockContent, Event, Intent, Item, Lookup, OperationKind, Outcome
from calsync_core.models import OutcomeStatus as Status
from calsync_core.providers.microsoft.answers import Refusal
from calsync_core.providers.microsoft.batch import Call
from calsync_core.providers.microsoft.bodies import build_change, build_new
from calsync_core.providers.microsoft.reading import CalendarReader
from calsync_core.providers.microsoft.wire import parse_item
from calsync_core.transport import Answer, tell_outcomes

__all__ = ["BlockWriter"]


@define
class BlockWriter:
    """Applies intents to one calendar."""

    reader: CalendarReader
    _exists: bool = field(default=False, init=False)

    def apply(self, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """See ``Provider.apply``."""
        looked_at = [each.operation.native_id for each in intents if _must_look(each)]
        lookup = self._look(looked_at) if looked_at else Lookup()
        calls: list[tuple[Intent, Call]] = []
        for intent in intents:
            settled = _settle(intent, lookup) if _must_look(intent) else None
            if settled is not None:
                yield settled
            else:
                calls.append((intent, self._call(intent, lookup)))
        yield from self._send(calls)

    def _look(self, keys: Sequence[str]) -> Lookup:
        return self.reader.lookup(keys, self.reader.service.link.session.clock.now())

    def _call(self, intent: Intent, lookup: Lookup) -> Call:
        operation = intent.operation
        events = ("calendars", self.reader.calendar_id, "events")
        if operation.kind is OperationKind.CREATE:
            return self.reader.service.call("POST", *events, body=build_new(operation))
        item = _standing(intent, lookup)
        key = item.key if item is not None else operation.native_id
        make = partial(self.reader.service.call, headers={"If-Match": item.etag} if item and item.etag else None)
        if operation.kind is OperationKind.UPDATE:
            return make("PATCH", *events, key, body=build_change(operation))
        return make("DELETE", *events, key)

    def _send(self, calls: Sequence[tuple[Intent, Call]]) -> Iterator[Outcome]:
        answers = list(self.reader.service.send_all([call for _, call in calls], reading=False))
        yield from tell_outcomes(zip((intent for intent, _ in calls), answers, strict=True), self._outcome)

    def _outcome(self, intent: Intent, answer: Answer | None) -> Outcome:
        if answer is None:
            return Outcome(intent.id, Status.RETRY, message="the answer was lost")
        if not answer.ok:
            return self._refused(intent, self.reader.service.refusal(answer))
        if intent.operation.kind is OperationKind.DELETE:
            return Outcome(intent.id, Status.DONE)
        try:
            item = parse_item(answer.json())
        except (Unavailable, ValueError):
            return Outcome(intent.id, Status.RETRY, message="the answer to the write can't be read")
        if intent.operation.kind is OperationKind.CREATE:
            # A replay may be answered with the first event as if it were new.
            return _as_created(intent, item, item.events[0], sure=True)
        return Outcome(intent.id, Status.DONE, item.etag, BlockContent.shown_by(item.events[0]))

    def _refused(self, intent: Intent, refusal: Refusal) -> Outcome:
        """What a refusal means for one intent. Raises what it means for all of them."""
        kind = intent.operation.kind
        if refusal.duplicate and kind is OperationKind.CREATE:
            settled = _settle(intent, self._look([intent.operation.native_id]))
            return settled or Outcome(intent.id, Status.TAKEN, message=str(refusal))
        if refusal.gone or (refusal.undeletable and kind is OperationKind.DELETE):
            return self._nothing_there(intent, refusal)
        if refusal.status in {409, 412}:
            return Outcome(intent.id, Status.RETRY if kind is OperationKind.CREATE else Status.CHANGED)
        if refusal.too_fast or refusal.status in {401, 403}:
            raise refusal.as_error(reading=False)
        passes = refusal.status >= 500 or refusal.status < 400 or refusal.status == 424 or not refusal.codes
        status = Status.RETRY if passes else Status.REJECTED
        return Outcome(intent.id, status, retry_after=refusal.wait, message=f"Graph refused the block ({refusal})")

    def _nothing_there(self, intent: Intent, refusal: Refusal) -> Outcome:
        """The event is gone, unless it is the calendar, or only looks so (I-41)."""
        if not self._exists:
            self.reader.service.require_calendar(self.reader.calendar_id)
            self._exists = True
        if refusal.undeletable and not self._look([intent.operation.native_id]).gone:
            raise refusal.as_error(reading=False)
        meaning = {OperationKind.DELETE: Status.DONE, OperationKind.UPDATE: Status.MISSING}
        return Outcome(intent.id, meaning.get(intent.operation.kind, Status.RETRY), message=str(refusal))


def _must_look(intent: Intent) -> bool:
    return intent.in_doubt or intent.operation.kind is not OperationKind.CREATE


def _settle(intent: Intent, lookup: Lookup) -> Outcome | None:
    """What a look already answers (decision 3); None: the write is still to be sent."""
    operation = intent.operation
    if any(each.key == operation.native_id for each in lookup.unreadable):
        return Outcome(intent.id, Status.RETRY, message="it could not be read before the write")
    item = _standing(intent, lookup)
    if item is not None:
        return _settle_standing(intent, item)
    gone = {OperationKind.UPDATE: Status.MISSING, OperationKind.DELETE: Status.DONE}
    return Outcome(intent.id, gone[operation.kind]) if operation.kind in gone else None


def _standing(intent: Intent, lookup: Lookup) -> Item | None:
    """What stands there: under its id, or under an id of Graph's if only its name is known."""
    native_id, ref = intent.operation.native_id, intent.operation.ref
    for item in lookup.items:
        mark = item.events[0].mark if item.events else None
        if item.key == native_id or (mark is not None and f"{mark.key}.{mark.generation}" == ref):
            return item
    return None


def _settle_standing(intent: Intent, item: Item) -> Outcome | None:
    """Whether an update has happened, or must not; whether a delete would take something of the user's."""
    operation = intent.operation
    create = operation.kind is OperationKind.CREATE
    event = item.events[0] if len(item.events) == 1 else None
    native_id = item.key if item.key != operation.native_id else None
    if event is None or event.mark is None or event.adorned:
        return Outcome(intent.id, Status.TAKEN if create else Status.CHANGED, native_id=native_id)
    if create:
        return _as_created(intent, item, event, sure=intent.in_doubt)
    shown = BlockContent.shown_by(event)
    tagged = event.mark.tag == operation.tag
    if operation.kind is OperationKind.UPDATE and tagged and shown == operation.content:
        return Outcome(intent.id, Status.DONE, item.etag, shown, native_id)
    if operation.kind is OperationKind.DELETE and shown == operation.content:
        # Exchange changes tags by itself now and then: what says what we wrote is what we wrote.
        return None
    changed = operation.etag not in {None, item.etag}
    return Outcome(intent.id, Status.CHANGED, native_id=native_id) if changed else None


def _as_created(intent: Intent, item: Item, event: Event, *, sure: bool) -> Outcome:
    """A create that stands, if it is ours for ``sure``. One that somebody moved since must be judged as what it is."""
    shown, meant = BlockContent.shown_by(event), intent.operation.content
    placed = (shown.span, shown.show_as) == (meant.span, meant.show_as)
    if not sure or not placed or event.adorned:
        return Outcome(intent.id, Status.TAKEN, native_id=item.key)
    return Outcome(intent.id, Status.DONE, item.etag, shown, item.key)
