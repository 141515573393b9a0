"""The port to a database, grouped by role. One object usually plays all of them: ``Store``.

Common to all methods:

* **Atomic**: each call is one transaction; it happened wholly or not at all, and survives a crash once it returned.
  No transaction stays open between calls, but for those that ``together`` puts into one.
* **Fenced**: a method that takes a lease checks, inside its transaction, that the lease is still the newest of its
  name and not expired at the time given, and raises ``LeaseLost`` otherwise without writing (decision 13).
* **Order**: lists come back in ascending id order unless said otherwise.
* **Thread-safe**: any thread may call any method. Connections are opened on first use in each process.
* **Errors**: ``StoreError`` for what may pass (locked, unreachable); ``UnknownAccount`` and ``UnknownCalendar`` for
  ids that are not there; ``InvalidValue`` before anything is written.
* **Privacy**: no description, location or attendee is ever given to a store, and no login that is not sealed.
"""

# pyright: reportReturnType=false
# A port's methods are their docstrings; mypy knows such bodies in protocols, pyright asks for an ellipsis.

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from calsync_core.models import (
    Account,
    AccountId,
    Block,
    Calendar,
    CalendarId,
    ChangeCount,
    Changes,
    Debt,
    Due,
    Intent,
    KnownItem,
    Lease,
    MirrorRule,
    Mode,
    Outcome,
    Plan,
    PlanState,
    ReadState,
    Sighting,
    StoredEvent,
    Unplanned,
    Window,
)
from calsync_core.protocols.inbox import InboxStore, NoticeStore, PushStore
from calsync_core.protocols.work import CredentialStore, LeaseStore, RunStore, TransactionStore

__all__ = ["BlockStore", "DirectoryStore", "EventStore", "PlanStore", "Store"]


@runtime_checkable
class DirectoryStore(Protocol):
    """Accounts, their calendars, and the owner's rules and mode.

    Every change here that can alter what is wanted or written (a calendar's ``enabled``, ``publish``, ``receive``,
    ``timezone`` or ``owner``; rules; the mode; a deletion) sets the owner's ``PlanState.shape`` to None in the same
    transaction, so that the owner is due.
    """

    def save_account(self, account: Account) -> Account:
        """Insert (``id`` None) or replace; return it with its id.

        Raises:
            InvalidValue: another account of this owner has this name.
            UnknownAccount: its id is not in the store.
        """

    def load_account(self, account_id: AccountId) -> Account:
        """One account. Raises UnknownAccount."""

    def load_accounts(self, owner: str | None = None) -> list[Account]:
        """All accounts, or one owner's."""

    def delete_account(self, account_id: AccountId) -> None:
        """Forget the account, its credential, its calendars, their items, events, debts, journal lines, subscriptions,
        watches and notifications, and all blocks and intents on these calendars. Unknown: nothing happens.
        """

    def save_calendar(self, calendar: Calendar) -> Calendar:
        """Insert (``id`` None) or replace; return it with its id. ``(account_id, remote_id)`` is unique.

        Raises:
            UnknownAccount: ``account_id`` is not in the store.
            UnknownCalendar: its id is not in the store.
            InvalidValue: the account has this remote id already.
        """

    def load_calendar(self, calendar_id: CalendarId) -> Calendar:
        """One calendar. Raises UnknownCalendar."""

    def load_calendars(self, *, owner: str | None = None, account_id: AccountId | None = None) -> list[Calendar]:
        """Calendars, of one owner or account if given, disabled ones included."""

    def save_rules(self, owner: str, rules: Sequence[MirrorRule]) -> None:
        """Replace the owner's rules; their order matters."""

    def load_rules(self, owner: str) -> list[MirrorRule]:
        """The owner's rules in order; empty: never set."""

    def save_mode(self, owner: str, mode: Mode) -> None:
        """Set what may be written for the owner, also for one that nobody knows yet."""

    def load_mode(self, owner: str) -> Mode:
        """What may be written for the owner: ``Mode.WRITE`` unless set."""


