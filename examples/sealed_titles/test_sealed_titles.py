"""The store's contract, kept: calsync's own tests, with every title sealed."""

from __future__ import annotations

import pytest
from calsync_sealed_titles import sealed

from calsync_core.credentials import new_key
from calsync_core.protocols import Store
from calsync_core.stores import MemoryStore
from calsync_core.testing.store_kit import StoreContract


class TestSealedTitles(StoreContract):
    """Everything that a store promises."""

    @pytest.fixture
    def store(self) -> Store:
        return sealed(MemoryStore(), new_key())
