"""The ports: what an extension implements, with what holds before, what holds after, and every error."""

from calsync_core.protocols.provider import (
    KnownItems,
    Provider,
    PushProvider,
    ReadRequest,
    Session,
    Subscription,
    nothing_known,
)
from calsync_core.protocols.services import Clock, Notifier, RequestMeter, TokenSource
from calsync_core.protocols.store import (
    BlockStore,
    DirectoryStore,
    EventStore,
    LeaseStore,
    PlanStore,
    RunStore,
    Store,
)

__all__ = [
    "BlockStore",
    "Clock",
    "DirectoryStore",
    "EventStore",
    "KnownItems",
    "LeaseStore",
    "Notifier",
    "PlanStore",
    "Provider",
    "PushProvider",
    "ReadRequest",
    "RequestMeter",
    "RunStore",
    "Session",
    "Store",
    "Subscription",
    "TokenSource",
    "nothing_known",
]
