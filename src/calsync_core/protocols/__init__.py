"""The ports: what an extension implements, with what holds before, what holds after, and every error."""

from calsync_core.models import PushKind
from calsync_core.protocols.authorizing import (
    Authorization,
    AuthorizationRequest,
    AuthorizingProvider,
    PasswordProvider,
    Refusal,
    new_state,
    same_state,
)
from calsync_core.protocols.inbox import InboxStore, NoticeStore, PushStore
from calsync_core.protocols.provider import (
    EchoingProvider,
    ExclusiveProvider,
    GrantingProvider,
    KnownItems,
    Provider,
    PublishingProvider,
    Push,
    PushProvider,
    PushRequest,
    ReadRequest,
    Session,
    Subscription,
    nothing_known,
)
from calsync_core.protocols.services import Clock, Notifier, RequestMeter, TokenSource
from calsync_core.protocols.store import BlockStore, DirectoryStore, EventStore, PlanStore, Store
from calsync_core.protocols.work import CredentialStore, LeaseStore, RunStore, TransactionStore

__all__ = [
    "Authorization",
    "AuthorizationRequest",
    "AuthorizingProvider",
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
    "PasswordProvider",
    "PlanStore",
    "Provider",
    "PublishingProvider",
    "Push",
    "PushKind",
    "PushProvider",
    "PushRequest",
    "PushStore",
    "ReadRequest",
    "Refusal",
    "RequestMeter",
    "RunStore",
    "Session",
    "Store",
    "Subscription",
    "TokenSource",
    "TransactionStore",
    "new_state",
    "nothing_known",
    "same_state",
]
