"""The contract of events: they come through right."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from attrs import evolve

from calsync_core.models import (
    Availability,
    Event,
    Span,
    is_all_day,
    slot_of,
)
from calsync_core.testing.provider_contract.bench import (
    START,
    Bench,
    exceptions_of,
    meeting,
)
from calsync_core.testing.provider_contract.fixtures import (
    BERLIN,
    HOUR,
    Fixtures,
)

__all__ = ["EventsContract"]


class EventsContract(Fixtures):
    """Events come through right."""

    def test_plain_event(self, bench: Bench) -> None:
        """Time, title, UID; no mark."""
        bench.hands.put(meeting("a", title="Zahn; ärztin, 会議 \\ 🦷"))
        event = bench.read().events("a")[0]
        assert event.span.edges(UTC) == (START, START + HOUR)
        assert event.title == "Zahn; ärztin, 会議 \\ 🦷"
        assert (event.availability, event.mark, event.cancelled) == (Availability.BUSY, None, False)

    def test_availability_and_privacy(self, bench: Bench) -> None:
        """Free and private events say so."""
        bench.hands.put(evolve(meeting("free"), availability=Availability.FREE))
        bench.hands.put(evolve(meeting("private"), private=True))
        reading = bench.read()
        assert reading.events("free")[0].availability is Availability.FREE
        assert [event.private for uid in ("free", "private") for event in reading.events(uid)] == [False, True]

    def test_all_day_stays_a_date(self, bench: Bench) -> None:  # I-18
        """With an exclusive end, and across a change of the clocks."""
        span = Span(date(2026, 3, 29), date(2026, 3, 31))
        bench.hands.put(Event("d", "d", span, title="Fair"))
        event = bench.read().events("d")[0]
        assert event.span == span
        assert is_all_day(event.span.start)

    def test_series_with_exceptions(self, bench: Bench) -> None:  # I-19, I-21
        """A weekly meeting across the change of the clocks: one occurrence moved, one cancelled."""
        first = datetime(2026, 3, 16, 9, tzinfo=BERLIN)
        master = Event("s", "s", Span(first, first + HOUR), recurrence=("RRULE:FREQ=WEEKLY;COUNT=4",), title="Weekly")
        second, third, fourth = (first + timedelta(weeks=week) for week in (1, 2, 3))
        moved = evolve(
            master,
            id="s#2",
            series="s",
            original_start=second,
            recurrence=(),
            span=Span(second + 2 * HOUR, second + 3 * HOUR),
        )
        off = evolve(
            master,
            id="s#3",
            series="s",
            original_start=third,
            recurrence=(),
            span=Span(third, third + HOUR),
            cancelled=True,
        )
        bench.hands.put(master, moved, off)
        events = bench.read().events("s")
        exceptions = exceptions_of(events)
        if self.gives_masters:
            self._check_master([event for event in events if event.recurrence], first)
            assert exceptions[slot_of(second)].span.edges(UTC) == moved.span.edges(UTC)
            exdates = " ".join(line for event in events for line in event.recurrence if line.startswith("EXDATE"))
            assert exceptions[slot_of(third)].cancelled if slot_of(third) in exceptions else exdates
        else:
            starts = {event.span.edges(UTC)[0] for event in exceptions.values() if not event.cancelled}
            assert starts == {moment.astimezone(UTC) for moment in (first, second + 2 * HOUR, fourth)}

    @staticmethod
    def _check_master(masters: list[Event], first: datetime) -> None:
        assert len(masters) == 1
        start = masters[0].span.start
        assert isinstance(start, datetime)
        assert start == first
        assert start.tzinfo is not None
        summer = datetime(2026, 4, 6, 9)  # noqa: DTZ001  (asks the zone for the offset at a wall time)
        assert start.tzinfo.utcoffset(summer) == 2 * HOUR, "a series keeps the zone in which its rule is expanded"
        assert any(line.startswith("RRULE:") and "FREQ=WEEKLY" in line for line in masters[0].recurrence)

    def test_removed_series_is_gone(self, bench: Bench) -> None:  # I-22
        """A deleted master is named, whatever happens to its exceptions."""
        first = datetime(2026, 3, 16, 9, tzinfo=BERLIN)
        key = bench.hands.put(Event("s", "s", Span(first, first + HOUR), recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
        reading = bench.read()
        bench.hands.remove(key)
        assert bench.read(reading.cursor).tells_gone(key)
