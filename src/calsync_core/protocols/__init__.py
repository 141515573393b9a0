"""The ports: what an extension implements, with what holds before, what holds after, and every error."""

from calsync_core.models import PushKind
from calsync_core.protocols.inbox import InboxStore, NoticeStore, PushStore
from calsync_core.protocols.provider import (
    EchoingProvider,
    ExclusiveProvider,
    GrantingProvider,
    KnownItems,
    Provider,
    Push,
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
    TransactionStore,
)

__all__ = [
    "BlockStore",
    "Clock",
    "CredentialStore",
    "DirectoryStore",
    "EchoingProvider",
    "EventStore",
    "ExclusiveProvider",
    "GrantingProvider",
    "InboxStore",
    "KnownItems",
    "LeaseStore",
    "NoticeStore",
    "Notifier",
    "PlanStore",
    "Provider",
    "Push",
    "PushKind",
    "PushProvider",
    "PushRequest",
    "PushStore",
    "ReadRequest",
    "RequestMeter",
    "RunStore",
    "Session",
    "Store",
    "Subscription",
    "TokenSource",
    "TransactionStore",
    "nothing_known",
]
