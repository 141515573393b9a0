"""The store's tables, as Django's ORM reads them.

They are for looking: the engine alone writes them, under its leases. What is not searched by is in ``value``, as the
store's own JSON; ``stored`` is that as a value of ``calsync_core.models``.

Columns are those of ``calsync_core.stores.sql.tables``, and the store's own migrations make them. Indexes, and keys
over several columns, are known to the database alone.
"""

from calsync_core.contrib.django.models.kept import (
    Credential,
    Debt,
    Event,
    Intent,
    Item,
    JournalLine,
    Lease,
    Notice,
    PlanState,
    Rule,
    RunCalendar,
    Write,
)
from calsync_core.contrib.django.models.shown import (
    Account,
    Block,
    Calendar,
    HeldDeletion,
    Notification,
    ReadState,
    Run,
    Subscription,
    Watch,
)

__all__ = [
    "Account",
    "Block",
    "Calendar",
    "Credential",
    "Debt",
    "Event",
    "HeldDeletion",
    "Intent",
    "Item",
    "JournalLine",
    "Lease",
    "Notice",
    "Notification",
    "PlanState",
    "ReadState",
    "Rule",
    "Run",
    "RunCalendar",
    "Subscription",
    "Watch",
    "Write",
]
