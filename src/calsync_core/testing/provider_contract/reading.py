"""The contract of logins, listings and cursors."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

import pytest
from attrs import evolve

from calsync_core.errors import AuthExpired, CursorExpired, NotFound
from calsync_core.models import (
    Calendar,
    Cursor,
    KnownItem,
)
from calsync_core.protocols import PublishingProvider, Session
from calsync_core.testing.provider_contract.bench import (
    START,
    Bench,
    CorruptingHands,
    meeting,
)
from calsync_core.testing.provider_contract.fixtures import (
    BUSY,
    HOUR,
    KEY,
    Fixtures,
)

__all__ = ["LoginsContract", "ReadingContract"]


def _requests(bench: Bench, action: Callable[[], object]) -> int:
    before = bench.session.meter.sent
    action()
    return bench.session.meter.sent - before


def _questions(bench: Bench) -> list[Callable[[], object]]:
    """Everything that can be asked of a calendar."""
    reads: list[Callable[[], object]] = [bench.read, lambda: bench.lookup(bench.absent(1))]
    if bench.publishes_only:
        return reads
    find_blocks = bench.writer.find_blocks
    return [*reads, lambda: list(find_blocks(bench.session, bench.calendar)), lambda: bench.create(KEY, BUSY)]


class LoginsContract(Fixtures):
    """Who is this, and what may it see?"""

    def test_it_can_be_read(self, provider: PublishingProvider) -> None:
        """The port's methods are there."""
        assert isinstance(provider, PublishingProvider)

    def test_identity_is_stable(self, bench: Bench) -> None:  # I-46
        """The same login is the same subject, and asking costs a counted request."""
        who = bench.provider.identify(bench.session)
        assert who.subject
        assert bench.provider.identify(bench.session).subject == who.subject
        assert bench.session.meter.sent > 0

    def test_wrong_login_is_auth_expired_everywhere(self, bench: Bench, wrong_session: Session) -> None:  # I-35
        """No method takes a refused login for an empty calendar."""
        wrong = evolve(bench, session=wrong_session)
        for ask in (
            lambda: bench.provider.identify(wrong_session),
            lambda: bench.provider.list_calendars(wrong_session),
            *_questions(wrong),
        ):
            with pytest.raises(AuthExpired):
                ask()
        assert bench.hands.list_raw() == {}

    def test_the_calendar_is_listed_once(self, bench: Bench) -> None:
        """Under the id by which it is used, and as writable if it is."""
        listed = [one.remote_id for one in bench.provider.list_calendars(bench.session)]
        assert len(listed) == len(set(listed))
        mine = [
            one for one in bench.provider.list_calendars(bench.session) if one.remote_id == bench.calendar.remote_id
        ]
        assert [one.role.writable for one in mine] == [not bench.publishes_only]


class ReadingContract(Fixtures):
    """Snapshots, changes, cursors."""

    def test_snapshot_of_an_empty_calendar(self, bench: Bench) -> None:  # I-11
        """One page, no items, a cursor."""
        reading = bench.read()
        assert reading.quiet
        assert reading.snapshot

    def test_nothing_new_costs_one_request(self, bench: Bench) -> None:
        """A poll that finds nothing says so at the least price."""
        bench.hands.put(meeting("a"))
        reading = bench.read()
        assert reading.events("a")
        again = []
        assert _requests(bench, lambda: again.append(bench.read(reading.cursor))) == 1
        assert again[0].quiet

    def test_changes_are_seen_once(self, bench: Bench) -> None:  # I-11
        """What is added, edited and removed is in the next read, and not in the one after it."""
        first, second = bench.hands.put(meeting("a")), bench.hands.put(meeting("b"))
        reading = bench.read()
        assert reading.keys() == {first, second}
        third = bench.hands.put(meeting("c"))
        bench.hands.put(meeting("a", START + HOUR))
        bench.hands.remove(second)
        changes = bench.read(reading.cursor)
        assert changes.keys() == {first, third}
        assert changes.tells_gone(second)
        assert not changes.tells_gone(first)
        assert changes.events("a")[0].span.edges(UTC)[0] == START + HOUR
        assert bench.read(changes.cursor).quiet

    def test_a_change_after_a_snapshot_has_another_etag(self, bench: Bench) -> None:
        """Otherwise a known etag would hide it."""
        key = bench.hands.put(meeting("a"))
        before = bench.read()
        bench.hands.put(meeting("a", START + HOUR))
        after = bench.read(before.cursor)
        assert bench.etags(before)[key] != bench.etags(after)[key]

    def test_known_items_are_not_fetched(self, bench: Bench) -> None:
        """A snapshot names them as present, and only what is new or changed comes whole."""
        if not self.uses_known:
            pytest.skip("this service's listing carries the items anyway")
        keys = {bench.hands.put(meeting(f"event-{number}")) for number in range(3)}
        etags = bench.etags(bench.read())
        bench.hands.put(meeting("event-0", START + HOUR))
        again = bench.read(known=lambda _: {key: KnownItem(key, etag) for key, etag in etags.items()})
        assert again.snapshot
        assert len(again.items) == 1
        assert again.keys() | set(again.present) == keys
        assert again.events("event-0")[0].span.edges(UTC)[0] == START + HOUR

    def test_cursor_of_another_shape_is_expired(self, bench: Bench) -> None:  # I-12
        """A cursor belongs to the request that made it."""
        cursor = bench.read().cursor
        with pytest.raises(CursorExpired):
            bench.read(evolve(cursor, shape=f"{cursor.shape} of another make"))

    def test_garbage_cursor_is_expired(self, bench: Bench) -> None:  # I-10
        """And nothing is taken for gone."""
        shape = bench.read().cursor.shape
        with pytest.raises(CursorExpired):
            bench.read(Cursor("http://garbage.invalid/no-such-cursor", shape))

    def test_unreadable_item_counts_as_present(self, bench: Bench) -> None:  # I-07
        """It is named, the rest comes through, and by id it is not gone."""
        if not isinstance(bench.hands, CorruptingHands):
            pytest.skip("the hands can't put an unreadable item")
        bad, good = bench.hands.put_unreadable(), bench.hands.put(meeting("good"))
        reading = bench.read()
        assert reading.keys() == {good}
        assert [one.key for one in reading.unreadable] == [bad]
        assert [one.key for one in bench.lookup(bad, good).unreadable] == [bad]

    def test_read_by_id(self, bench: Bench) -> None:  # I-41
        """Found, gone, asked for twice, and more keys than fit one request."""
        key, lost = bench.hands.put(meeting("a")), bench.hands.put(meeting("b"))
        bench.hands.remove(lost)
        found = bench.lookup(key, lost, key)
        assert [item.key for item in found.items] == [key]
        assert found.gone == (lost,)
        absent = [bench.absent(number) for number in range(120)]
        many = bench.lookup(key, *absent)
        assert [item.key for item in many.items] == [key]
        assert set(many.gone) == set(absent)
        assert bench.lookup().items == ()

    def test_listing_and_lookup_agree(self, bench: Bench) -> None:
        """An item is the same whichever way it is read, etag included."""
        bench.hands.put(meeting("a"))
        if not bench.publishes_only:
            bench.create(KEY, BUSY)
        listed = {item.key: item for item in bench.read().items}
        assert {item.key: item for item in bench.lookup(*listed).items} == listed

    def test_vanished_calendar_is_not_found(self, bench: Bench, vanished_calendar: Calendar) -> None:  # I-42
        """Never an empty one."""
        gone = evolve(bench, calendar=vanished_calendar)
        for ask in _questions(gone):
            with pytest.raises(NotFound):
                ask()
