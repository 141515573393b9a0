"""A SQL store in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from calsync_core.stores.sql import SQLStore


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/calsync.db?synchronous=off"


@pytest.fixture
def file_store(url: str) -> Iterator[SQLStore]:
    store = SQLStore(url)
    yield store
    store.close()
