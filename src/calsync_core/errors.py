"""Every error this library raises, in one tree.

::

    CalsyncError
    ├── UsageError                 the caller can fix it; raised before anything is requested or written
    │   ├── InvalidValue           a value that can't be right: names the field (also a ValueError)
    │   ├── ConfigurationError     the installation: unknown provider, missing extra, bad URL, missing secret
    │   ├── UnknownAccount         no such account in this store (also a LookupError)
    │   ├── UnknownCalendar        no such calendar in this store (also a LookupError)
    │   ├── UnknownRun             no such run in this store, or it was forgotten (also a LookupError)
    │   ├── UnknownProvider        no provider of this name that pushes (also a LookupError)
    │   └── InsideTransaction      the host called the engine inside its own open transaction
    ├── StoreError                 the store can't do it now
    │   ├── LeaseLost              the lease this write was made under has passed to another worker
    │   └── LeaseBusy              another worker holds the lease
    ├── Stopped                    the engine was told to stop; what is left is picked up by the next sync
    └── ProviderError              a provider said no; carries ``retry_after``
        ├── AuthExpired            the login no longer works; the account's owner must act
        ├── IdentityChanged        the login works but is somebody else's
        ├── RateLimited            too many requests; see ``retry_after``
        ├── CursorExpired          the cursor is no longer valid: take a snapshot
        ├── NotFound               the calendar or item does not exist, or is hidden from this login
        ├── Conflict               a precondition failed: somebody else wrote first
        ├── Unavailable            network, time-out, 5xx, unparseable answer: try again later
        │   ├── Unreachable        no connection, or no answer in time: its server is asked nothing more for now
        │   └── UnreadableAnswer   it answered, but with something too large or malformed
        └── Rejected               permanently refused: the same request will never succeed
            ├── ReadOnly           this login may not write to this calendar
            └── PushUnsupported    this calendar can't push: poll it

Providers translate every foreign error into this tree in one place each; nothing else escapes from them. Messages
never carry titles, attendees, tokens or secrets (I-39).
"""

from __future__ import annotations

__all__ = [
    "AuthExpired",
    "CalsyncError",
    "ConfigurationError",
    "Conflict",
    "CursorExpired",
    "IdentityChanged",
    "InsideTransaction",
    "InvalidValue",
    "LeaseBusy",
    "LeaseLost",
    "NotFound",
    "ProviderError",
    "PushUnsupported",
    "RateLimited",
    "ReadOnly",
    "Rejected",
    "Stopped",
    "StoreError",
    "Unavailable",
    "UnknownAccount",
    "UnknownCalendar",
    "UnknownProvider",
    "UnknownRun",
    "Unreachable",
    "UnreadableAnswer",
    "UsageError",
]


class CalsyncError(Exception):
    """Base of everything this library raises on purpose."""


class UsageError(CalsyncError):
    """The caller can fix it. Raised before any request is sent or anything is written (I-44)."""


class InvalidValue(UsageError, ValueError):
    """A value that can't be right; the message starts with the name of the field."""


class ConfigurationError(UsageError):
    """The installation is set up wrongly; the message names the setting."""


class UnknownAccount(UsageError, LookupError):
    """No account with this id in the store."""


class UnknownCalendar(UsageError, LookupError):
    """No calendar with this id in the store."""


class UnknownRun(UsageError, LookupError):
    """No run with this id in the store: it never was, or ``cleanup`` has forgotten it."""


class UnknownProvider(UsageError, LookupError):
    """The engine has no provider of this name that pushes."""


class InsideTransaction(UsageError):
    """The engine was called inside the host's open database transaction.

    Requests to providers can't be rolled back, so a sync inside a transaction would leave the store and the
    calendars disagreeing.
    """


class StoreError(CalsyncError):
    """The store can't do it now."""


class LeaseLost(StoreError):
    """The lease has expired or passed to another worker; nothing was written (fencing)."""


class LeaseBusy(StoreError):
    """Another worker holds the lease; its work covers ours or is picked up by the next pass."""


class Stopped(CalsyncError):
    """The engine was told to stop: no further request is sent. Nothing is lost; the next sync goes on from here."""


class ProviderError(CalsyncError):
    """A provider refused or failed.

    Attributes:
        retry_after: Seconds to wait before the next request of this account, or None if the provider did not say.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AuthExpired(ProviderError):
    """The login no longer works. Only its owner can mend it; no retry helps (I-35)."""


class IdentityChanged(ProviderError):
    """The login works but belongs to somebody else than at first connection (I-46)."""


class RateLimited(ProviderError):
    """Too many requests for this account. ``retry_after`` holds the provider's wish, if it gave one (I-33)."""


class CursorExpired(ProviderError):
    """The cursor is no longer valid, or was made by a request of another shape: take a snapshot (I-10, I-12)."""


class NotFound(ProviderError):
    """The calendar or item does not exist, or this login may not see it."""


class Conflict(ProviderError):
    """A precondition failed: the item changed since we last read it."""


class Unavailable(ProviderError):
    """Network failure, time-out, 5xx or an answer that can't be read. Nothing may be concluded from it (I-07)."""


class Unreachable(Unavailable):
    """No connection, or no answer in time; the message names the server. A sync asks nothing more for this account."""


class UnreadableAnswer(Unavailable):
    """The server answered, but with something too large or malformed: a smaller question may go better."""


class Rejected(ProviderError):
    """Permanently refused: sending the same request again will never succeed."""


class ReadOnly(Rejected):
    """This login may read the calendar but not write to it (I-42)."""


class PushUnsupported(Rejected):
    """This calendar can't push, however often it is asked: remember it and poll (I-30)."""
