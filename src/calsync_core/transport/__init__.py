"""Requests to a calendar service, whichever HTTP library carries them.

Credentials, permitted hosts, redirects, deadlines, retries, and every foreign error translated.

A provider brings a ``Judge`` that knows what its service's answers mean; everything else about asking a server is the
same for all and lives here once. ``HttpxConnection`` is the ``Connection`` of all of them.
"""

from calsync_core.transport.addresses import Permitted, checked_base, problem_with
from calsync_core.transport.link import (
    MAX_BODY,
    Answer,
    Connection,
    Connections,
    Judge,
    Link,
    gather,
    seconds_asked,
    sendable_etag,
)
from calsync_core.transport.over_httpx import HttpxConnection, ask_once, trust
from calsync_core.transport.parts import send_calls, tell_outcomes

__all__ = [
    "MAX_BODY",
    "Answer",
    "Connection",
    "Connections",
    "HttpxConnection",
    "Judge",
    "Link",
    "Permitted",
    "ask_once",
    "checked_base",
    "gather",
    "problem_with",
    "seconds_asked",
    "send_calls",
    "sendable_etag",
    "tell_outcomes",
    "trust",
]
