"""How far push is believed, and when a calendar is looked at next: the pure part, through any history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from calsync_core.core import watching
from calsync_core.core.watching import Action, Pace
from calsync_core.models import NoticeKind, PushKind, PushState, ReadState, StoredSubscription, SyncPolicy, Watch

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
URL = "https://host.example/webhooks/memory"
PACE = Pace.of(SyncPolicy())
FRESH = watching.record_subscribed(Watch(), NOW + 7 * DAY, NOW)


def read(watch: Watch, now: datetime, *, found: bool = False, by_push: bool = False) -> Watch:
    return watching.record_read(watch, 1, now, found=found, by_push=by_push, pace=PACE)


def pushed(watch: Watch, now: datetime) -> Watch:
    """As the inbox notes it."""
    return evolve(watch, pushed_at=now)


def failed(watch: Watch, times: int, now: datetime = NOW) -> Watch:
    for _ in range(times):
        watch = watching.record_failure(watch, "Unavailable", now)
    return watch


def subscription(**changes: Any) -> StoredSubscription:
    plain = StoredSubscription(1, "memory", "s1", "0" * 64, URL, NOW, NOW + 7 * DAY, "r", confirmed=True)
    return evolve(plain, renewed_at=NOW, **changes)


# -- states -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "live", "state"),
    [
        (0, False, PushState.NONE),
        (0, True, PushState.ACTIVE),
        (1, True, PushState.ACTIVE),
        (2, True, PushState.ACTIVE),
        (1, False, PushState.FAILING),
        (3, True, PushState.FAILING),
        (9, True, PushState.FAILING),
        (10, True, PushState.SUSPENDED),
        (10, False, PushState.SUSPENDED),
    ],
)
def test_states(failures: int, live: bool, state: PushState) -> None:
    watch = failed(FRESH if live else Watch(), failures)
    assert watching.state_of(watch, NOW) is state


def test_any_push_clears_every_doubt() -> None:  # I-32
    watch = FRESH
    for _ in range(12):
        watch = watching.record_failure(watch, "Silent", NOW)
    assert watching.state_of(watch, NOW) is PushState.SUSPENDED
    watch = pushed(watch, NOW + HOUR)
    assert watching.state_of(watch, NOW + HOUR) is PushState.ACTIVE
    assert watching.settled(watch).failures == 0


def test_a_push_does_not_prove_that_the_subscription_can_be_renewed() -> None:
    """Else a busy calendar's would be tried at every push, and never told of; and it still pushes until it ends."""
    watch = pushed(failed(FRESH, 12), NOW + HOUR)
    assert watching.settled(watch).failures == 12
    assert watching.action(watch, subscription(), URL, NOW + HOUR) is Action.KEEP
    assert watching.action(watch, subscription(), URL, NOW + 8 * DAY) is Action.CREATE
    assert watching.record_subscribed(watch, NOW + 9 * DAY, NOW + DAY).failures == 0


def test_a_timer_set_while_push_worked_is_too_long_once_it_does_not() -> None:  # I-32
    watch = FRESH
    for hour in range(9):
        watch = read(watch, NOW + 6 * hour * HOUR)
    now = NOW + 49 * HOUR
    assert watch.due_at is not None
    assert watch.due_at > now + 12 * HOUR
    hurried = watching.hastened(watching.ended(watch), 1, now, PACE)
    assert hurried.due_at is not None
    assert hurried.due_at <= now + HOUR
    assert hurried.interval == PACE.polling
    # Once: what is put off after that stays put off.
    later = evolve(hurried, due_at=now + 5 * HOUR)
    assert watching.hastened(later, 1, now, PACE) == later


def test_a_clock_that_was_set_back_holds_up_no_push() -> None:
    watch = read(FRESH, NOW + HOUR)
    assert watching.has_cooled(watch, NOW)
    assert not watching.has_cooled(watch, NOW + HOUR + timedelta(seconds=4))
    assert watching.has_cooled(watch, NOW + HOUR + timedelta(seconds=5))
    assert watching.has_cooled(None, NOW)


