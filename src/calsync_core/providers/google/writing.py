"""Writing blocks into one calendar: conditional, idempotent, many in one request (I-02, I-04)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from attrs import define, field

from calsync_core.errors import Unavailable
from calsync_core.models import (
    BlockContent,
    Intent,
    Item,
    Lookup,
    Operation,
    OperationKind,
    Outcome,
)
from calsync_core.models import OutcomeStatus as Status
from calsync_core.providers.google.answers import Refusal
from calsync_core.providers.google.batch import Call
from calsync_core.providers.google.bodies import build_block
from calsync_core.providers.google.reading import CalendarReader
from calsync_core.providers.google.wire import EVENT_FIELDS, parse_item
from calsync_core.transport import Answer, tell_outcomes

__all__ = ["BlockWriter"]

_QUIET = {"sendUpdates": "none"}
"""Nobody is mailed because of a block (I-40)."""


@define
class BlockWriter:
    """Applies intents to one calendar."""

    reader: CalendarReader
    _exists: bool = field(default=False, init=False)

    def apply(self, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """See ``Provider.apply``."""
        unsure = [each.operation.native_id for each in intents if _must_look(each)]
        lookup = self.reader.lookup(unsure) if unsure else Lookup()
        calls: list[tuple[Intent, Call]] = []
        for intent in intents:
            settled, etag = _looked_up(intent, lookup) if _must_look(intent) else (None, intent.operation.etag)
            if settled is not None:
                yield settled
            else:
                calls.append((intent, self._call(intent.operation, etag)))
        yield from self._send(calls)

    def _send(self, calls: Sequence[tuple[Intent, Call]]) -> Iterator[Outcome]:
        sent = {intent.id: call for intent, call in calls}

        def judge(intent: Intent, answer: Answer | None) -> Outcome:
            return self._outcome(intent, self._again_alone(sent[intent.id], answer))

        answers = list(self.reader.service.send_all(list(sent.values()), reading=False))
        yield from tell_outcomes(zip((intent for intent, _ in calls), answers, strict=True), judge)

    def _again_alone(self, call: Call, answer: Answer | None) -> Answer | None:
        """Calls of one batch that met each other (409 ``conflict``): each alone goes through."""
        met = answer is not None and answer.status == 409 and self._refusal(answer).reason == "conflict"
        return self.reader.service.send(call, reading=False) if met else answer

    def _call(self, operation: Operation, etag: str | None) -> Call:
        make = partial(self.reader.service.call, headers={"If-Match": etag} if etag else None)
        events = ("calendars", self.reader.calendar_id, "events")
        answered = {**_QUIET, "fields": EVENT_FIELDS}
        if operation.kind is OperationKind.CREATE:
            return make("POST", *events, query=answered, body=build_block(operation))
        if operation.kind is OperationKind.UPDATE:
            return make("PUT", *events, operation.native_id, query=answered, body=build_block(operation))
        return make("DELETE", *events, operation.native_id, query=_QUIET)

    def _outcome(self, intent: Intent, answer: Answer | None) -> Outcome:
        if answer is None:
            return Outcome(intent.id, Status.RETRY, message="the answer was lost")
        if not answer.ok:
            return self._refused(intent, self._refusal(answer))
        if intent.operation.kind is OperationKind.DELETE:
            return Outcome(intent.id, Status.DONE)
        return _written(intent, answer)

    def _refused(self, intent: Intent, refusal: Refusal) -> Outcome:
        """What a refusal means for one intent. Raises what it means for all of them."""
        create = intent.operation.kind is OperationKind.CREATE
        if refusal.gone:
            return self._nothing_there(intent, refusal)
        if refusal.status == 412 or refusal.reason == "forbiddenForNonOrganizer":
            return Outcome(intent.id, Status.CHANGED)
        if refusal.status == 409:
            taken = create and refusal.reason != "conflict"
            return Outcome(intent.id, Status.TAKEN if taken else Status.RETRY, message=str(refusal))
        if refusal.too_fast or refusal.status in {401, 403}:
            raise refusal.as_error(reading=False)
        passes = refusal.status >= 500 or refusal.status < 400 or not refusal.reason
        status = Status.RETRY if passes else Status.REJECTED
        return Outcome(intent.id, status, message=f"Google refused the block ({refusal})")

    def _nothing_there(self, intent: Intent, refusal: Refusal) -> Outcome:
        """404 or 410: the event is gone, unless it is the calendar (I-41)."""
        if refusal.status == 404 and not self._exists:
            self.reader.check_exists()
            self._exists = True
        meaning = {OperationKind.DELETE: Status.DONE, OperationKind.UPDATE: Status.MISSING}
        return Outcome(intent.id, meaning.get(intent.operation.kind, Status.RETRY), message=str(refusal))

    def _refusal(self, answer: Answer) -> Refusal:
        return self.reader.service.refusal(answer)


def _must_look(intent: Intent) -> bool:
    operation = intent.operation
    return intent.in_doubt or (operation.kind is not OperationKind.CREATE and operation.etag is None)


def _looked_up(intent: Intent, lookup: Lookup) -> tuple[Outcome | None, str | None]:
    """What a look at the id settles (decision 3), or else the etag with which the write is to be sent."""
    kind, key = intent.operation.kind, intent.operation.native_id
    if any(each.key == key for each in lookup.unreadable):
        return Outcome(intent.id, Status.RETRY, message="it could not be read before the write"), None
    item = next((each for each in lookup.items if each.key == key), None)
    if item is None:
        # A deleted event keeps its id: a create in doubt that finds nothing is sent, and told that it is taken.
        gone = {OperationKind.UPDATE: Status.MISSING, OperationKind.DELETE: Status.DONE}
        return (Outcome(intent.id, gone[kind]), None) if kind in gone else (None, None)
    return _settled(intent, item), item.etag


def _settled(intent: Intent, item: Item) -> Outcome | None:
    """What it means that this stands there; None: the write is still to be sent."""
    kind, operation = intent.operation.kind, intent.operation
    event = item.events[0]
    plain = event.mark is not None and not event.adorned
    shown = BlockContent.shown_by(event)
    placed = (shown.span, shown.show_as) == (operation.content.span, operation.content.show_as)
    tagged = event.mark is not None and event.mark.tag == operation.tag
    if kind is OperationKind.CREATE:
        # The create whose answer was lost, unless somebody has moved it since: then it must be judged as what it is.
        mine = plain and tagged and placed
        return Outcome(intent.id, Status.DONE, item.etag, shown) if mine else Outcome(intent.id, Status.TAKEN)
    if kind is OperationKind.UPDATE and plain and tagged and shown == operation.content:
        return Outcome(intent.id, Status.DONE, item.etag, shown)
    changed = not plain or operation.etag not in {None, item.etag}
    return Outcome(intent.id, Status.CHANGED) if changed else None


def _written(intent: Intent, answer: Answer) -> Outcome:
    try:
        item = parse_item(answer.json())
    except (Unavailable, ValueError):
        return Outcome(intent.id, Status.RETRY, message="the answer to the write can't be read")
    return Outcome(intent.id, Status.DONE, item.etag, BlockContent.shown_by(item.events[0]))
