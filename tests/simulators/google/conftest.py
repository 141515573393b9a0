"""A simulator with two users, and the promise that no answer of it is against the discovery document."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from calsync_core.testing import VirtualClock
from discovery import CheckedGoogle
from google_bench import ANN, BOB, Client


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def google(clock: VirtualClock) -> Iterator[CheckedGoogle]:
    made = CheckedGoogle(clock)
    made.add_user(ANN, timezone="Europe/Berlin")
    made.add_user(BOB, timezone="America/New_York")
    yield made
    assert made.problems == []


@pytest.fixture
def ann(google: CheckedGoogle) -> Client:
    return Client(google, ANN)


@pytest.fixture
def bob(google: CheckedGoogle) -> Client:
    return Client(google, BOB)
