"""What holds of accounts, calendars and rules."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from calsync_core.errors import InvalidValue, UnknownAccount, UnknownCalendar
from calsync_core.models import (
    Account,
    AccountStatus,
    BlockState,
    Calendar,
    CalendarRole,
    CalendarStatus,
    Debt,
    MirrorRule,
    ReadState,
)
from calsync_core.protocols import Store
from calsync_core.testing.store_contract.bench import (
    NOW,
    SHAPE,
    StoreBench,
    WithBench,
    a_block,
    a_sighting,
    an_event,
    an_item,
    an_operation,
)

__all__ = ["DirectoryContract"]

_NOWHERE = 987_654


class DirectoryContract(WithBench):
    """``DirectoryStore``."""

    def test_plays_every_role(self, store: Store) -> None:
        """The object has every method of the port."""
        assert isinstance(store, Store)

    def test_an_account_comes_back_as_it_was_saved(self, store: Store) -> None:
        """Every field, under the id it was given."""
        account = Account(
            owner="ána 🐦",
            provider="microsoft",
            name="work",
            email="ana@example.com",
            timezone="Europe/Berlin",
            base_url="http://127.0.0.1:8001/v1.0",
            subject="tenant/" + "7" * 300,
            status=AccountStatus.AUTH_EXPIRED,
        )
        saved = store.save_account(account)
        assert saved.id is not None
        assert saved == evolve(account, id=saved.id) == store.load_account(saved.id)
        changed = evolve(saved, status=AccountStatus.ACTIVE, email=None)
        assert store.save_account(changed) == changed == store.load_account(saved.id)

    def test_accounts_come_by_id_and_by_owner(self, bench: StoreBench) -> None:
        """Ascending ids; the owner's own only, exactly as it is spelt."""
        other = bench.store.save_account(Account("Ana", "memory", "ana-1"))
        more = bench.store.save_account(Account("ana", "memory", "ana-2"))
        assert bench.store.load_accounts() == [bench.account, other, more]
        assert bench.store.load_accounts("ana") == [bench.account, more]
        assert bench.store.load_accounts("nobody") == []

    def test_names_are_told_apart_exactly(self, store: Store) -> None:
        """By case, accent and trailing space, wherever one is looked for: a database's collation must not decide."""
        names = ["ana", "Ana", "ána", "a\u0301na", "ana ", " ana"]
        for name in names:
            store.save_account(Account(name, "memory", "same"))
            store.save_account(Account("bo", "memory", name))
            store.save_rules(name, [MirrorRule(title=name)])
            assert store.acquire_lease(name, "me", 60, NOW).token == 1
        assert [account.name for account in store.load_accounts("bo")] == names
        for name in names:
            assert [account.owner for account in store.load_accounts(name)] == [name]
            assert store.load_rules(name) == [MirrorRule(title=name)]
            store.reset_plan(name)
            assert store.load_plan_state(name).shape is None

    def test_an_account_name_is_unique_within_its_owner(self, bench: StoreBench) -> None:
        """Refused before anything is written; the same name is free for another owner."""
        with pytest.raises(InvalidValue, match=r"^name"):
            bench.store.save_account(Account("ana", "google", "ana-1"))
        second = bench.store.save_account(Account("ana", "google", "ana-2"))
        with pytest.raises(InvalidValue, match=r"^name"):
            bench.store.save_account(evolve(second, name="ana-1"))
        assert bench.store.load_accounts() == [bench.account, second]

    def test_unknown_accounts_are_said_to_be_unknown(self, bench: StoreBench) -> None:
        """By every method that needs one, except by forgetting it, which is done already."""
        with pytest.raises(UnknownAccount):
            bench.store.load_account(_NOWHERE)
        with pytest.raises(UnknownAccount):
            bench.store.save_account(evolve(bench.account, id=_NOWHERE))
        with pytest.raises(UnknownAccount):
            bench.store.save_calendar(Calendar(_NOWHERE, "ana", "x", "X"))
        bench.store.delete_account(_NOWHERE)

    def test_a_calendar_comes_back_as_it_was_saved(self, bench: StoreBench) -> None:
        """Every field, also with an id that no index could hold."""
        calendar = Calendar(
            account_id=bench.account.key,
            owner="ana",
            remote_id="https://dav.example.com/" + "x" * 1500,
            name="Família",
            role=CalendarRole.READER,
            timezone="Pacific/Auckland",
            primary=True,
            publish=True,
            receive=True,
            enabled=True,
            status=CalendarStatus.READ_ONLY,
        )
        saved = bench.store.save_calendar(calendar)
        assert saved.id is not None
        assert saved == evolve(calendar, id=saved.id) == bench.store.load_calendar(saved.id)
        changed = evolve(saved, enabled=False, name="Family")
        assert bench.store.save_calendar(changed) == changed == bench.store.load_calendar(saved.id)

    def test_calendars_come_by_id_by_owner_and_by_account(self, bench: StoreBench) -> None:
        """Disabled ones included."""
        second = bench.store.save_account(Account("ana", "memory", "ana-2"))
        more = bench.calendar("more", second, enabled=False)
        strange = bench.stranger()
        assert bench.store.load_calendars() == [bench.source, bench.target, more, strange]
        assert bench.store.load_calendars(owner="ana") == [bench.source, bench.target, more]
        assert bench.store.load_calendars(account_id=second.key) == [more]
        assert bench.store.load_calendars(owner="bo", account_id=second.key) == []

    def test_a_remote_calendar_is_saved_once_per_account(self, bench: StoreBench) -> None:
        """Refused before anything is written; another account may have the same one."""
        with pytest.raises(InvalidValue, match=r"^remote_id"):
            bench.calendar("work")
        with pytest.raises(InvalidValue, match=r"^remote_id"):
            bench.store.save_calendar(evolve(bench.target, remote_id="work"))
        second = bench.store.save_account(Account("ana", "memory", "ana-2"))
        assert bench.calendar("work", second).remote_id == "work"
        assert bench.store.load_calendar(bench.target.key) == bench.target

    def test_unknown_calendars_are_said_to_be_unknown(self, bench: StoreBench) -> None:
        """By every method that needs one; nothing is written."""
        store, lease = bench.store, bench.lease("calendar:x")
        lost = evolve(bench.source, id=_NOWHERE)
        calls: list[Any] = [
            lambda: store.load_calendar(_NOWHERE),
            lambda: store.save_calendar(evolve(lost, remote_id="else")),
            lambda: store.load_read_state(_NOWHERE),
            lambda: store.save_read_state(lease, _NOWHERE, ReadState(round=1), NOW),
            lambda: bench.save(lost, an_item()),
            lambda: store.load_items(_NOWHERE),
            lambda: store.load_unseen(_NOWHERE, 1, None),
            lambda: store.load_debts(_NOWHERE),
            lambda: store.claim_intents(lease, _NOWHERE, 1, NOW),
            lambda: store.record_outcomes(lease, _NOWHERE, [], NOW),
            lambda: store.save_blocks([a_block(bench.source, lost)]),
            lambda: bench.plan(records=(a_block(bench.source, lost),)),
            lambda: bench.plan(an_operation(a_block(bench.source, lost))),
        ]
        for call in calls:
            with pytest.raises(UnknownCalendar):
                call()
        assert store.load_blocks("ana") == []
        assert store.load_intents("ana") == []

    def test_rules_come_back_in_their_order(self, bench: StoreBench) -> None:
        """Replaced as a whole; an owner without rules has none."""
        rules = [
            MirrorRule(source=bench.source.key, title="🔒 {title}"),
            MirrorRule(all_day="skip", unanswered="none"),
            MirrorRule(target=bench.target.key, all_day="free"),
        ]
        bench.store.save_rules("ana", rules)
        assert bench.store.load_rules("ana") == rules
        assert bench.store.load_rules("bo") == []
        bench.store.save_rules("ana", rules[:0:-1])
        assert bench.store.load_rules("ana") == rules[:0:-1]
        bench.store.save_rules("ana", [])
        assert bench.store.load_rules("ana") == []

    @pytest.mark.parametrize(
        "change",
        [{"enabled": False}, {"publish": False}, {"receive": True}, {"timezone": "Asia/Tokyo"}],
        ids=lambda change: next(iter(change)),
    )
    def test_a_switch_makes_the_owner_due(self, bench: StoreBench, change: dict[str, Any]) -> None:
        """I-51: what alters what is wanted forgets the shape in the same transaction, and keeps the horizon."""
        bench.forget_what_is_unplanned()
        before = bench.store.load_plan_state("ana")
        assert before.shape == SHAPE
        bench.store.save_calendar(evolve(bench.source, **change))
        assert bench.store.load_plan_state("ana") == evolve(before, shape=None, resets=before.resets + 1)

    def test_a_calendar_that_changes_hands_makes_both_owners_due(self, bench: StoreBench) -> None:
        """I-51."""
        bench.forget_what_is_unplanned()
        bench.store.save_calendar(evolve(bench.source, owner="bo"))
        assert bench.store.load_plan_state("ana").shape is None
        assert bench.store.load_plan_state("bo").shape is None
        assert bench.store.load_calendars(owner="bo") == [evolve(bench.source, owner="bo")]

    def test_a_new_name_makes_nobody_due(self, bench: StoreBench) -> None:
        """Nothing that is wanted depends on it."""
        bench.forget_what_is_unplanned()
        bench.store.save_calendar(evolve(bench.source, name="Office", primary=True))
        assert bench.store.load_plan_state("ana").shape == SHAPE

    def test_a_new_calendar_and_new_rules_make_the_owner_due(self, bench: StoreBench) -> None:
        """I-51."""
        bench.forget_what_is_unplanned()
        bench.calendar("third", receive=True)
        assert bench.store.load_plan_state("ana").shape is None
        bench.forget_what_is_unplanned()
        bench.store.save_rules("ana", [MirrorRule(title="Away")])
        assert bench.store.load_plan_state("ana").shape is None

    def test_forgetting_an_account_forgets_all_that_is_on_its_calendars(self, bench: StoreBench) -> None:
        """Items, events, debts, journal lines, blocks and intents; the owner is due."""
        second = bench.store.save_account(Account("ana", "memory", "ana-2"))
        other = bench.calendar("other", second, receive=True, publish=True)
        here, there = a_block(bench.source, bench.target, "k1"), a_block(bench.source, other, "k2")
        back = a_block(other, bench.target, "k3", uid="uid-x", native_id="n-back")
        bench.read_completely(other, an_item("x"), a_sighting(there))
        bench.save(other, debts=(Debt("owed", "unreadable", NOW, NOW),))
        bench.forget_what_is_unplanned()
        blocks = (here, there, back)
        bench.plan(*map(an_operation, blocks), records=blocks)
        bench.save(other, an_item("late"))
        bench.save(bench.source, an_item("e1"))
        bench.store.delete_account(second.key)
        assert bench.store.load_accounts() == [bench.account]
        assert bench.store.load_calendars() == [bench.source, bench.target]
        assert bench.store.load_blocks("ana") == [here, back]
        assert [intent.operation.ref for intent in bench.store.load_intents("ana")] == [here.ref, back.ref]
        assert bench.unplanned().uids == {"uid-e1"}
        assert bench.store.load_events("ana", ["uid-x", "uid-late", "uid-e1"]) != []
        assert {found.calendar_id for found in bench.store.load_events("ana", ["uid-x", "uid-e1"])} == {
            bench.source.key
        }
        assert bench.store.load_sightings("ana") == []
        assert bench.store.load_plan_state("ana").shape is None
        with pytest.raises(UnknownCalendar):
            bench.store.load_debts(other.key)

    def test_an_id_is_never_given_twice(self, bench: StoreBench) -> None:
        """A block that remembers its forgotten source must not come to show another calendar."""
        second = bench.store.save_account(Account("ana", "memory", "ana-2"))
        other = bench.calendar("other", second)
        bench.store.delete_account(second.key)
        again = bench.store.save_account(Account("ana", "memory", "ana-2"))
        assert again.key > second.key
        assert bench.calendar("other", again).key > other.key

    def test_blocks_elsewhere_outlive_their_forgotten_source(self, bench: StoreBench) -> None:
        """They are taken back by the next plan; until then they are known."""
        second = bench.store.save_account(Account("ana", "memory", "ana-2"))
        other = bench.calendar("other", second, publish=True)
        block = a_block(other, bench.target, state=BlockState.LIVE)
        bench.store.save_blocks([block])
        bench.save(other, an_item("x", an_event("x")))
        bench.store.delete_account(second.key)
        assert bench.store.load_blocks("ana") == [block]
        assert bench.store.count_live([other.key], NOW - timedelta(days=900)) == {other.key: 1}
