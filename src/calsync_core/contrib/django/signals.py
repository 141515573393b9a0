"""What the project may want to know comes as a Django signal.

::

    from calsync_core.contrib.django.signals import noticed

    @receiver(noticed, sender=NoticeKind.REAUTHORIZATION_NEEDED)     # without a sender: every notice
    def ask_to_log_in_again(sender, notice, **kwargs):
        user = User.objects.get(pk=notice.owner)

A receiver gets each notice at least once, and those of one calendar in the order in which they came to be. It is called
after the engine's own transactions, in the thread and process that does the work: a web process, a command, a
scheduler. Where one raises, all receivers get the notice again later, so that what they do should not mind a second
time; a notice that is refused for a day is given up.
"""

from __future__ import annotations

import threading

from django.db import connections
from django.dispatch import Signal

from calsync_core.models import Notice

__all__ = ["SignalNotifier", "noticed"]

_OUR_THREADS = "calsync-"

noticed = Signal()
"""Sent with ``sender``, the ``NoticeKind``; and ``notice``, the ``Notice``."""


class SignalNotifier:
    """A ``Notifier`` that sends ``noticed``."""

    def notify(self, notice: Notice) -> None:
        """Tell every receiver. Raises what the first of them raised."""
        try:
            answers = noticed.send_robust(sender=notice.kind, notice=notice)
        finally:
            # In a thread of a scheduler's or a drain's, no end of a request closes what receivers opened.
            if threading.current_thread().name.startswith(_OUR_THREADS):
                connections.close_all()
        for _, answer in answers:
            if isinstance(answer, Exception):
                raise answer
