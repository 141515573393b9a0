"""A notifier that posts: each notice goes to an address as JSON, or to a chat as a line.

A notice is delivered at least once. Its ``id`` is the same each time and goes out as the
``Idempotency-Key``: whoever receives it twice keeps it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
from attrs import field, frozen

from calsync_core import Notice

__all__ = ["WebhookNotifier", "chat_line"]


def chat_line(notice: Notice) -> dict[str, str]:
    """What Slack's incoming webhooks take, and those of most chats."""
    where = "" if notice.calendar is None else f", calendar {notice.calendar}"
    return {"text": f"calsync: {notice.kind} ({notice.owner}{where})"}


@frozen
class WebhookNotifier:
    """Posts each notice.

    Attributes:
        url: Where to. Whoever knows it may post there, so it is in no repr.
        body: What is posted; the whole notice unless said.
        timeout: Seconds for each step of a request; later notices wait meanwhile.
    """

    url: str = field(repr=False)
    body: Callable[[Notice], Mapping[str, Any]] = Notice.as_dict
    timeout: float = 10.0

    def notify(self, notice: Notice) -> None:
        """See ``Notifier``. Raises httpx.HTTPError: the notice comes again later."""
        headers = {"Idempotency-Key": f"calsync-{notice.id}"}
        body = self.body(notice)
        answer = httpx.post(self.url, json=body, headers=headers, timeout=self.timeout)
        answer.raise_for_status()
