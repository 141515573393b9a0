"""What holds of sealed logins."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import timedelta

import pytest

from calsync_core.errors import LeaseLost, UnknownAccount
from calsync_core.models import Account, Lease
from calsync_core.protocols import Store
from calsync_core.testing.store_contract.bench import NOW, StoreBench, WithBench

__all__ = ["CredentialsContract"]

_NOWHERE = 987_654
_LATER = NOW + timedelta(hours=2)


class CredentialsContract(WithBench):
    """``CredentialStore``."""

    def test_a_credential_comes_back_as_it_was_saved(self, bench: StoreBench) -> None:
        """Whatever text it is, and however long; then replaced."""
        account_id = bench.account.key
        lease = bench.lease(f"credential:{account_id}")
        assert bench.store.load_credential(account_id) is None
        for sealed in ("gAAAAA==", "x" * 70_000, "ünïcode 🔒"):
            bench.store.save_credential(lease, account_id, sealed, NOW)
            assert bench.store.load_credential(account_id) == sealed
        assert bench.store.load_credentials() == {account_id: "ünïcode 🔒"}

    def test_each_account_has_its_own(self, bench: StoreBench) -> None:
        """By ascending account; one that has none is not named."""
        others = [bench.store.save_account(Account("ana", "memory", f"more-{n}")) for n in range(2)]
        for account in (others[1], bench.account):
            lease = bench.lease(f"credential:{account.key}")
            bench.store.save_credential(lease, account.key, f"sealed-{account.key}", NOW)
        ids = [bench.account.key, others[1].key]
        assert list(bench.store.load_credentials().items()) == [(key, f"sealed-{key}") for key in ids]
        assert bench.store.load_credential(others[0].key) is None

    def test_a_deleted_credential_is_gone(self, bench: StoreBench) -> None:
        """Deleting it again is no error."""
        account_id = bench.account.key
        lease = bench.lease(f"credential:{account_id}")
        bench.store.save_credential(lease, account_id, "sealed", NOW)
        for _ in range(2):
            bench.store.delete_credential(lease, account_id, NOW)
            assert bench.store.load_credential(account_id) is None
        assert bench.store.load_credentials() == {}

    def test_a_forgotten_account_leaves_no_credential(self, bench: StoreBench) -> None:
        """I-39: nothing of a login outlives its account; and none comes to an account that is not there."""
        account_id = bench.account.key
        lease = bench.lease(f"credential:{account_id}")
        bench.store.save_credential(lease, account_id, "sealed", NOW)
        bench.store.delete_account(account_id)
        assert bench.store.load_credential(account_id) is None
        assert bench.store.load_credentials() == {}
        for unknown in (account_id, _NOWHERE):
            with pytest.raises(UnknownAccount):
                bench.store.save_credential(lease, unknown, "sealed", NOW)
        assert bench.store.load_credentials() == {}

    def test_who_lost_the_lease_changes_nothing(self, bench: StoreBench) -> None:
        """I-36: what another worker renewed is not overwritten by an older login."""
        account_id = bench.account.key
        name = f"credential:{account_id}"
        old = bench.store.acquire_lease(name, "me", 60, NOW)
        bench.store.save_credential(old, account_id, "first", NOW)
        new = bench.store.acquire_lease(name, "you", 60, _LATER)
        bench.store.save_credential(new, account_id, "second", _LATER)
        for lost in (old, Lease(name, "me", 99, _LATER)):
            with pytest.raises(LeaseLost):
                bench.store.save_credential(lost, account_id, "third", _LATER)
            with pytest.raises(LeaseLost):
                bench.store.delete_credential(lost, account_id, _LATER)
        with pytest.raises(LeaseLost):
            bench.store.save_credential(new, account_id, "too late", new.expires_at)
        assert bench.store.load_credential(account_id) == "second"

    def test_a_credential_says_nothing_in_a_repr(self, bench: StoreBench, store: Store) -> None:
        """I-39: not even sealed."""
        lease = bench.lease(f"credential:{bench.account.key}")
        store.save_credential(lease, bench.account.key, "gAAAAAsealed", NOW)
        assert "gAAAAAsealed" not in repr(store)
