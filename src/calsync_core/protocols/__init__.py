"""The ports: what an extension implements, with what holds before, what holds after, and every error."""

from calsync_core.protocols.provider import (
    ExclusiveProvider,
    GrantingProvider,
    KnownItems,
    Provider,
    Push,
    PushKind,
    PushProvider,
    PushRequest,
    ReadRequest,
    Session,
    Subscription,
    nothing_known,
)
from calsync_core.protocols.services import Clock, Notifier, RequestMeter, TokenSource
from calsync_core.protocols.store import (
    BlockStore,
    CredentialStore,
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
    "CredentialStore",
    "DirectoryStore",
    "EventStore",
    "ExclusiveProvider",
    "GrantingProvider",
    "KnownItems",
    "LeaseStore",
    "Notifier",
    "PlanStore",
    "Provider",
    "Push",
    "PushKind",
    "PushProvider",
    "PushRequest",
    "ReadRequest",
    "RequestMeter",
    "RunStore",
    "Session",
    "Store",
    "Subscription",
    "TokenSource",
    "nothing_known",
]
