"""The store in memory keeps the contract of every store, and can be put back to what it was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from calsync_core.errors import LeaseLost
from calsync_core.models import Notice, NoticeKind
from calsync_core.protocols import Store
from calsync_core.stores import MemoryStore
from calsync_core.testing.store_kit import (
    NOW,
    StoreBench,
    StoreContract,
    a_block,
    a_notification,
    a_subscription,
    an_item,
    an_operation,
)


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


def test_a_restored_store_is_as_it_was() -> None:  # I-49
    store = MemoryStore()
    bench = StoreBench(store)
    block = a_block(bench.source, bench.target)
    bench.save(bench.source, an_item("e1"))
    bench.plan(an_operation(block), records=(block,), upto=0)
    lease = bench.lease_of(bench.target)
    bench.watch(bench.source)
    subscription = store.save_subscription(lease, a_subscription(bench.source), NOW)
    store.save_notifications([a_notification(bench.source)])
    store.save_notice(Notice(NoticeKind.SYNC_FAILED, "ana", NOW))
    backup = store.snapshot()
    before = _everything(bench)
    for _ in range(2):
        assert [intent.attempts for intent in bench.claim()] == [1]
        bench.watch(bench.source, failures=1)
        bench.watch(bench.target)
        store.save_subscription(lease, evolve(subscription, confirmed=True), NOW)
        store.save_notifications([a_notification(bench.source, "m2", received_at=NOW + timedelta(hours=1))])
        store.claim_notifications(lease, bench.source.key, NOW)
        store.delete_notices([notice.id for notice in store.load_notices()])
        bench.save(bench.source, an_item("e2"), removed=("e1",))
        store.release_lease(lease)
        store.delete_account(bench.account.key)
        assert _everything(bench) != before
        store.restore(backup)
        assert _everything(bench) == before
        assert store.renew_lease(lease, 60, NOW).token == lease.token
        assert store.save_notifications([a_notification(bench.source)]) == 0  # I-28


def test_a_lost_store_knows_no_lease() -> None:  # I-49
    store, empty = MemoryStore(), MemoryStore().snapshot()
    lease = store.acquire_lease("x", "me", 60, NOW)
    store.restore(empty)
    with pytest.raises(LeaseLost):
        store.renew_lease(lease, 60, NOW)


def test_only_a_snapshot_can_be_restored() -> None:
    with pytest.raises(TypeError, match="backup"):
        MemoryStore().restore({})


def test_it_shows_nothing_of_what_it_holds() -> None:  # I-39
    bench = StoreBench(MemoryStore())
    bench.save(bench.source, an_item("e1"))
    lease = bench.lease_of(bench.source)
    saved = bench.store.save_subscription(lease, a_subscription(bench.source, secret_hash="5ec2e7"), NOW)
    assert "5ec2e7" not in repr(saved)
    assert repr(bench.store) == "MemoryStore(2 calendars)"


def _everything(bench: StoreBench) -> list[object]:
    store = bench.store
    return [
        store.load_accounts(),
        store.load_calendars(),
        store.load_events("ana", ["uid-e1", "uid-e2"]),
        store.load_blocks("ana"),
        store.load_intents("ana"),
        store.load_unplanned("ana"),
        store.load_plan_state("ana"),
        store.load_subscriptions(),
        store.load_watches([bench.source.key, bench.target.key]),
        store.load_notifications(),
        store.load_notices(),
        store.load_vitals(),
    ]