def test_an_unsupported_calendar_is_asked_again_after_a_month() -> None:  # I-30
    watch = watching.record_unsupported(FRESH, NOW)
    assert watching.state_of(watch, NOW + 29 * DAY) is PushState.UNSUPPORTED
    assert watching.action(watch, None, URL, NOW + 29 * DAY) is Action.KEEP
    assert watching.action(watch, None, URL, NOW + 30 * DAY) is Action.CREATE
    assert watching.scheduled(watch, 1, NOW, possible=True).check_at == NOW + 30 * DAY


# -- doubts -----------------------------------------------------------------------------------------------------------


def test_a_change_that_nobody_announced_is_a_doubt_and_then_a_failure() -> None:
    watch = read(read(FRESH, NOW), NOW + HOUR, found=True)
    assert watch.doubted_at == NOW + HOUR
    assert watching.doubt(watch, NOW + HOUR + timedelta(minutes=4)) is None
    assert watching.doubt(watch, NOW + HOUR + timedelta(minutes=5)) == "Unannounced"
    # It is read again soon, whatever was believed before.
    assert watch.due_at is not None
    assert watch.due_at - (NOW + HOUR) <= timedelta(seconds=PACE.hurried)


def test_what_the_first_read_finds_was_for_nobody_to_announce() -> None:
    watch = read(FRESH, NOW, found=True)
    assert watch.doubted_at is None
    assert watching.state_of(watch, NOW) is PushState.ACTIVE


def test_a_late_push_clears_the_doubt() -> None:  # I-27
    watch = read(read(FRESH, NOW), NOW + HOUR, found=True)
    watch = pushed(watch, NOW + HOUR + timedelta(minutes=3))
    assert watching.doubt(watch, NOW + 2 * HOUR) is None


def test_a_change_that_was_announced_is_none() -> None:
    watch = pushed(read(FRESH, NOW), NOW + HOUR)
    assert read(watch, NOW + HOUR, found=True).doubted_at is None


def test_an_echo_that_stays_away_is_a_doubt() -> None:
    watch = watching.record_write(FRESH, NOW, NOW + timedelta(seconds=2))
    assert watching.doubt(watch, NOW + timedelta(minutes=9)) is None
    assert watching.doubt(watch, NOW + timedelta(minutes=10)) == "Silent"
    # Going on writing does not put off the question.
    again = watching.record_write(watch, NOW + timedelta(minutes=9), NOW + timedelta(minutes=9))
    assert watching.doubt(again, NOW + timedelta(minutes=10)) == "Silent"


def test_an_echo_may_come_before_we_know_that_we_wrote() -> None:
    watch = watching.record_write(pushed(FRESH, NOW + timedelta(seconds=1)), NOW, NOW + timedelta(seconds=2))
    assert watching.doubt(watch, NOW + DAY) is None


def test_without_a_subscription_there_is_nothing_to_doubt() -> None:
    watch = watching.record_write(Watch(), NOW, NOW)
    assert watching.doubt(watch, NOW + DAY) is None
    assert watching.doubt(read(Watch(), NOW, found=True), NOW + DAY) is None


# -- what to do -------------------------------------------------------------------------------------------------------


def test_what_a_subscription_needs() -> None:  # I-30
    one = subscription()
    assert watching.action(Watch(), None, URL, NOW) is Action.CREATE
    assert watching.action(FRESH, one, URL, NOW) is Action.KEEP
    assert watching.action(FRESH, one, URL, NOW + 6 * DAY) is Action.RENEW
    assert watching.action(FRESH, one, URL, NOW, replace=True) is Action.CREATE
    assert watching.action(FRESH, one, "https://elsewhere.example/memory", NOW) is Action.CREATE
    assert watching.action(FRESH, evolve(one, created_at=NOW - 60 * DAY), URL, NOW + 6 * DAY) is Action.CREATE


def test_a_renewal_asked_for_again_and_again_is_done_once_in_ten_minutes() -> None:  # I-31
    one = subscription()
    assert watching.action(FRESH, one, URL, NOW + timedelta(minutes=9), renew=True) is Action.KEEP
    assert watching.action(FRESH, one, URL, NOW + timedelta(minutes=10), renew=True) is Action.RENEW


