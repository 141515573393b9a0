"""Notices reach the host, and say nothing that nobody should read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from calsync_core.models import Notice, NoticeKind
from calsync_core.notifiers import CallbackNotifier, StructlogNotifier
from calsync_core.protocols import Notifier

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def notice_of(kind: NoticeKind) -> Notice:
    detail = {"held": 21, "reason": "Chemotherapy with Dr Roe", "refs": ["a.0"], "event": "not the event's name"}
    return Notice(kind, "ana", AT, account=3, calendar=5, detail=detail)


def test_both_are_notifiers() -> None:
    assert isinstance(StructlogNotifier(), Notifier)
    assert isinstance(CallbackNotifier(print), Notifier)


def test_the_callback_gets_the_notice_itself() -> None:
    told: list[Notice] = []
    notice = notice_of(NoticeKind.DELETIONS_HELD)
    CallbackNotifier(told.append).notify(notice)
    assert told == [notice]


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_is_one_log_line_named_after_it(kind: NoticeKind) -> None:
    with capture_logs() as lines:
        StructlogNotifier().notify(notice_of(kind))
    assert len(lines) == 1
    line = dict(lines[0])
    assert line.pop("event") == str(kind)
    assert line.pop("log_level") in {"info", "warning"}
    assert line == {"owner": "ana", "account": 3, "calendar": 5, "held": 21}


@pytest.mark.parametrize("kind", NoticeKind)
def test_no_text_of_a_detail_is_logged(kind: NoticeKind) -> None:  # I-39
    with capture_logs() as lines:
        StructlogNotifier().notify(notice_of(kind))
    assert "Chemotherapy" not in str(lines)


def test_what_the_callback_raises_is_the_engines_to_log() -> None:
    def refuse(_notice: Notice) -> None:
        raise RuntimeError("the host's own trouble")

    with pytest.raises(RuntimeError, match="own trouble"):
        CallbackNotifier(refuse).notify(notice_of(NoticeKind.SYNC_FAILED))


def test_numbers_in_a_detail_cannot_pose_as_ids() -> None:
    forged = Notice(NoticeKind.SYNC_FAILED, "ana", AT, account=3, detail={"account": 99, "event": 1, "failures": 2})
    with capture_logs() as lines:
        StructlogNotifier().notify(forged)
    assert (lines[0]["account"], lines[0]["event"], lines[0]["failures"]) == (3, "sync_failed", 2)
