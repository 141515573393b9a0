"""The same for leases that are about no calendar: of a login that is renewed, of the inbox (I-28, I-36, I-50)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve

from calsync_core.credentials import Vault, new_key
from calsync_core.models import AccountStatus, NotificationStatus, OAuthGrant
from calsync_core.testing.simulators.messages import Request
from calsync_core.testing.store_kit import a_notification
from gate import Stage
from stopping import kinds_of_errors, stopped_at_a_request, stopped_before
from sync_process import engine_over
from town import Town
from world import at

pytestmark = pytest.mark.server

KEY = new_key()


def renews(request: Request) -> bool:
    return request.path == "/token"


def connect_with_a_grant(town: Town) -> None:
    """Ana's login at Google is in the store now, and each refresh token works once."""
    google = town.google.google
    google.habits.rotates_refresh_tokens = True
    del town.logins["google"]
    town.engine = engine_over(town.store, town.shared_clock, town.logins, encryption_key=KEY)
    grant = OAuthGrant(
        google.client_id,
        google.client_secret,
        google.grant("ana-google@example.com"),
        token_url=f"{town.gates['google'].origin}/token",
    )
    account = town.store.load_account(town.calendars["google"].account_id)
    town.engine.connect(evolve(account, status=AccountStatus.ACTIVE), grant)
    town.calm_sync(key=KEY)


def stored_grant(town: Town) -> OAuthGrant:
    account = town.store.load_account(town.calendars["google"].account_id)
    sealed = town.store.load_credential(account.key)
    assert sealed is not None
    login = Vault(KEY).unseal(account, sealed).login
    assert isinstance(login, OAuthGrant)
    return login


def works(town: Town, refresh_token: str | None) -> bool:
    """Whether the token server would still take it."""
    return any(refresh_token in consent.refresh for consent in town.google.google._oauth._consents.values())


@pytest.mark.parametrize("stage", [Stage.ARRIVED, Stage.DONE])
def test_a_rotated_grant_outlives_the_stop_of_who_renews_it(  # I-36
    town_on: Callable[..., Town], stage: Stage
) -> None:
    town = town_on()
    connect_with_a_grant(town)
    town.put("microsoft", "meeting", at(2))
    town.clock.advance(timedelta(hours=2))  # past the access token's end
    stopped = stopped_at_a_request(town, "google", stage, renews, key=KEY, rounds=2)
    renewed_by_the_second = not kinds_of_errors(town.calm_sync(key=KEY))
    # Where the first one's request was carried out, only the first one knows the grant that works now.
    assert renewed_by_the_second is (stage is Stage.ARRIVED)
    newest = stored_grant(town)

    stopped.go_on()
    assert works(town, stored_grant(town).refresh_token)
    assert (stored_grant(town) == newest) is renewed_by_the_second
    town.clock.advance(timedelta(hours=7))  # a refused login is tried again by itself
    assert not kinds_of_errors(town.calm_sync(key=KEY))
    town.verify()


def test_before_a_grant_is_stored(town_on: Callable[..., Town]) -> None:  # I-36
    town = town_on()
    connect_with_a_grant(town)
    town.clock.advance(timedelta(hours=2))
    stopped = stopped_before(town, "save_credential", key=KEY, rounds=2)
    town.calm_sync(key=KEY)
    stopped.go_on()
    assert works(town, stored_grant(town).refresh_token)
    town.clock.advance(timedelta(hours=7))
    assert not kinds_of_errors(town.calm_sync(key=KEY))
    town.verify()


@pytest.mark.parametrize("call", ["claim_notifications", "settle_notifications"])
def test_who_lost_the_inbox_settles_nothing(town_on: Callable[..., Town], call: str) -> None:  # I-28
    town = town_on()
    town.calm_sync()
    town.clock.advance(timedelta(minutes=1))  # a burst of pushes does not become a row of syncs
    town.put("google", "meeting", at(2))
    now = town.clock.now()
    town.store.save_notifications([a_notification(town.calendars["google"], received_at=now, due_at=now)])
    stopped = stopped_before(town, call, task="inbox")
    town.put("google", "meeting", at(3))
    town.calm_sync(task="inbox")
    [notification] = town.store.load_notifications()
    assert notification.status is NotificationStatus.COMPLETED
    town.verify_now()

    before = town.contents()
    assert not kinds_of_errors(stopped.go_on())
    assert town.contents() == before
    town.verify()