@runtime_checkable
class EventStore(Protocol):
    """What was read: items with their events, cursors, debts, and the journal of unplanned changes."""

    def load_read_state(self, calendar_id: CalendarId) -> ReadState:
        """How far the calendar was read; a fresh ReadState if never."""

    def load_read_states(self, calendar_ids: Collection[CalendarId]) -> Mapping[CalendarId, ReadState]:
        """The same of several at once; those that there are not are left out."""

    def save_read_state(self, lease: Lease, calendar_id: CalendarId, state: ReadState, at: datetime) -> None:
        """Replace it: to begin a round, drop a cursor, note a failure, or set ``due_at``.

        Setting ``cursor`` to a value here is refused with InvalidValue unless it is the stored one: cursors are
        saved by ``save_changes`` only, together with what they cover (I-11).
        """

    def save_changes(self, lease: Lease, calendar_id: CalendarId, changes: Changes) -> ChangeCount:
        """Apply one page in one transaction: items, debts, journal, and with the last page the cursor.

        * An item replaces the stored one of its key with all events, unless the stored ``version`` is newer. Equal
          events cause no journal line and no count. A round number, if given, is stamped on every key in ``items``,
          ``present`` and ``debts``.
        * Journal: the ``identity`` of every event stored or removed by a real change. For an event with a mark: the
          ``uid`` of the recorded block with this (target, native id), or the mark's key where none is recorded;
          textual marks and adorned blocks journal their own ``identity`` as well, and a recorded block whose write told
          no etag journals its uid when its item tells one. A settled debt journals the
          recorded block's uid whenever the item turned out to be gone, and when its reason starts with ``conflict``
          or ``taken``.
        * A removed key takes along items whose ``series`` is that key.
        * A debt for a key that is owed already keeps its ``since``; the other fields are replaced. Saving an item or
          removing a key settles its debt.
        * With a cursor: the ReadState gets cursor, ``read_at`` = ``at``, ``failures`` 0, ``last_error`` None,
          ``due_at`` None, and with ``snapshot_done`` also ``complete`` and ``full_at``; the first ``complete`` sets
          the owner's ``PlanState.shape`` to None (blocks of an unread source can be judged now).

        Returns:
            Counts of events (not of blocks: events with a mark are not counted).
        """

    def load_items(self, calendar_id: CalendarId, keys: Collection[str] | None = None) -> Mapping[str, KnownItem]:
        """What is known of these keys, or of all. ``ours``: a recorded block in a state other than DELETED or
        RELEASED has this native id here; ``written_at`` is then its ``changed_at``. ``identity`` and ``marked`` are the
        first event's.
        """

    def load_unseen(self, calendar_id: CalendarId, seen_round: int, covers: Window | None) -> list[str]:
        """Keys not stamped with this round and not owed as debts; with a window, only items that have an event
        which overlaps it (an item without events never does). Sorted.
        """

    def load_debts(self, calendar_id: CalendarId, due_at: datetime | None = None) -> list[Debt]:
        """Debts of the calendar, those due at the instant if given; oldest ``since`` first."""

    def load_debtors(self, owner: str, due_at: datetime | None = None) -> Mapping[CalendarId, Sequence[Debt]]:
        """The same of all the owner's calendars at once, disabled ones included; those without debts are left out."""

    def load_events(self, owner: str, identities: Collection[str]) -> list[StoredEvent]:
        """All events of these identities (``Event.identity``) on the owner's enabled calendars."""

    def load_identities(self, owner: str, window: Window) -> set[str]:
        """Identities with an event that may take place inside the window: masters whose rule has not ended before
        it, and events that overlap it. May name more than necessary, never fewer. Marks are left out unless textual
        or adorned.
        """

    def load_unplanned(self, owner: str) -> Unplanned:
        """The owner's journal lines that no plan has covered. Lines stay until ``save_plan`` acknowledges them."""


@runtime_checkable
class BlockStore(Protocol):
    """Our blocks: recorded ones, and what the calendars show of them."""

    def load_blocks(self, owner: str, uids: Collection[str] | None = None) -> list[Block]:
        """Recorded blocks for these uids (``Block.uid``), or all of the owner's; tombstones included. By ref."""

    def load_blocks_by_key(self, keys: Collection[str]) -> list[Block]:
        """Recorded blocks with these keys, every generation. By ref."""

    def load_uids(self, owner: str, *, besides: Collection[str] = ()) -> set[str]:
        """``Block.uid`` of the owner's recorded blocks, tombstones included, but for these."""

    def load_held(self, owner: str | None = None) -> list[Block]:
        """Blocks with ``held_since`` set. By ref."""

    def save_blocks(self, blocks: Sequence[Block]) -> None:
        """Insert or replace, by ref, and journal their uids: the host's decision on a hold."""

    def load_sightings(self, owner: str, keys: Collection[str] | None = None) -> list[Sighting]:
        """Events with a mark of one of these keys on the owner's calendars (disabled ones included), or all."""

    def load_strays(self, owner: str) -> list[Sighting]:
        """Of all sightings of the owner's, those in items whose key is the native id of no block recorded for that
        calendar, whatever its state.
        """

    def count_deleted(self, source_ids: Collection[CalendarId], since: datetime) -> Mapping[CalendarId, int]:
        """How many blocks for each of these sources were deleted for a suspicious reason (state DELETED,
        ``deleted_for`` suspicious, ``changed_at`` at or after ``since``); 0 where there are none.
        """

    def count_live(self, source_ids: Collection[CalendarId], after: datetime) -> Mapping[CalendarId, int]:
        """How many blocks of each of these sources are LIVE and end after the instant; 0 where there are none."""


