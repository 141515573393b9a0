"""What nobody looks at but the engine, known to Django so that it flushes and dumps it."""

from __future__ import annotations

from django.db import models

from calsync_core.contrib.django.models.base import (
    Stored,
    belongs_to,
    big_number,
    counted,
    flag,
    hash_of,
    instant,
    name_of,
    number,
    one_of,
    status_of,
    text,
)

__all__ = [
    "Credential",
    "Debt",
    "Event",
    "Intent",
    "Item",
    "JournalLine",
    "Lease",
    "Notice",
    "PlanState",
    "Rule",
    "RunCalendar",
    "Write",
]


class Credential(Stored):
    """A login, sealed."""

    account = one_of("Account", "credential")
    sealed = text()
    saved_at = instant()

    class Meta(Stored.Meta):
        db_table = "calsync_credentials"

    def __str__(self) -> str:
        return f"login of account {self.pk}"


class Rule(Stored):
    """Which calendar blocks which."""

    pk = models.CompositePrimaryKey("owner", "position")
    owner = name_of()
    position = number()
    value = text()

    class Meta(Stored.Meta):
        db_table = "calsync_rules"


class PlanState(Stored):
    """How far an owner is planned."""

    owner = name_of(primary_key=True)
    shape = text(null=True)
    horizon_end = instant(null=True)
    resets = number(db_default=0)
    mode = status_of(db_default="write")

    class Meta(Stored.Meta):
        db_table = "calsync_plan_states"


class Item(Stored):
    """A resource on a calendar."""

    pk = models.CompositePrimaryKey("calendar_id", "key_hash")
    calendar = belongs_to("Calendar", "items")
    key_hash = hash_of()
    key = text()
    etag = text(null=True)
    version = instant(null=True)
    series = text(null=True)
    series_hash = hash_of(null=True)
    round = big_number()

    class Meta(Stored.Meta):
        db_table = "calsync_items"


class Event(Stored):
    """An event of an item's."""

    pk = models.CompositePrimaryKey("calendar_id", "key_hash", "position")
    calendar_id = big_number()
    key_hash = hash_of()
    position = number()
    identity = text()
    identity_hash = hash_of()
    plannable = flag()
    starts_at = instant()
    ends_at = instant(null=True)
    mark_hash = hash_of(null=True)
    value = text()

    class Meta(Stored.Meta):
        db_table = "calsync_events"


class Debt(Stored):
    """What must be read by its id."""

    pk = models.CompositePrimaryKey("calendar_id", "key_hash")
    calendar = belongs_to("Calendar", "debts")
    key_hash = hash_of()
    key = text()
    reason = text()
    since = instant()
    due_at = instant()
    attempts = number()

    class Meta(Stored.Meta):
        db_table = "calsync_debts"


class JournalLine(Stored):
    """A change that is not planned yet."""

    id = counted()
    owner = name_of()
    calendar = belongs_to("Calendar", "journal", null=True)
    is_key = flag()
    word = text()

    class Meta(Stored.Meta):
        db_table = "calsync_journal"


class Intent(Stored):
    """A write that is decided."""

    id = counted()
    owner = name_of()
    target = belongs_to("Calendar", "intents")
    ref = name_of(191, unique=True)
    slot_at = instant()
    due_at = instant()
    attempts = number()
    claimed_name = name_of(null=True)
    claimed_token = big_number(null=True)
    value = text()
    ordered = flag(db_default=False)

    class Meta(Stored.Meta):
        db_table = "calsync_intents"


class Notice(Stored):
    """A notice that the project has not taken yet."""

    id = counted()
    owner = name_of()
    due_at = instant()
    attempts = number()
    value = text()

    class Meta(Stored.Meta):
        db_table = "calsync_notices"


class Lease(Stored):
    """Who works on what."""

    name = name_of(primary_key=True)
    holder = name_of()
    token = big_number()
    expires_at = instant(null=True)

    class Meta(Stored.Meta):
        db_table = "calsync_leases"


class RunCalendar(Stored):
    """Which calendars a run was about."""

    pk = models.CompositePrimaryKey("calendar_id", "run_id")
    # A run is remembered longer than a forgotten calendar.
    calendar_id = big_number()
    run = belongs_to("Run", "run_calendars")

    class Meta(Stored.Meta):
        db_table = "calsync_run_calendars"


class Write(Stored):
    """What a run wrote, to be undone."""

    pk = models.CompositePrimaryKey("run_id", "intent_id")
    run = belongs_to("Run", "written")
    # An intent is closed and forgotten when it is done.
    intent_id = big_number()
    target = belongs_to("Calendar", "written")
    value = text()

    class Meta(Stored.Meta):
        db_table = "calsync_writes"