def test_attempts_get_rarer_and_a_probe_remains() -> None:  # I-34
    pauses = []
    for failures in range(1, 14):
        watch = failed(Watch(), failures)
        check_at = watching.scheduled(watch, 1, NOW, possible=True).check_at
        assert check_at is not None
        pauses.append((check_at - NOW).total_seconds() / 60)
        before = check_at - timedelta(seconds=1)
        assert watching.action(watch, None, URL, before) is (Action.REST if failures >= 10 else Action.KEEP)
        assert watching.action(watch, None, URL, before, at_once=True) is Action.CREATE
        assert watching.action(watch, None, URL, check_at) is Action.CREATE
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 360, 720, 1440, 1440]


def test_renewals_are_spread_and_leave_a_day() -> None:  # I-30
    checks = {watching.scheduled(FRESH, calendar, NOW, possible=True).check_at for calendar in range(100)}
    assert len(checks) > 90
    assert all(check is not None and NOW + 5 * DAY < check <= NOW + 6 * DAY for check in checks)


def test_nothing_is_looked_after_where_nobody_can_push() -> None:
    assert watching.scheduled(FRESH, 1, NOW, possible=False).check_at is None


# -- how often --------------------------------------------------------------------------------------------------------


@given(quiet=st.integers(1, 200))
def test_silence_alone_costs_less_and_less(quiet: int) -> None:
    watch, now = read(FRESH, NOW), NOW
    for _ in range(quiet):
        assert watch.due_at is not None
        now = watch.due_at
        watch = evolve(watch, expires_at=now + DAY)
        watch = read(watch, now)
        assert watching.state_of(watch, now) is PushState.ACTIVE
    assert watch.interval == min(4 * PACE.silence, PACE.silence * 2**quiet)


def test_a_calendar_that_changes_without_push_is_read_often_and_a_quiet_one_rarely() -> None:
    watch = read(Watch(), NOW, found=True)
    assert watch.interval == PACE.hurried
    for _ in range(10):
        watch = read(watch, watch.due_at or NOW)
    assert watch.interval == PACE.polling


def test_quiet_days_forgive_a_channel_that_was_in_doubt() -> None:
    """Else one bad day would have a calendar that nobody edits polled for ever."""
    watch = FRESH
    for _ in range(4):
        watch = watching.record_failure(watch, "Silent", NOW)
    for hour in range(48):
        watch = read(watch, NOW + hour * HOUR)
        assert watching.state_of(watch, NOW + hour * HOUR) is PushState.FAILING
    assert watching.state_of(read(watch, NOW + 48 * HOUR), NOW + 48 * HOUR) is PushState.ACTIVE
    # Not one that changes behind our back.
    assert watching.state_of(read(watch, NOW + 48 * HOUR, found=True), NOW + 48 * HOUR) is PushState.FAILING


@given(calendar=st.integers(1, 10**6), interval=st.floats(60, 10**5), hours=st.integers(0, 1000))
def test_the_stated_staleness_is_never_passed(calendar: int, interval: float, hours: int) -> None:
    now = NOW + hours * HOUR
    watch = watching.record_read(evolve(FRESH, interval=interval), calendar, now, found=False, by_push=True, pace=PACE)
    assert watch.due_at is not None
    assert now < watch.due_at <= now + timedelta(seconds=watch.interval)
    assert watch.due_at >= now + timedelta(seconds=0.9 * watch.interval - 1)


def test_a_full_read_is_rarer_where_push_works() -> None:
    policy, state = SyncPolicy(), ReadState(full_at=NOW)
    assert watching.full_due(Watch(), state, policy, 1, NOW) == NOW + DAY
    spread = {watching.full_due(FRESH, state, policy, calendar, NOW) for calendar in range(50)}
    assert all(NOW + 5.9 * DAY < due <= NOW + 7 * DAY for due in spread)
    assert len(spread) > 45
    assert watching.full_due(FRESH, ReadState(), policy, 1, NOW) == NOW


