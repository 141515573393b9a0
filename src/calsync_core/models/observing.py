"""What a sync would have written: an owner's calendars watched, and left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC

from attrs import frozen

from calsync_core.models.accounts import CalendarId
from calsync_core.models.blocks import Operation, OperationKind, Reason
from calsync_core.models.events import Availability

__all__ = ["CalendarWrites", "Observation", "PlannedWrite"]

_MOST_SHOWN = 50
"""A run is kept for weeks and may be one of hundreds a day; ``engine.plan()`` shows all that is due now."""


@frozen
class PlannedWrite:
    """One operation as a host may see it: without a title.

    Attributes:
        calendar: The target.
        block: ``Block.ref``.
        start: ISO 8601; of an all-day block, a date.
        end: Exclusive, likewise.
    """

    kind: OperationKind
    calendar: CalendarId
    block: str
    start: str
    end: str
    show_as: Availability
    reason: Reason

    @classmethod
    def of(cls, operation: Operation) -> PlannedWrite:
        """What may be shown of an operation."""
        content = operation.content
        return cls(
            kind=operation.kind,
            calendar=operation.target_id,
            block=operation.ref,
            start=content.span.start.isoformat(),
            end=content.span.end.isoformat(),
            show_as=content.show_as,
            reason=operation.reason,
        )


@frozen
class CalendarWrites:
    """How many writes one calendar would get."""

    calendar: CalendarId
    create: int = 0
    update: int = 0
    delete: int = 0


@frozen
class Observation:
    """What a run would have written for the owners who are only observed.

    It is the whole difference between what should be on their calendars and what is, at the time of the run: the same
    again in every run until the calendars, the rules or the mode change, and not what this run found new.

    Attributes:
        owners: Whom it is about.
        calendars: The counts, by calendar; one to which nothing would be written is left out.
        operations: The writes, nearest time first, at most 50.
        left_out: How many writes are not in ``operations``.
        held: How many deletions the guard holds, or would hold.
        unsettled: Identities of which nothing can be said before a write, or a read by id, is known to have happened.
    """

    owners: tuple[str, ...] = ()
    calendars: tuple[CalendarWrites, ...] = ()
    operations: tuple[PlannedWrite, ...] = ()
    left_out: int = 0
    held: int = 0
    unsettled: int = 0

    @classmethod
    def of(
        cls, owners: Iterable[str], operations: Iterable[Operation], *, held: int = 0, unsettled: int = 0
    ) -> Observation:
        """Count operations, and keep the nearest ones to be shown."""
        due = sorted(operations, key=lambda operation: (operation.content.span.edges(UTC)[0], operation.ref))
        kinds = Counter((operation.target_id, str(operation.kind)) for operation in due)
        return cls(
            owners=tuple(sorted(owners)),
            calendars=tuple(
                CalendarWrites(key, **{kind: kinds[key, kind] for kind in ("create", "update", "delete")})
                for key in sorted({key for key, _ in kinds})
            ),
            operations=tuple(PlannedWrite.of(operation) for operation in due[:_MOST_SHOWN]),
            left_out=max(0, len(due) - _MOST_SHOWN),
            held=held,
            unsettled=unsettled,
        )

    @property
    def writes(self) -> int:
        """All writes, those that are not shown included."""
        return len(self.operations) + self.left_out
