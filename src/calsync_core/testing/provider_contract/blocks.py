"""The contract of blocks: written, read back, rewritten, taken back, tampered with."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

import pytest
from attrs import evolve

from calsync_core.errors import ReadOnly
from calsync_core.models import (
    Availability,
    BlockContent,
    Calendar,
    Mark,
    OperationKind,
    OutcomeStatus,
    Sighting,
    Span,
)
from calsync_core.testing.provider_contract.bench import (
    START,
    TAG,
    Bench,
    BlockHands,
    meeting,
)
from calsync_core.testing.provider_contract.fixtures import (
    BUSY,
    CONTENTS,
    DAY,
    HOUR,
    KEY,
    LATER,
    OTHER_KEY,
    Fixtures,
)

__all__ = ["BlocksContract", "TamperingContract"]


class BlocksContract(Fixtures):
    """Our own blocks: written, read back, rewritten, taken back."""

    def test_it_can_be_written(self, bench: Bench) -> None:
        """The port's methods and attributes are there."""
        assert bench.writer.batch_size >= 1

    @pytest.mark.parametrize("name", CONTENTS)
    def test_round_trip(self, bench: Bench, name: str) -> None:  # I-18
        """What is written is read back, and what the answer to the write says is what is read."""
        wanted = CONTENTS[name]
        if wanted.show_as is Availability.TENTATIVE and not bench.writer.shows_tentative:
            pytest.skip("this service can't show a block as tentative")
        outcome = bench.create(KEY, wanted)
        assert outcome.status is OutcomeStatus.DONE
        item = bench.block(KEY)
        content = _content(bench)
        assert content == evolve(wanted, title=self.stored_title(wanted.title))
        assert outcome.seen in {None, content}
        assert outcome.etag in {None, item.etag}

    def test_mark_and_tag_round_trip(self, bench: Bench) -> None:  # I-15
        """A block is known by its id, and carries its private tag."""
        bench.create(KEY, BUSY)
        (event,) = bench.block(KEY).events
        assert event.mark == Mark(KEY, 0, TAG)
        assert not event.adorned
        assert [event.mark for item in bench.read().items for event in item.events] == [Mark(KEY, 0, TAG)]

    def test_update_and_delete(self, bench: Bench) -> None:
        """In place: the same id all the time, each change seen by the next read."""
        bench.create(KEY, BUSY)
        cursor = bench.read().cursor
        assert bench.update(KEY, evolve(LATER, title="Away"), bench.block(KEY).etag).status is OutcomeStatus.DONE
        assert _content(bench).span == LATER.span
        changed = bench.read(cursor)
        assert changed.keys() == {bench.standing(KEY)}
        assert bench.delete(KEY, LATER, bench.block(KEY).etag).status is OutcomeStatus.DONE
        assert bench.read(changed.cursor).removed == (bench.standing(KEY),)
        assert bench.hands.list_raw() == {}

    def test_all_day_becomes_timed_and_back(self, bench: Bench) -> None:  # I-18
        """An update leaves nothing of the other kind behind."""
        bench.create(KEY, BUSY)
        for content in (CONTENTS["all-day"], LATER):
            assert bench.update(KEY, content, bench.block(KEY).etag).status is OutcomeStatus.DONE
            assert _content(bench).span == content.span

    def test_replayed_create_makes_no_second(self, bench: Bench) -> None:  # I-04, I-06
        """Taken if nothing is in doubt; done if the answer to the first was lost.

        A service may also answer a replay as it answered the first: then nobody can tell, and nothing is doubled.
        """
        assert bench.create(KEY, BUSY).status is OutcomeStatus.DONE
        assert bench.create(KEY, BUSY).status in self.replayed
        replayed = bench.create(KEY, BUSY, in_doubt=True)
        assert replayed.status is OutcomeStatus.DONE
        assert replayed.etag in {None, bench.block(KEY).etag}
        assert set(bench.hands.list_raw()) == {bench.standing(KEY)}

    def test_create_never_overwrites(self, bench: Bench) -> None:
        """Another body under an id in use leaves what is there."""
        bench.create(KEY, BUSY)
        before = bench.block(KEY)
        assert bench.create(KEY, LATER).status is OutcomeStatus.TAKEN
        assert bench.block(KEY) == before

    def test_create_in_doubt_that_never_happened(self, bench: Bench) -> None:  # I-05
        """It is made."""
        assert bench.create(KEY, BUSY, in_doubt=True).status is OutcomeStatus.DONE
        assert _content(bench) == BUSY

    def test_stale_etag_changes_nothing(self, bench: Bench) -> None:
        """Somebody wrote first: neither update nor delete touches it."""
        bench.create(KEY, BUSY)
        stale = bench.block(KEY).etag
        if stale is None:
            pytest.skip("this service has no etags")
        bench.update(KEY, LATER, stale)
        before = bench.block(KEY)
        assert bench.update(KEY, BUSY, stale).status is OutcomeStatus.CHANGED
        assert bench.delete(KEY, BUSY, stale).status is OutcomeStatus.CHANGED
        assert bench.block(KEY) == before

    def test_without_an_etag_it_is_read_first(self, bench: Bench) -> None:
        """An update and a delete without a known etag work."""
        bench.create(KEY, BUSY)
        assert bench.update(KEY, LATER, None).status is OutcomeStatus.DONE
        assert _content(bench) == LATER
        assert bench.delete(KEY, LATER, None).status is OutcomeStatus.DONE
        assert bench.lookup(bench.standing(KEY)).gone

    def test_update_in_doubt(self, bench: Bench) -> None:  # I-05
        """One that happened is found; one that did not is sent; neither trips over its old etag."""
        bench.create(KEY, BUSY)
        etag = bench.block(KEY).etag
        assert bench.update(KEY, LATER, etag, in_doubt=True).status is OutcomeStatus.DONE
        before = bench.block(KEY)
        assert bench.update(KEY, LATER, etag, in_doubt=True).status is OutcomeStatus.DONE
        assert bench.block(KEY) == before

    def test_a_block_known_by_its_name_alone(self, bench: Bench) -> None:  # I-05
        """The answer to its create was lost: it is found, rewritten and taken back all the same."""
        bench.create(KEY, BUSY)
        name, stands = bench.native_id(KEY), bench.standing(KEY)
        found = bench.lookup(name)
        assert [item.key for item in found.items] == [stands]
        update, delete = (
            evolve(intent, operation=evolve(intent.operation, native_id=name))
            for intent in (
                bench.intent(OperationKind.UPDATE, KEY, LATER),
                bench.intent(OperationKind.DELETE, KEY, LATER),
            )
        )
        assert bench.apply(update)[0].status is OutcomeStatus.DONE
        assert bench.block(KEY).key == stands
        assert _content(bench) == LATER
        assert bench.apply(delete)[0].status is OutcomeStatus.DONE
        assert bench.hands.list_raw() == {}

    def test_deleting_what_is_gone_is_done(self, bench: Bench) -> None:  # I-41
        """Twice, in doubt, or never there."""
        bench.create(KEY, BUSY)
        etag = bench.block(KEY).etag
        for in_doubt in (False, False, True):
            assert bench.delete(KEY, BUSY, etag, in_doubt=in_doubt).status is OutcomeStatus.DONE
        assert bench.delete(OTHER_KEY, BUSY, None).status is OutcomeStatus.DONE
        assert bench.hands.list_raw() == {}

    def test_update_of_what_is_gone_is_missing(self, bench: Bench) -> None:  # I-41, I-47
        """It is not made anew behind the planner's back."""
        bench.create(KEY, BUSY)
        etag = bench.block(KEY).etag
        bench.hands.remove(bench.standing(KEY))
        # Where a deleted item keeps its id, a stale etag is what such a write trips over; either is read by id then.
        assert bench.update(KEY, LATER, etag).status in {OutcomeStatus.MISSING, OutcomeStatus.CHANGED}
        assert bench.update(KEY, LATER, etag, in_doubt=True).status is OutcomeStatus.MISSING
        assert bench.update(KEY, LATER, None).status is OutcomeStatus.MISSING
        assert bench.hands.list_raw() == {}

    def test_a_whole_batch(self, bench: Bench) -> None:  # I-37
        """Each intent has its own outcome; one that fails stops none."""
        bench.create(KEY, BUSY)
        free = [f"{number:032d}" for number in range(min(bench.writer.batch_size, 8) - 1)]
        intents = [bench.intent(OperationKind.CREATE, key, BUSY) for key in ([*free[:2], KEY, *free[2:]])]
        statuses = [outcome.status for outcome in bench.apply(*intents)]
        assert statuses.pop(2) in self.replayed
        assert statuses == [OutcomeStatus.DONE] * len(free)
        assert len(bench.hands.list_raw()) == len(free) + 1

    def test_no_people_and_no_reminders(self, bench: Bench) -> None:  # I-40
        """The raw text of a block names nobody and rings nowhere."""
        bench.create(KEY, BUSY)
        raw = bench.hands.list_raw()[bench.standing(KEY)].lower()
        assert [word for word in self.forbidden_words if word in raw] == []

    def test_find_blocks(self, bench: Bench) -> None:  # I-43
        """All of them, past ones too, and nothing else."""
        past = evolve(BUSY, span=Span(START - 400 * DAY, START - 400 * DAY + HOUR))
        bench.create(KEY, BUSY)
        bench.create(OTHER_KEY, past)
        bench.hands.put(meeting("a", title="🔒 Busy"))
        found = {item.key for item in bench.writer.find_blocks(bench.session, bench.calendar)}
        assert found == {bench.standing(KEY), bench.standing(OTHER_KEY)}

    def test_the_user_s_events_are_left_alone(self, bench: Bench) -> None:  # I-02
        """Writing and taking back a block changes no other item."""
        bench.hands.put(meeting("a", title="🔒 Locksmith"))
        before = dict(bench.hands.list_raw())
        bench.create(KEY, BUSY)
        bench.update(KEY, LATER, None)
        bench.delete(KEY, LATER, None)
        assert dict(bench.hands.list_raw()) == before

    def test_native_ids_are_pure_and_injective(self, bench: Bench) -> None:  # I-06
        """The same name always gives the same id, another name another."""
        names = [
            (key, generation) for key in (KEY, OTHER_KEY, "1" * 32, "1" * 31 + "0") for generation in (0, 1, 11, 111)
        ]
        ids = [bench.native_id(*name) for name in names]
        assert len(set(ids)) == len(names)
        assert ids == [bench.native_id(*name) for name in names]

    def test_read_only_calendar(self, bench: Bench, read_only_calendar: Calendar) -> None:  # I-42
        """Says so, and can still be read."""
        target = evolve(bench, calendar=read_only_calendar)
        with pytest.raises(ReadOnly):
            target.create(KEY, BUSY)
        assert target.read().snapshot


