"""Accounts and calendars follow the configuration: what was resolved once is kept by id and asks for nothing again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from calsync_core import SyncEngine
from calsync_core.cli.accounts import align_accounts, choose
from calsync_core.cli.assembly import Installation
from calsync_core.cli.config import AccountConfig, Config
from calsync_core.cli.writes import WitnessedStore
from calsync_core.errors import ConfigurationError
from calsync_core.models import (
    Account,
    AccountStatus,
    Calendar,
    CalendarRole,
    Identity,
    Password,
    RemoteCalendar,
    SyncPolicy,
)
from calsync_core.protocols import Session
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores import MemoryStore
from planted import PASSWORD


class CountingProvider(MemoryProvider):
    """A provider that also counts how often it is asked who and what there is, and shows calendars renamed."""

    def __init__(self, service: MemoryService) -> None:
        super().__init__(service)
        self.asked = 0
        self.renamed: dict[str, str] = {}

    def identify(self, session: Session) -> Identity:
        self.asked += 1
        return super().identify(session)

    def list_calendars(self, session: Session) -> Sequence[RemoteCalendar]:
        self.asked += 1
        listed = super().list_calendars(session)
        return [evolve(each, name=self.renamed.get(each.name, each.name)) for each in listed]


@define
class World:
    """One login with three calendars, a store, and files that come and go."""

    service: MemoryService = field(factory=MemoryService)
    store: MemoryStore = field(factory=MemoryStore)

    def __attrs_post_init__(self) -> None:
        self.service.add_user("ana", PASSWORD)
        for name in ("Work", "Home", "Club"):
            self.service.add_calendar("ana", name)
        self.service.add_calendar("ana", "Holidays", role=CalendarRole.READER)
        self.provider = CountingProvider(self.service)

    provider: CountingProvider = field(init=False)

    def align(
        self,
        calendars: tuple[str, ...] | None,
        *,
        wrong_password: bool = False,
        name: str = "ana",
        email: str | None = None,
        refresh: bool = False,
        publish: bool = True,
        receive: bool = True,
    ) -> Installation:
        credential = Password("ana", "wrong" if wrong_password else PASSWORD)
        account = AccountConfig(
            account=Account(owner="ana", provider="memory", name=name, email=email),
            login=credential,
            calendars=calendars,
            publish=publish,
            receive=receive,
            where=f'accounts[0] "{name}"',
        )
        config = Config(
            path=Path("calsync.toml"),
            secrets=("the-secret-of-this-test",),
            store_url="",
            encryption_keys=(),
            public_url=None,
            policy=SyncPolicy(),
            modes={},
            accounts=(account,),
        )
        engine = SyncEngine(store=self.store, providers={"memory": self.provider}, secret=config.secrets)
        installation = Installation(config, self.store, engine, WitnessedStore(self.store))
        align_accounts(installation, refresh=refresh)
        return installation

    def enabled(self) -> set[str]:
        return {calendar.name for calendar in self.store.load_calendars() if calendar.enabled}


def test_what_was_resolved_once_is_not_asked_for_again() -> None:
    world = World()
    world.align(("Work", "Home"))
    assert world.enabled() == {"Work", "Home"}
    first = world.provider.asked
    for publish, receive in ((True, True), (False, True), (True, False), (True, True)):
        world.align(("Work", "Home"), publish=publish, receive=receive)
    world.align(("Work",))
    world.align(("Work", "Club"))
    assert world.enabled() == {"Work", "Club"}
    assert world.provider.asked == first


def test_a_renamed_calendar_goes_on_under_the_name_it_was_chosen_by() -> None:
    world = World()
    world.align(("Work",))
    world.provider.renamed = {"Work": "Jobs"}
    world.service.add_calendar("ana", "Garden")
    world.align(("Work", "Garden"))
    assert world.enabled() == {"Work", "Garden"}
    world.align(("Work", "Garden"))
    assert world.enabled() == {"Work", "Garden"}


def test_all_means_all_it_owns_and_new_ones_are_found_when_everything_is_read() -> None:
    world = World()
    world.align(("*",))
    assert world.enabled() == {"Work", "Home", "Club"}
    world.service.add_calendar("ana", "Garden")
    world.align(("*",))
    assert world.enabled() == {"Work", "Home", "Club"}
    world.align(("*",), refresh=True)
    assert world.enabled() == {"Work", "Home", "Club", "Garden"}


def test_a_calendar_that_cannot_be_written_to_cannot_receive() -> None:  # I-44
    world = World()
    with pytest.raises(ConfigurationError, match=r'calsync\.toml: accounts\[0\] "ana": receive: .*may not write'):
        world.align(("Holidays",))
    world.align(("Holidays",), receive=False)
    assert world.enabled() == {"Holidays"}


def test_a_calendar_that_takes_part_in_nothing_is_refused() -> None:  # I-44
    with pytest.raises(ConfigurationError, match=r'accounts\[0\] "ana": publish: '):
        World().align(("Work",), publish=False, receive=False)


def test_a_refused_login_is_asked_about_by_the_sync_and_heals_with_the_right_password() -> None:  # I-35
    world = World()
    world.align(("Work", "Home"))
    refused = world.align(("Work", "Home"), wrong_password=True).engine.sync_calendars_needing_polling()
    assert {each.kind for each in refused.errors} == {"AuthExpired"}
    assert [each.status for each in world.store.load_accounts()] == [AccountStatus.AUTH_EXPIRED]
    assert world.enabled() == {"Work", "Home"}
    assert world.align(("Work", "Home")).engine.sync_calendars_needing_polling().ok
    assert [each.status for each in world.store.load_accounts()] == [AccountStatus.ACTIVE]


def test_another_persons_login_is_refused_until_the_right_one_is_back() -> None:  # I-46
    world = World()
    world.align(("Work", "Home"))
    (account,) = world.store.load_accounts()
    world.store.save_account(evolve(account, status=AccountStatus.IDENTITY_CHANGED))
    assert world.align(("Work", "Home")).failures == []
    assert [each.status for each in world.store.load_accounts()] == [AccountStatus.ACTIVE]


def test_a_changed_address_or_zone_is_stored() -> None:
    world = World()
    world.align(("Work",))
    world.align(("Work",), email="ana@new.example")
    assert [each.email for each in world.store.load_accounts()] == ["ana@new.example"]


def test_an_account_under_another_name_is_another_account() -> None:
    world = World()
    world.align(("Work",))
    with pytest.raises(ConfigurationError, match="enabled already, through another account"):
        world.align(("Work",), name="ana-2")
    assert {each.name: each.status for each in world.store.load_accounts()}["ana"] is AccountStatus.PAUSED


# -- which calendars are meant ------------------------------------------------------------------------------------


def calendar(number: int, name: str, *, primary: bool = False, role: CalendarRole = CalendarRole.OWNER) -> Calendar:
    return Calendar(
        account_id=1, owner="ana", remote_id=f"https://dav.example/{number}/", name=name, primary=primary, role=role
    )


CALENDARS = st.lists(
    st.tuples(st.sampled_from(["Work", "Home", "Club", "primary"]), st.sampled_from(list(CalendarRole))), max_size=6
).map(lambda made: [calendar(number, name, role=role) for number, (name, role) in enumerate(made)])


@given(calendars=CALENDARS, data=st.data())
def test_an_id_always_means_that_calendar_whatever_the_names(calendars: list[Calendar], data: st.DataObject) -> None:
    picked = data.draw(st.lists(st.sampled_from(calendars)) if calendars else st.just([]))
    ids = [each.remote_id for each in picked]
    assert {each.remote_id for each in choose(ids, calendars)} == set(ids)
    assert len(choose(ids, calendars)) == len(set(ids))


@given(calendars=CALENDARS, name=st.sampled_from(["Work", "Home", "Attic"]))
def test_a_name_means_one_calendar_or_is_refused(calendars: list[Calendar], name: str) -> None:  # I-44
    fitting = [each for each in calendars if each.name == name]
    if len(fitting) == 1:
        assert choose([name], calendars) == fitting
    else:
        with pytest.raises(ConfigurationError, match=f'^calendars: "{name}" ') as caught:
            choose([name], calendars)
        assert all(f'"{each.name}"' in str(caught.value) for each in calendars)


@given(calendars=CALENDARS)
def test_without_a_choice_only_an_only_calendar_is_meant(calendars: list[Calendar]) -> None:
    if len(calendars) == 1:
        assert choose(None, calendars) == calendars
    else:
        with pytest.raises(ConfigurationError, match=r"^calendars: "):
            choose(None, calendars)


@given(calendars=CALENDARS)
def test_the_primary_calendar_is_the_default_and_has_a_name(calendars: list[Calendar]) -> None:
    main = calendar(99, "Ana", primary=True)
    assert choose(None, [*calendars, main]) == [main]
    if all(each.name != "primary" for each in calendars):
        assert choose(["primary"], [*calendars, main]) == [main]
