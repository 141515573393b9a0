"""Notices as log lines."""

from __future__ import annotations

from calsync_core.log import Logger
from calsync_core.models import Notice, NoticeKind

__all__ = ["StructlogNotifier"]

_log = Logger("calsync_core.notifiers")

_ORDINARY = frozenset({NoticeKind.SYNC_FINISHED, NoticeKind.BLOCK_RESTORED, NoticeKind.CALENDAR_RECOVERED})


class StructlogNotifier:
    """A ``Notifier`` that writes one log line per notice: the kind as the event's name, ids and numbers beside it.

    Level ``info`` for what needs nobody, ``warning`` for the rest. Text in a notice's detail is left out (I-39);
    a host that wants it uses ``CallbackNotifier``.
    """

    def notify(self, notice: Notice) -> None:
        """Write the line."""
        numbers = {name: value for name, value in notice.detail.items() if isinstance(value, int | float)}
        numbers.pop("event", None)  # structlog's own word for the line's name
        write = _log.info if notice.kind in _ORDINARY else _log.warning
        ids = {"owner": notice.owner, "account": notice.account, "calendar": notice.calendar}
        write(str(notice.kind), **{**numbers, **ids})
