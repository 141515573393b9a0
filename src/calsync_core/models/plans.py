"""What the core decides: occurrences, wanted blocks, verdicts and the plan."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import asdict, field, frozen

from calsync_core.models.accounts import CalendarId
from calsync_core.models.blocks import Block, BlockContent, Operation, Sighting
from calsync_core.models.events import Event
from calsync_core.models.observing import PlannedWrite
from calsync_core.models.reports import SyncFailure, plain
from calsync_core.models.time import Span

__all__ = [
    "Expansion",
    "Hold",
    "Occurrence",
    "Parked",
    "Plan",
    "PlanState",
    "Unplanned",
    "Verdict",
    "VerdictKind",
    "Wanted",
]


@frozen
class Occurrence:
    """One stretch of somebody's time, of a single event or of one instance of a series.

    Attributes:
        event: The single event, the exception, or the master whose rule made it.
        slot: Canonical original start (``slot_of``); empty for a single event.
        span: When it takes place, which for an exception may be elsewhere than its slot.
    """

    event: Event
    slot: str
    span: Span


@frozen
class Parked:
    """An event that can't be placed in time; it blocks nothing, with a reason that ``explain`` shows."""

    event_id: str
    reason: str


@frozen
class Expansion:
    """The occurrences of one calendar inside a window, and what had to be left out."""

    occurrences: tuple[Occurrence, ...] = ()
    parked: tuple[Parked, ...] = ()


class VerdictKind(StrEnum):
    """Why an occurrence does or does not block a target."""

    BLOCKS = "blocks"
    DECLINED = "declined"
    FREE = "free"
    CANCELLED = "cancelled"
    UNANSWERED = "unanswered"
    ALL_DAY_SKIPPED = "all_day_skipped"
    NOT_A_MEETING = "not_a_meeting"
    OUR_BLOCK = "our_block"
    EMPTY = "empty"
    ALREADY_THERE = "already_there"
    """The target has the same meeting as an event of its own that blocks."""
    NO_RULE = "no_rule"
    PARKED = "parked"


@frozen
class Verdict:
    """The judgement of the rules on one occurrence and one target.

    Attributes:
        content: What the block says; None unless it blocks.
    """

    kind: VerdictKind
    content: BlockContent | None = None


@frozen
class Wanted:
    """A block that should exist.

    Attributes:
        aliases: Textual keys (``EMAIL:CALENDAR:EVENT``) under which an older system may have written it (I-17).
    """

    uid: str
    slot: str
    source_id: CalendarId
    target_id: CalendarId
    content: BlockContent
    aliases: tuple[str, ...] = field(default=(), repr=False)


@frozen
class Hold:
    """Deletions the guard holds for the host to decide.

    Attributes:
        source_id: The calendar whose blocks would go.
        refs: The blocks, by ``Block.ref``.
        reason: Which limit was passed, in numbers.
    """

    source_id: CalendarId
    refs: tuple[str, ...]
    reason: str


@frozen
class Unplanned:
    """What the journal says has changed since the last plan.

    Attributes:
        uids: Event identities to plan again.
        keys: Keys of marks seen on a calendar that belong to no recorded block.
        upto: Journal lines up to this one are covered.
    """

    uids: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    upto: int = 0


@frozen
class Plan:
    """What should be written for one owner, and why. A value: computing it changes nothing.

    Attributes:
        owner: None where a dry run shows several owners' plans as one.
        operations: The writes, nearest slot first.
        records: Blocks whose record changes, including those the operations write.
        holds: What the guard holds back.
        unsettled: Identities that must be planned again once a write or a read by id now under way is known.
        strays: Blocks of ours that nobody can judge yet (unknown or unread source): left and reported.
        parked: Events that can't be placed in time.
        errors: What a dry run could not read; empty in a plan that is stored.
    """

    owner: str | None
    operations: tuple[Operation, ...] = ()
    records: tuple[Block, ...] = ()
    holds: tuple[Hold, ...] = ()
    unsettled: frozenset[str] = frozenset()
    strays: tuple[Sighting, ...] = field(default=(), repr=False)
    parked: tuple[Parked, ...] = ()
    errors: tuple[SyncFailure, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; titles are left out."""
        return {
            "owner": self.owner,
            "operations": [plain(PlannedWrite.of(operation)) for operation in self.operations],
            "counts": dict(Counter(str(operation.kind) for operation in self.operations)),
            "held": [
                {"source": hold.source_id, "blocks": list(hold.refs), "reason": hold.reason} for hold in self.holds
            ],
            "strays": len(self.strays),
            "parked": [{"event": parked.event_id, "reason": parked.reason} for parked in self.parked],
            "errors": [asdict(failure) for failure in self.errors],
        }


@frozen
class PlanState:
    """How far an owner's plan reaches.

    Attributes:
        shape: Fingerprint of policy, planner version and time-zone database; None: plan everything again.
        horizon_end: Occurrences starting before this were planned.
        resets: How often everything was to be planned again. A plan that was made before the last time does not count.
    """

    shape: str | None = None
    horizon_end: datetime | None = None
    resets: int = 0
