"""Everything that HTTP allows to go wrong at a simulator, by dice: honest failures only.

Nothing says "gone" of what is there.
"""

from __future__ import annotations

import random

from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.messages import Request, Response
from google_scripts import refusal as google
from graph_scripts import refusal as graph

__all__ = ["google_storm", "graph_storm"]

_HTML = b"<html><title>502</title>no way</html>"
_GOOGLE = [
    google(500, "backendError"),
    google(503, "backendError"),
    google(403, "userRateLimitExceeded"),
    google(429, "rateLimitExceeded", Retry_After="3"),
    google(429, "rateLimitExceeded", Retry_After="40"),
    google(403, "quotaExceeded"),
    Response(502, {"Content-Type": "text/html"}, _HTML),
    Response(404, {"Content-Type": "text/html"}, _HTML),
    Response(403, {"Content-Type": "text/html"}, _HTML),
    Response(200, {"Content-Type": "text/html"}, _HTML),
]


def google_storm(dice: random.Random, request: Request) -> HttpFault | None:
    """What may become of a request to Google."""
    inner = dice.random() < 0.5
    kind = dice.choice(list(HttpFaultKind))
    if kind is HttpFaultKind.ANSWER:
        answers = _GOOGLE
        if request.arg("syncToken"):
            answers = [*_GOOGLE, google(410, "fullSyncRequired"), google(410, "updatedMinTooLongAgo")]
        if request.method != "GET" and inner:
            answers = [*_GOOGLE, google(409, "conflict")]
        return HttpFault(kind, dice.choice(answers), inner=inner)
    return HttpFault(kind, inner=inner)


_GRAPH = [
    graph(500, "ErrorInternalServerError"),
    graph(503, "serviceNotAvailable"),
    graph(503, "serviceNotAvailable", retry_after="2.128"),
    graph(504, "UnknownError"),
    graph(429, "ApplicationThrottled", retry_after="3"),
    graph(429, "TooManyRequests", retry_after="40"),
    *(Response(status, {"Content-Type": "text/html"}, _HTML) for status in (200, 403, 404, 502)),
]
_RESETS = [graph(410, "syncStateNotFound"), graph(400, "SyncStateInvalid"), graph(404, "syncStateNotFound")]
_OF_PARTS = [graph(424, "FailedDependency"), graph(412, "ErrorIrresolvableConflict")]


def graph_storm(dice: random.Random, request: Request) -> HttpFault | None:
    """What may become of a request to Graph."""
    inner = dice.random() < 0.5
    kind = dice.choice(list(HttpFaultKind))
    if kind is not HttpFaultKind.ANSWER:
        return HttpFault(kind, inner=inner)
    answers = list(_GRAPH)
    if request.arg("$deltatoken") or request.arg("$skiptoken"):
        answers += _RESETS
    if request.method != "GET" and inner:
        answers += _OF_PARTS
    return HttpFault(kind, dice.choice(answers), inner=inner)
