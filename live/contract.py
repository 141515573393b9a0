"""The provider contract on a real service."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import cast

import pytest

from calsync_core.models import Calendar
from calsync_core.protocols import Provider, Session
from calsync_core.testing.provider_kit import Bench, ProviderContract, RemoteHands
from live.bench import LiveBench
from live.scratch import Scratch
from live.service import LiveHands, LiveService

__all__ = ["LiveContract"]


class LiveContract(ProviderContract):
    """The whole contract. A calendar that is empty again serves the next test, where new ones are dear."""

    @pytest.fixture
    def provider(self, service: LiveService) -> Provider:
        """The adapter."""
        return service.provider

    @pytest.fixture
    def session(self, service: LiveService) -> Session:
        """The account's."""
        return service.session

    @pytest.fixture
    def wrong_session(self, service: LiveService) -> Session:
        """A login that is refused."""
        return service.wrong_session()

    @pytest.fixture
    def calendar(self, service: LiveService, scratch: Scratch, common_calendar: Calendar) -> Iterator[Calendar]:
        """Empty."""
        if not service.cheap_calendars:
            yield common_calendar
            return
        made = scratch.new()
        yield made
        service.drop_calendar(made.remote_id)

    @pytest.fixture
    def remote(self, service: LiveService, calendar: Calendar) -> Iterator[RemoteHands]:
        """The user's, who tidies up."""
        hands = service.hands(calendar)
        yield hands
        if not service.cheap_calendars:
            hands.clear()

    @pytest.fixture
    def vanished_calendar(self, gone_calendar: Calendar) -> Calendar:
        """One that was deleted: an id that was never a calendar's may be called malformed."""
        return gone_calendar

    @pytest.fixture
    def read_only_calendar(self, service: LiveService) -> Calendar:
        """The one that the environment names."""
        if service.setup.read_only is None:
            pytest.skip("the environment names no read-only calendar")
        return Calendar(1, "live", service.setup.read_only, "Read only", id=2)

    @pytest.fixture
    def bench(self, provider: Provider, session: Session, calendar: Calendar, remote: RemoteHands) -> Bench:
        """With block keys of this test's own."""
        return LiveBench(provider, session, calendar, cast("LiveHands", remote), salt=secrets.token_hex(4))