class TamperingContract(Fixtures):
    """What people and their apps do to blocks."""

    @pytest.fixture
    def tampering(self, bench: Bench) -> BlockHands:
        """The hands, if they can."""
        if not isinstance(bench.hands, BlockHands):
            pytest.skip("the hands can't tamper with blocks")
        bench.create(KEY, BUSY)
        return bench.hands

    def test_stripped_tag_leaves_a_block(self, bench: Bench, tampering: BlockHands) -> None:  # I-15
        """The id alone says what it is."""
        tampering.strip_tag(bench.standing(KEY))
        assert bench.block(KEY).events[0].mark == Mark(KEY, 0, None)

    def test_tagged_copy_is_an_ordinary_event(self, bench: Bench, tampering: BlockHands) -> None:  # I-45
        """Under another id it is the user's."""
        copy = tampering.copy_block(bench.standing(KEY))
        assert [event.mark for event in bench.lookup(copy).items[0].events] == [None]
        assert {item.key for item in bench.writer.find_blocks(bench.session, bench.calendar)} == {bench.standing(KEY)}

    def test_invited_people_adorn_a_block(self, bench: Bench, tampering: BlockHands) -> None:  # I-45
        """It says so, and what we knew of it no longer lets us write it."""
        etag = bench.block(KEY).etag
        tampering.invite(bench.standing(KEY), "bo@example.com")
        assert bench.block(KEY).events[0].adorned
        assert bench.update(KEY, LATER, etag).status is OutcomeStatus.CHANGED


def _content(bench: Bench) -> BlockContent:
    item = bench.block(KEY)
    return Sighting(0, item.events[0], item.etag).content
