"""What holds of several calls as one."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from calsync_core.errors import LeaseBusy, UnknownAccount
from calsync_core.models import Account, Lease
from calsync_core.protocols import Store
from calsync_core.testing.store_contract.bench import NOW, StoreBench, WithBench, an_item

__all__ = ["TogetherContract"]

_WORKERS = 4


class TogetherContract(WithBench):
    """``TransactionStore``."""

    def test_what_is_done_together_is_done(self, store: Store) -> None:
        """And its answer is given."""

        def both() -> list[Account]:
            return [store.save_account(Account("ana", "memory", name)) for name in ("one", "two")]

        saved = store.together(both)
        assert store.load_accounts() == saved

    def test_what_is_loaded_together_is_what_there_is(self, bench: StoreBench) -> None:
        """Also where one is a part of another one."""
        store = bench.store

        def look() -> object:
            return store.load_accounts(), store.together(store.load_calendars, writes=False)

        assert store.together(look, writes=False) == ([bench.account], [bench.source, bench.target])

    def test_a_lease_fences_what_is_stored_in_the_same_breath(self, bench: StoreBench) -> None:
        """Taken, used and given back at once."""
        store = bench.store

        def at_once() -> Lease:
            lease = store.acquire_lease("calendar:x", "me", 60, NOW)
            bench.store.save_read_state(lease, bench.source.key, store.load_read_state(bench.source.key), NOW)
            store.release_lease(lease)
            return lease

        assert store.together(at_once).token == 1
        assert store.acquire_lease("calendar:x", "you", 60, NOW).token == 2

    def test_what_it_raises_is_raised(self, bench: StoreBench) -> None:
        """And the store is as good as before."""
        bench.lease("x")

        def busy() -> None:
            bench.store.acquire_lease("x", "you", 60, NOW)

        def unknown() -> None:
            bench.store.load_account(987_654)

        with pytest.raises(LeaseBusy):
            bench.store.together(busy)
        with pytest.raises(UnknownAccount):
            bench.store.together(unknown, writes=False)
        bench.save(bench.source, an_item("e1"))
        assert list(bench.store.load_items(bench.source.key)) == ["e1"]

    def test_threads_have_their_own(self, store: Store) -> None:
        """What one does is no part of what another one does at the time."""
        barrier = Barrier(_WORKERS)

        def work(number: int) -> int:
            barrier.wait()

            def two() -> int:
                return sum(store.acquire_lease(f"{number} {part}", "me", 60, NOW).token for part in range(2))

            return store.together(two)

        with ThreadPoolExecutor(_WORKERS) as pool:
            assert list(pool.map(work, range(_WORKERS))) == [2] * _WORKERS
