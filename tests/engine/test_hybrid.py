"""Weeks and months of people's lives in virtual time: Google and Graph push, a club's calendar can't.

The services are the simulators that their own clients judge; receiver, inbox, scheduler and adapters are the real ones.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from calsync_core.models import NoticeKind, PushState, SyncType
from calsync_core.testing.simulators.pushes import Outbox
from hybrid_world import HybridWorld, realistic_week
from planted import PASSWORD
from world import START, at

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
PUSHING = ("google", "microsoft")


def begun(*owners: str, polling_tick: float = 30.0) -> HybridWorld:
    """A world that has been running for ten minutes."""
    world = HybridWorld(owners or ("ana",), polling_tick=polling_tick)
    world.until(START + 10 * MINUTE)
    assert world.push_states() == {"google": {"active"}, "microsoft": {"active"}, "club": {"unsupported"}}
    return world


def requests_by_service(world: HybridWorld) -> Counter[str]:
    """What was asked of the services that push, batches counted as one."""
    return Counter(google=len(_asked(world.google.google)), microsoft=len(_asked(world.graph.graph)))


def _asked(service: object) -> list[object]:
    return [one for one in service.log if not one.inner and "token" not in one.path]  # type: ignore[attr-defined]  # both simulators have one


def test_a_week_of_realistic_edits() -> None:  # I-01, I-27
    """Pushes bring the news, within seconds; and reading costs a tenth of what polling every quarter hour would."""
    world = begun("ana", "bo")
    since = max(run.id or 0 for run in world.engine.runs(limit=1))
    edits = realistic_week(world, random.Random(3), START.replace(hour=0))
    world.until(START + 7 * DAY)
    metrics = world.engine.metrics(24 * 7)
    assert edits == 82
    assert metrics.failed_runs == 0
    assert metrics.webhook_share is not None
    assert metrics.webhook_share >= 0.95
    # From a push to the last block. A change right after a write of ours waits for the echo's delay.
    assert metrics.latency["p50"] <= 2
    assert metrics.latency["p99"] <= 15
    runs = [run for run in world.engine.runs(limit=10_000) if (run.id or 0) > since]
    club = {world.ids[owner, "club"] for owner in ("ana", "bo")}
    pushing = [run for run in runs if not (run.sync_type is SyncType.POLLING and set(run.calendars) <= club)]
    spent = sum(run.reading_calls for run in pushing)
    assert spent <= 0.1 * (4 * 24 * 7 * 4)
    assert world.engine.audit().ok


def test_a_month_of_renewals_horizon_and_daylight_saving() -> None:  # I-01, I-19, I-23, I-30
    """Every hour of it each calendar that can push has a live subscription, and in the end all is as it should be."""
    world = begun(polling_tick=300.0)
    nine = datetime(2026, 3, 3, 9, tzinfo=BERLIN)
    for kind in PUSHING:
        world.book("ana", kind, f"daily-{kind}", nine, recurrence=("RRULE:FREQ=DAILY",))
    realistic_week(world, random.Random(4), START.replace(hour=0) + 14 * DAY)
    gaps = []

    def look() -> None:
        if world.live_subscriptions() != {"google": 1, "microsoft": 1}:
            gaps.append((world.clock.now(), world.live_subscriptions()))
        states = world.push_states()
        assert states["google"] == states["microsoft"] == {"active"}

    world.until(START + 31 * DAY, each=HOUR, look=look)
    assert gaps == []
    assert {notice.kind for notice in world.notices} == {NoticeKind.SYNC_FINISHED}
    # Daylight saving began on 29 March: the wall clock stays, and every day of the horizon has its block.
    days = {when.astimezone(BERLIN).date() for when in world.starts("ana", "club") if when.astimezone(BERLIN).hour == 9}
    assert {(START + day * DAY).date() for day in range(2, 60)} <= days
    assert world.engine.audit().ok
    assert world.engine.sync_calendars_needing_polling().writes == 0


def test_a_day_without_the_endpoint() -> None:  # I-32
    """Polling takes over by itself and gives back by itself; who looks sees it, and nothing is lost."""
    world = begun()
    world.open = False
    for hour in range(24):
        world.plan(at(0, 9) + hour * HOUR, partial(world.book, "ana", "microsoft", f"m{hour}", at(5, hour)))
    world.until(at(1, 12))
    assert len([when for when in world.starts("ana", "google") if at(5) <= when + 9 * HOUR]) == 24
    states = world.push_states()
    assert states["microsoft"] <= {"failing", "suspended"}
    assert world.engine.health().status == "degraded"
    assert world.told(NoticeKind.PUSH_DEGRADED)
    world.open = True
    world.until(at(3))
    world.book("ana", "microsoft", "first", at(6))
    world.book("ana", "google", "second", at(7))
    world.until(at(3) + 5 * MINUTE)
    assert at(6) in world.starts("ana", "google")
    assert at(7) in world.starts("ana", "microsoft")
    states = world.push_states()
    assert states["google"] == states["microsoft"] == {"active"}
    troubled = {notice.calendar for notice in world.told(NoticeKind.PUSH_DEGRADED)}
    assert {notice.calendar for notice in world.told(NoticeKind.PUSH_RECOVERED)} == troubled
    assert world.engine.audit().ok


def test_nine_days_without_any_process() -> None:  # I-32
    """Services push into the void, subscriptions run out; the next process comes right without anyone's help."""
    world = begun()
    world.running = world.open = False
    world.book("ana", "google", "while away", at(12))
    world.until(START + 9 * DAY)
    assert world.live_subscriptions() == {"google": 0, "microsoft": 0}
    world.running = world.open = True
    world.restart()
    world.until(START + 9 * DAY + 10 * MINUTE)
    assert at(12) in world.starts("ana", "microsoft")
    assert world.live_subscriptions() == {"google": 1, "microsoft": 1}
    world.book("ana", "microsoft", "back", at(13))
    world.until(world.clock.now() + 20 * timedelta(seconds=1))
    assert at(13) in world.starts("ana", "google")
    assert world.engine.audit().ok


