"""Planning in pages under random histories: it decides what planning at once does, and keeps every promise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from machine import Histories
from paging import PLANNED, compared, in_pages


@pytest.fixture(scope="class")
def every_way() -> Iterator[None]:
    with compared():
        yield
    print(PLANNED)  # noqa: T201  (belongs to the output)


@pytest.fixture(scope="class")
def one_at_a_time() -> Iterator[None]:
    with in_pages(1):
        yield


class Compared(Histories):
    """Every plan that a sync makes is made in pages, too."""


class Paged(Histories):
    """Other workers, people and hosts go on between two pages."""


TestInEveryWayOverMemory = pytest.mark.usefixtures("every_way")(Compared.TestCase)
TestInEveryWayOverMemory.settings = settings(stateful_step_count=30)

TestInPagesOverMemory = pytest.mark.usefixtures("one_at_a_time")(Paged.TestCase)
TestInPagesOverMemory.settings = settings(stateful_step_count=30)
