"""What was refused is not asked again and again, and what was taken back is not made afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from calsync_core.errors import AuthExpired, LeaseBusy
from calsync_core.models import ChangePage, NoticeKind, Password
from calsync_core.protocols import ReadRequest, Session
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.testing.faults import Fault, FaultKind, FaultyProvider
from planted import PASSWORD
from world import World, at


def test_a_login_refused_while_being_checked_is_left_alone() -> None:  # I-35
    """The host gives a wrong password: told once, probed slowly, and well again with the right one."""
    world = World()
    world.sync()
    account = world.calendars["home"].account_id
    world.engine.attach(account, Password("ana-home", "wrong"))
    spent = []
    for _ in range(4):
        report = world.engine.sync_calendars_needing_polling()
        assert "AuthExpired" in {error.kind for error in report.errors}
        spent.append(report.api_calls)
        world.clock.advance(timedelta(minutes=1))
    assert spent[1:] == [2, 2, 2], "the two others are read, and the refused one is not asked"
    with pytest.raises(AuthExpired):
        world.engine.sync_from_webhook(world.id("home"))
    assert len(world.told(NoticeKind.REAUTHORIZATION_NEEDED)) == 1
    world.engine.attach(account, Password("ana-home", PASSWORD))
    assert world.sync().ok


def test_what_waits_to_be_made_is_not_made_after_a_purge() -> None:  # I-43
    service = MemoryService()
    faulty = FaultyProvider(MemoryProvider(service))
    world = World(("work", "home"), service=service, provider=faulty)
    world.book("work", "talk", at(3))
    faulty.schedule(Fault(FaultKind.PUT_OFF, on="apply", retry_after=30.0))
    assert world.engine.sync_calendars_needing_polling().busy_blocks_created == 0
    assert world.engine.purge("ana").ok
    assert world.store.load_intents("ana") == []
    before = list(service.writes)
    for _ in range(3):
        world.clock.advance(timedelta(minutes=2))
        world.engine.sync_calendars_needing_polling()
    assert service.writes == before
    for name in ("work", "home"):
        world.engine.enable(world.id(name))
    world.sync()
    assert world.starts("home") == [at(3)]
    world.check()


class Thorough(MemoryProvider):
    """One step of its listing takes many requests, and minutes."""

    one_worker_per_login = True
    world: World | None = None

    def fetch_changes(self, session: Session, request: ReadRequest) -> Iterator[ChangePage]:
        for _ in range(8):
            if self.world is not None:
                self.world.clock.advance(timedelta(seconds=20))
                session.meter.count()
        if self.world is not None:
            with pytest.raises(LeaseBusy):
                self.world.store.acquire_lease(
                    f"calendar:{request.calendar.key}", "another worker", 60, self.world.clock.now()
                )
        yield from super().fetch_changes(session, request)


def test_many_requests_in_one_step_keep_the_leases() -> None:  # I-33
    """A worker that waits for the calendar does not get it in the middle of another one's work."""
    service = MemoryService()
    provider = Thorough(service)
    world = World(("work", "home"), service=service, provider=provider)
    provider.world = world
    world.book("work", "talk", at(3))
    report = world.engine.sync_calendars_needing_polling()
    assert report.ok, report.errors
    assert report.busy_blocks_created == 1