def test_pushes_after_our_own_write_wait_for_each_other() -> None:
    watch = evolve(read(FRESH, NOW), written_at=NOW + HOUR)
    soon = NOW + HOUR + timedelta(seconds=3)
    assert watching.received(watch, PushKind.CHANGED, soon) == soon + watching.ECHO_DELAY
    for kind in (PushKind.MISSED, PushKind.ENDED, PushKind.REAUTHORIZE):
        assert watching.received(watch, kind, soon) == soon
    # A while later it is somebody else's change, as it is once our write was read back.
    assert watching.received(watch, PushKind.CHANGED, NOW + 2 * HOUR) == NOW + 2 * HOUR
    assert watching.received(read(watch, soon), PushKind.CHANGED, soon) == soon
    assert watching.received(None, PushKind.CHANGED, soon) == soon


# -- any history ------------------------------------------------------------------------------------------------------


class Histories(RuleBasedStateMachine):
    """One calendar's watch through anything that may happen to it."""

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.watch = Watch()
        self.notices: list[NoticeKind] = []
        self.save()

    def save(self) -> None:
        """As ``steps.watch`` does."""
        self.watch = watching.scheduled(self.watch, 7, self.now, possible=True)
        notice = watching.notice_due(self.watch, self.now)
        if notice is not None:
            self.notices.append(notice)
            self.watch = watching.noted(self.watch, self.now)

    @rule(seconds=st.sampled_from([1, 30, 301, 601, 3600, 86_400, 8 * 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def a_push_comes(self) -> None:
        self.watch = evolve(self.watch, pushed_at=self.now)

    @rule(found=st.booleans(), by_push=st.booleans())
    def it_is_read(self, *, found: bool, by_push: bool) -> None:
        self.watch = read(self.watch, self.now, found=found, by_push=by_push)
        self.save()

    @rule()
    def a_block_is_written(self) -> None:
        self.watch = watching.record_write(self.watch, self.now, self.now)
        self.save()

    @precondition(lambda self: self.watch.check_at is not None and self.watch.check_at <= self.now)
    @rule(outcome=st.sampled_from(["made", "made", "fails", "unsupported"]))
    def it_is_looked_after(self, outcome: str) -> None:
        watch = watching.settled(self.watch)
        doubt = watching.doubt(watch, self.now)
        if doubt is not None:
            watch = watching.record_failure(watch, doubt, self.now)
        live = watch.expires_at is not None and watch.expires_at > self.now
        current = subscription(created_at=watch.subscribed_at or NOW, expires_at=watch.expires_at) if live else None
        todo = watching.action(watch, current, URL, self.now, replace=doubt is not None)
        if todo is Action.REST:
            watch = watching.ended(watch)
        elif todo is not Action.KEEP and outcome == "made":
            watch = watching.record_subscribed(watch, self.now + 7 * DAY, self.now)
        elif todo is not Action.KEEP and outcome == "fails":
            watch = watching.record_failure(watch, "Unavailable", self.now)
        elif todo is not Action.KEEP:
            watch = watching.record_unsupported(watch, self.now)
        self.watch = watch
        self.save()
        # No busy loop: whatever was decided, the next look is later.
        assert self.watch.check_at is not None
        assert self.watch.check_at > self.now

    @invariant()
    def the_next_look_is_fixed(self) -> None:
        assert self.watch.check_at is not None
        if self.watch.read_at is not None:
            assert self.watch.due_at is not None
            assert self.watch.due_at - self.watch.read_at <= timedelta(seconds=4 * PACE.silence)

    @invariant()
    def trouble_is_told_once_and_ends_once(self) -> None:
        trouble = (NoticeKind.PUSH_DEGRADED, NoticeKind.PUSH_SUSPENDED)
        for before, after in zip([None, *self.notices], self.notices, strict=False):
            assert before is not after
            if after is NoticeKind.PUSH_RECOVERED:
                assert before in trouble
            if after is NoticeKind.PUSH_DEGRADED:
                assert before in {None, NoticeKind.PUSH_RECOVERED}


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40)