@pytest.mark.parametrize("seed", range(3))
def test_a_post_that_loses_doubles_and_shuffles(seed: int) -> None:  # I-27
    """Three days of edits whose notifications come as they like end as they should."""
    world = begun()
    dice = random.Random(seed)
    realistic_week(world, dice, START.replace(hour=0))
    outboxes: list[Outbox] = [world.google.google.outbox, world.graph.graph.outbox]

    def meddle() -> None:
        for outbox in outboxes:
            dice.choice((outbox.lose, outbox.double, lambda outbox=outbox: outbox.shuffle(dice)))()

    world.meddle = meddle
    world.until(START + 3 * DAY)
    world.meddle = None
    world.until(START + 5 * DAY)
    assert world.engine.audit().ok
    assert world.engine.sync_calendars_needing_polling().writes == 0


def test_a_login_revoked_and_given_again() -> None:  # I-35
    """Told once; hardly a request meanwhile; and push works again by itself once the person has connected again."""
    world = begun()
    world.google.set_password("ana-google", "another")
    world.until(START + 2 * DAY)
    assert len(world.told(NoticeKind.REAUTHORIZATION_NEEDED)) == 1
    before = requests_by_service(world)["google"]
    world.until(START + 3 * DAY)
    assert requests_by_service(world)["google"] - before <= 12
    world.book("ana", "google", "meanwhile", at(10))
    world.google.set_password("ana-google", PASSWORD)
    account = world.store.load_account(world.calendar("ana", "google").account_id)
    world.engine.connect(account, world.google.login("ana-google", PASSWORD))
    world.until(world.clock.now() + 10 * MINUTE)
    assert at(10) in world.starts("ana", "microsoft")
    assert world.push_states()["google"] == {str(PushState.ACTIVE)}
    assert world.engine.audit().ok


def test_graphs_own_words() -> None:  # I-31
    """``subscriptionRemoved``, ``missed`` and ``reauthorizationRequired`` lead each to its own repair."""
    world = begun()
    graph = world.graph.graph
    (one,) = graph.subscriptions
    graph.lifecycle(one["id"], "subscriptionRemoved")
    world.book("ana", "microsoft", "untold", at(8))
    world.until(world.clock.now() + MINUTE)
    (two,) = graph.subscriptions
    assert two["id"] != one["id"]
    assert at(8) in world.starts("ana", "google")
    world.until(world.clock.now() + DAY)
    graph.lifecycle(two["id"], "reauthorizationRequired")
    # Until it is renewed, what happens is not told, not even later.
    world.book("ana", "microsoft", "paused", at(9))
    world.until(world.clock.now() + MINUTE)
    # Graph asks again and again; renewing is done once in ten minutes.
    graph.lifecycle(two["id"], "reauthorizationRequired")
    world.until(world.clock.now() + MINUTE)
    renewals = [one for one in graph.log if one.method == "PATCH" and "subscriptions" in one.path]
    assert len(renewals) == 1
    (three,) = graph.subscriptions
    assert three["id"] == two["id"]
    assert three["expirationDateTime"] > two["expirationDateTime"]
    assert at(9) in world.starts("ana", "google")
    graph.lifecycle(three["id"], "missed")
    reads = world.engine.metrics(72).reads["webhook"]
    world.until(world.clock.now() + 30 * timedelta(seconds=1))
    assert world.engine.metrics(72).reads["webhook"] == reads + 1