@runtime_checkable
class PlanStore(Protocol):
    """Decisions: plans, intents and outcomes."""

    def load_plan_state(self, owner: str) -> PlanState:
        """How far the owner's plan reaches; a fresh PlanState if never planned."""

    def reset_plan(self, owner: str) -> None:
        """Set the owner's ``PlanState.shape`` to None and count a reset, as everything does that sets it to None:
        everything is planned again, without a request.
        """

    def save_plan(self, lease: Lease, plan: Plan, *, upto: int, state: PlanState, at: datetime) -> None:
        """Store a plan in one transaction: ``records`` replaced by ref, one intent per operation, journal lines up
        to ``upto`` deleted, a new line for every identity in ``unsettled``, the owner's plan state set. Where the
        owner's resets are not ``state.resets``, one came while the plan was made: ``shape`` and ``resets`` stay.

        An operation on a block that has an open intent with no attempts replaces that intent. Before: the plan has
        no operation on a block whose open intent was attempted.
        """

    def load_intents(self, owner: str, refs: Collection[str] | None = None) -> list[Intent]:
        """Open intents of the owner, or on these blocks. ``in_doubt`` is ``attempts > 0``."""

    def load_open_targets(self, owner: str | None, at: datetime) -> list[CalendarId]:
        """Calendars with open intents that may be tried at this instant. Those of owners in ``Mode.OBSERVE`` are not,
        unless their operation is ``ordered``.
        """

    def claim_intents(self, lease: Lease, target_id: CalendarId, limit: int, at: datetime) -> list[Intent]:
        """Take the next open intents for one target, earliest slot first, and count an attempt on each, durably,
        before they are returned. ``in_doubt`` says whether there was an attempt before this one. One that was
        claimed under this very lease token is not given again until its outcome is recorded. Of an owner in
        ``Mode.OBSERVE``, only an intent whose operation is ``ordered`` is given: whatever was decided before.
        """

    def put_off_intents(self, lease: Lease, target_id: CalendarId, until: datetime, at: datetime) -> None:
        """Have no open intent of the target tried before the instant; those that wait longer already go on waiting. It
        is no attempt.
        """

    def record_outcomes(
        self,
        lease: Lease,
        target_id: CalendarId,
        outcomes: Sequence[Outcome],
        at: datetime,
        *,
        run_id: int | None = None,
    ) -> None:
        """Store what became of claimed intents, in one transaction. An unknown intent id is ignored. With a run, each
        that is DONE is remembered as ``Written`` by it.

        * DONE create or update: block LIVE with the operation's content, ``seen`` (None: the operation's content),
          ``etag``, ``changed_at``; the item and its event (marked with the block's key, generation and the
          operation's tag; ``uid`` None) are stored as a fresh read-back, without a journal line. ``created_at`` is
          set by a create. Intent closed.
        * DONE delete: block becomes its ``tombstone`` with the operation's reason; the item is removed without a
          journal line. Intent closed.
        * TAKEN: block TAKEN, a debt ``taken`` due now on its native id. Intent closed, uid journaled.
        * CHANGED, MISSING: a debt ``conflict`` due now on its native id. Intent closed, uid journaled.
        * A ``native_id`` in the outcome becomes the block's, and names the debt.
        * RETRY: the intent may be tried again after ``retry_after`` seconds (None: 30 s times two to the attempts,
          at most an hour).
        * REJECTED: block PARKED with the message as its reason, and ``content`` as refused. Intent closed.

        Raises:
            UnknownRun: no such run; nothing was stored.
        """

    def load_due(self, at: datetime, shape: str, horizon_end: datetime) -> Due:
        """What waits, over all owners, without a request: see ``Due``. An owner whose plan state has another shape,
        or an earlier horizon end, is due.
        """


@runtime_checkable
class Store(
    TransactionStore,
    DirectoryStore,
    EventStore,
    BlockStore,
    PlanStore,
    PushStore,
    InboxStore,
    NoticeStore,
    LeaseStore,
    CredentialStore,
    RunStore,
    Protocol,
):
    """Everything the engine needs of a database."""
