"""Every method of a store called with something to do, and which tables no question may read as a whole."""

from __future__ import annotations

from datetime import timedelta

from calsync_core.models import (
    Debt,
    Mode,
    Notice,
    NoticeKind,
    Outcome,
    OutcomeStatus,
    PushState,
    SyncReport,
    SyncType,
    Watch,
    Window,
)
from calsync_core.testing.store_kit import (
    NOW,
    StoreBench,
    a_block,
    a_notification,
    a_subscription,
    an_event,
    an_item,
    an_operation,
)

__all__ = ["BIG", "may_scan", "use_everything", "use_push"]

DAY = timedelta(days=1)
BIG = frozenset(
    {"items", "events", "blocks", "intents", "journal", "debts", "runs", "run_calendars", "read_states"}
    | {"subscriptions", "watches", "notifications", "notices", "writes"}
)
"""Tables that grow with what calendars hold, or with time."""


def may_scan(table: str, statement: str) -> bool:
    """What waits is counted: it is deleted when it is done. So is what each calendar has one of. And a host may ask for
    the newest, for a page of calendars, those in trouble first, or for all subscriptions.
    """
    counted = {"intents", "notices", "read_states", "watches"}
    listed = {"runs", "notifications", "notices", "read_states", "watches"}
    return (
        (table in counted and "count(*)" in statement)
        or (table in listed and "LIMIT" in statement)
        or (table == "subscriptions" and "WHERE" not in statement)
    )


def use_everything(bench: StoreBench) -> None:
    """Call every method once with something to do."""
    store, source, target = bench.store, bench.source, bench.target
    window = Window(NOW, NOW + DAY)
    master = an_event("m", uid="m", recurrence=("RRULE:FREQ=DAILY",))
    bench.save(source, an_item("m", master), an_item("x", series="m"), an_item("e1"))
    begun = bench.begin_round(source)
    bench.save(source, an_item("e1", etag="2"), round=begun, present=("x",), debts=(Debt("d", "x", NOW, NOW),))
    bench.save(source, an_item("e2"), removed=("m",), settled=("d",), cursor=None)
    block = a_block(source, target, held_since=NOW)
    store.save_blocks([block])
    for blocks in (None, [block.uid]):
        store.load_blocks("ana", blocks)
    store.load_uids("ana")
    store.load_blocks_by_key([block.key])
    store.load_held()
    store.load_held("ana")
    for keys in (None, ["k1"]):
        store.load_sightings("ana", keys)
        store.load_items(target.key, keys)
        store.load_intents("ana", keys)
    store.load_strays("ana")
    store.load_unseen(source.key, begun + 1, None)
    store.load_unseen(source.key, begun + 1, window)
    store.load_debts(source.key)
    store.load_debts(source.key, NOW)
    store.load_debtors(source.owner)
    store.load_read_states([source.key])
    store.load_events("ana", ["uid-e1"])
    store.load_identities("ana", window)
    bench.plan(an_operation(block), records=(block,), unsettled=frozenset({"u"}))
    store.load_plan_state("ana")
    store.reset_plan("ana")
    store.load_open_targets(None, NOW)
    store.load_open_targets("ana", NOW)
    store.load_due(NOW, "shape", NOW)
    intent = bench.claim()[0]
    bench.record(Outcome(intent.id, OutcomeStatus.RETRY, retry_after=1))
    writing = store.save_run(SyncReport(SyncType.FULL, NOW)).key
    bench.record(Outcome(intent.id, OutcomeStatus.DONE), run_id=writing)
    store.load_run(writing)
    store.load_writes(writing)
    store.save_mode("ana", Mode.OBSERVE)
    store.load_mode("ana")
    store.count_deleted([source.key], NOW)
    store.count_live([source.key], NOW)
    renewing = bench.lease(f"credential:{bench.account.key}")
    store.save_credential(renewing, bench.account.key, "sealed", NOW)
    store.load_credential(bench.account.key)
    store.load_credentials()
    store.delete_credential(renewing, bench.account.key, NOW)
    store.load_accounts("ana")
    store.load_calendars(owner="ana")
    store.load_calendars(account_id=bench.account.key)
    run = store.save_run(SyncReport(SyncType.FULL, NOW, NOW, calendars=(source.key,)))
    store.save_run(run)
    store.load_runs()
    store.load_runs(source.key)
    store.renew_lease(bench.lease_of(source), 60, NOW)
    store.release_lease(bench.lease_of(source))
    store.cleanup(NOW)


def use_push(bench: StoreBench) -> None:
    """Call every method of push once with something to do, then forget it all."""
    store, source = bench.store, bench.target
    lease = bench.lease_of(source)
    saved = store.save_subscription(lease, a_subscription(source), NOW)
    store.save_subscription(lease, saved, NOW)
    store.load_subscriptions()
    store.load_subscriptions(source.key)
    store.find_subscriptions("memory", ["s1", "s2"])
    store.delete_subscription(lease, saved.id or 0, NOW)
    bench.watch(source, due_at=NOW, check_at=NOW)
    store.call_for_checks([source.key, bench.source.key])
    store.save_watch(lease, source.key, Watch(), PushState.ACTIVE, NOW, answered=1)
    store.load_watches([source.key])
    store.load_due(NOW, "shape", NOW)
    store.save_notifications([a_notification(source, name) for name in ("m1", "m2", None)])
    store.load_notified(NOW)
    store.load_notified(NOW, "ana")
    store.load_notified_owners(NOW)
    store.settle_notifications(lease, store.claim_notifications(lease, source.key, NOW), NOW)
    store.load_notifications()
    store.load_notifications(source.key)
    store.save_notice(Notice(NoticeKind.SYNC_FAILED, "ana", NOW))
    [waiting] = store.load_notices("ana")
    store.put_off_notice(waiting.id, 1, NOW)
    store.delete_notices([waiting.id])
    store.load_notices()
    store.load_vitals()
    store.load_standings(limit=2)
    store.load_standings("ana", limit=1, offset=1)
    store.load_runs(since=NOW)
    store.load_runs(source.key, since=NOW)
    store.cleanup(NOW)
    store.delete_account(bench.account.key)
