"""How a store tells how its calendars are."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from datetime import timedelta

from attrs import evolve

from calsync_core.models import (
    Account,
    AccountStatus,
    BlockState,
    Calendar,
    CalendarStatus,
    Debt,
    Mode,
    PushState,
    ReadState,
    Standing,
)
from calsync_core.protocols import Store
from calsync_core.testing.store_contract.bench import (
    NOW,
    StoreBench,
    WithBench,
    a_block,
    a_notification,
    an_item,
)

__all__ = ["StandingsContract"]

_MINUTE = timedelta(minutes=1)


def _order(bench: StoreBench) -> list[Calendar]:
    return [standing.calendar for standing in bench.store.load_standings()]


class StandingsContract(WithBench):
    """``RunStore.load_standings``."""

    def test_an_empty_store_has_none(self, store: Store) -> None:
        """Whatever is asked for."""
        assert store.load_standings() == store.load_standings("ana", limit=5, offset=2) == []

    def test_enabled_calendars_stand_with_all_that_is_known(self, bench: StoreBench) -> None:
        """As each is loaded by itself; a calendar of which nothing is known is there as well."""
        store, source, target = bench.store, bench.source, bench.target
        bench.calendar("off", enabled=False)
        strange = bench.stranger()
        bench.read_completely(source, an_item())
        bench.save(source, debts=(Debt("d", "unreadable", NOW, NOW), Debt("e", "missing", NOW, NOW)))
        bench.watch(source, interval=60.0, due_at=NOW, check_at=NOW)
        store.save_notifications([a_notification(source, received_at=NOW + _MINUTE)])
        store.call_for_checks([source.key])
        store.save_mode("bo", Mode.OBSERVE)
        states = [BlockState.LIVE, BlockState.LIVE, BlockState.DELETED]
        blocks = [a_block(source, target, f"k{number}", state=state) for number, state in enumerate(states)]
        store.save_blocks([*blocks, a_block(target, strange, "k9", state=BlockState.LIVE, owner="bo")])
        assert bench.store.load_standings() == [
            Standing(bench.account, source, store.load_read_state(source.key), bench.watched(source), debts=2),
            Standing(bench.account, target, blocks=2),
            Standing(store.load_account(strange.account_id), strange, blocks=1, mode=Mode.OBSERVE),
        ]
        assert [each.calendar for each in store.load_standings("bo")] == [strange]
        assert store.load_standings("nobody") == []

    def test_those_in_trouble_come_first(self, bench: StoreBench) -> None:
        """Whatever it is that keeps them from working; a pause that the host ordered is none."""
        store = bench.store
        well = [bench.source, bench.target]
        odd = bench.calendar('x","status":"vanished"')
        names = ("failing", "read-only", "vanished", "silent", "given-up", "unasked", "new")
        failing, read_only, vanished, silent, given_up, unasked, new = map(bench.calendar, names)
        paused = store.save_account(Account("ana", "memory", "paused", status=AccountStatus.PAUSED))
        refused = store.save_account(Account("ana", "memory", "refused", status=AccountStatus.AUTH_EXPIRED))
        resting, shut = bench.calendar("resting", paused), bench.calendar("shut", refused)
        store.save_read_state(bench.lease_of(failing), failing.key, ReadState(failures=1), NOW)
        bench.watch(silent, PushState.FAILING)
        bench.watch(given_up, PushState.SUSPENDED)
        bench.watch(unasked, PushState.UNSUPPORTED)
        read_only = store.save_calendar(evolve(read_only, status=CalendarStatus.READ_ONLY))
        vanished = store.save_calendar(evolve(vanished, status=CalendarStatus.VANISHED))
        troubled = [failing, read_only, vanished, silent, given_up, shut]
        assert _order(bench) == [*troubled, *well, odd, unasked, new, resting]
        bench.read_completely(failing, an_item())
        bench.watch(silent, PushState.ACTIVE)
        assert _order(bench)[:3] == [read_only, vanished, given_up]

    def test_a_page_is_so_many_from_a_place_on(self, bench: StoreBench) -> None:
        """In the order of all."""
        added = [bench.calendar(f"c{number}") for number in range(5)]
        bench.watch(added[3], PushState.FAILING)
        everything = bench.store.load_standings()
        assert everything[0].calendar == added[3]
        assert bench.store.load_standings(limit=3) == everything[:3]
        assert bench.store.load_standings("ana", limit=3, offset=2) == everything[2:5]
        assert bench.store.load_standings(offset=5) == everything[5:]
        assert bench.store.load_standings(limit=3, offset=7) == bench.store.load_standings(limit=0) == []
