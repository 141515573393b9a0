"""Limits: per minute and user, per minute and project, and the long pause."""

from __future__ import annotations

from datetime import timedelta

import pytest

from calsync_core.testing import VirtualClock
from discovery import CheckedGoogle
from google_bench import ANN, BOB, Client, reason, timed


@pytest.mark.parametrize("status", [403, 429])
def test_a_user_has_so_many_requests_a_minute(
    google: CheckedGoogle, ann: Client, bob: Client, clock: VirtualClock, status: int
) -> None:
    """Quota guide: per user and sliding minute; 403 and 429 are both possible."""
    google.quota.per_user, google.quota.status = 2, status
    assert [ann.page().status_code for _ in range(2)] == [200, 200]
    refused = ann.page()
    assert reason(refused) == (status, "userRateLimitExceeded")
    assert refused.json()["error"]["errors"][0]["domain"] == "usageLimits"
    assert "Retry-After" not in refused.headers
    assert bob.page().status_code == 200
    clock.advance(timedelta(seconds=60))
    assert ann.page().status_code == 200
    assert google.quota.refused == {"userRateLimitExceeded": 1}


def test_a_project_has_so_many_requests_a_minute(google: CheckedGoogle, ann: Client, bob: Client) -> None:
    google.quota.per_project, google.quota.retry_after = 2, 1.5
    assert [one.page().status_code for one in (ann, bob)] == [200, 200]
    refused = ann.page()
    assert reason(refused) == (403, "rateLimitExceeded")
    assert refused.headers["Retry-After"] == "2"


def test_a_patch_costs_three(google: CheckedGoogle, ann: Client) -> None:
    """Performance guide: a PATCH is a read and a write."""
    google.put_event(ANN, timed("block1"))
    google.quota.per_user = 3
    assert ann.event("PATCH", "block1", {"summary": "x"}).status_code == 200
    assert ann.page().status_code == 403


def test_quota_user_stands_for_the_user(google: CheckedGoogle, ann: Client) -> None:
    """Discovery document, ``quotaUser``: an opaque string of at most 40 characters."""
    google.quota.per_user = 1
    assert ann.page(quotaUser="one").status_code == 200
    assert ann.page(quotaUser="two").status_code == 200
    assert ann.page(quotaUser="one").status_code == 403
    assert ann.page(quotaUser="x" * 41).status_code == 400


def test_a_paused_user_only_reads_for_hours(
    google: CheckedGoogle, ann: Client, bob: Client, clock: VirtualClock
) -> None:
    """Error guide, 403 ``quotaExceeded``; reported: the user is read-only for hours."""
    google.pause_user(ANN, timedelta(hours=5))
    assert reason(ann.insert(timed())) == (403, "quotaExceeded")
    assert ann.page().status_code == 200
    assert bob.insert(timed()).status_code == 200
    clock.advance(timedelta(hours=5))
    assert ann.insert(timed()).status_code == 200


def test_too_many_writes_bring_the_pause(google: CheckedGoogle, ann: Client, clock: VirtualClock) -> None:
    """Reported (inovex/CalendarSync #280): a first mesh sync is the likely trigger."""
    google.quota.writes_per_hour = 3
    assert [ann.insert(timed()).status_code for _ in range(3)] == [200] * 3
    assert reason(ann.insert(timed())) == (403, "quotaExceeded")
    clock.advance(timedelta(hours=1))
    assert reason(ann.insert(timed())) == (403, "quotaExceeded")
    clock.advance(timedelta(hours=5))
    assert ann.insert(timed()).status_code == 200
    assert google.events(BOB) == []
