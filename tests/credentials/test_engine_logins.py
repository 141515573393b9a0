"""The engine keeps logins, finds them again, and never mistakes one person's for another's."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

import pytest
from attrs import define, evolve, field

from calsync_core.credentials import Vault, new_key
from calsync_core.engine import SyncEngine
from calsync_core.errors import AuthExpired, ConfigurationError, IdentityChanged, InvalidValue, StoreError
from calsync_core.models import (
    Account,
    AccountStatus,
    BearerToken,
    Calendar,
    Credential,
    Login,
    Notice,
    NoticeKind,
    OAuthGrant,
    Password,
    ServiceAccountGrant,
    SyncPolicy,
)
from calsync_core.protocols import Store
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores import MemoryStore
from calsync_core.system import StaticTokens, SystemClock
from calsync_core.testing.clock import VirtualClock
from calsync_core.testing.deaths import Died, DyingProvider, DyingStore, Toll
from granting import DOWN, GrantingProvider, TokenServer
from planted import PASSWORD

SECRET = "a secret for tests only"
HOUR = timedelta(hours=1)


@define
class House:
    """Ana's calendars, whose logins are grants, and as many processes as wanted over one store."""

    clock: Any = field(factory=VirtualClock)
    server: TokenServer = field(factory=TokenServer)
    service: MemoryService = field(factory=MemoryService)
    store: Store = field(factory=MemoryStore)
    key: str | None = field(factory=new_key)
    notices: list[Notice] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        for name in ("home", "work", "eve"):
            self.service.add_user(name, PASSWORD)
            self.service.add_calendar(name, "cal", primary=True)

    def process(self, **changes: Any) -> SyncEngine:
        options: dict[str, Any] = {
            "store": self.store,
            "providers": {"memory": GrantingProvider(self.service, self.server)},
            "secret": SECRET,
            "encryption_key": self.key,
            "clock": self.clock,
            "notifier": self,
            "max_workers": 1,
            "policy": SyncPolicy(horizon_days=10),
            **changes,
        }
        return SyncEngine(**options)

    def notify(self, notice: Notice) -> None:
        self.notices.append(notice)

    def told(self, kind: NoticeKind) -> int:
        return sum(notice.kind is kind for notice in self.notices)

    def connect(self, name: str, login: Any = None, engine: SyncEngine | None = None) -> Calendar:
        engine = engine or self.process()
        account = engine.connect(Account("ana", "memory", name), login or self.server.consent(name))
        return engine.enable(engine.discover(account.key)[0].key)

    def book(self, name: str, uid: str) -> None:
        start = self.clock.now() + timedelta(days=1)
        self.service.put(f"{name}/cal", self.service.event(uid, start, start + HOUR))

    def account(self, name: str) -> Account:
        return next(account for account in self.store.load_accounts() if account.name == name)

    def stored(self, name: str) -> Login | None:
        account = self.account(name)
        sealed = self.store.load_credential(account.key)
        assert self.key is not None
        return None if sealed is None else Vault(self.key).unseal(account, sealed).login

    def refresh_token(self, name: str) -> str | None:
        login = self.stored(name)
        assert isinstance(login, OAuthGrant)
        return login.refresh_token


def sync(engine: SyncEngine) -> int:
    report = engine.sync_calendars_needing_polling()
    assert report.ok, report.errors
    return report.busy_blocks_created


def both(house: House) -> tuple[OAuthGrant, OAuthGrant]:
    grants = house.server.consent("home"), house.server.consent("work")
    for name, grant in zip(("home", "work"), grants, strict=True):
        house.connect(name, grant)
    return grants


# -- kept, and found again


@pytest.mark.parametrize("kind", ["grant", "password", "bearer"])
def test_a_process_that_was_told_nothing_finds_the_logins_in_the_store(kind: str) -> None:
    house = House()
    for name in ("home", "work"):
        grant = house.server.consent(name)
        login: Login = grant
        if kind == "bearer":
            login = BearerToken(house.server.renew(grant.refresh_token)[0])
        elif kind == "password":
            login = Password(name, PASSWORD)
        house.connect(name, login)
    house.book("home", "e1")
    spent = house.server.requests
    assert sync(house.process()) == 1
    assert house.server.requests == spent  # the access token in use was found, too
    with pytest.raises(ConfigurationError, match="'home' has none in this process;"):
        house.process(encryption_key=None)._context.logins.source(house.account("home"))


def test_grants_are_renewed_for_a_month_by_processes_that_come_and_go() -> None:  # I-36
    house = House()
    both(house)
    for day in range(30):
        house.clock.advance(timedelta(days=1))
        house.book("home", f"e{day}")
        assert sync(house.process()) == 1
    assert house.told(NoticeKind.REAUTHORIZATION_NEEDED) == 0


def test_without_a_key_a_grant_is_renewed_in_memory_and_nothing_is_stored() -> None:  # I-39
    house = House(key=None)
    engine = house.process()
    grants = {name: house.server.consent(name) for name in ("home", "work")}
    for name, grant in grants.items():
        house.connect(name, grant, engine)
    for day in range(5):
        house.clock.advance(timedelta(days=1))
        house.book("home", f"e{day}")
        for name, grant in grants.items():
            engine.attach(house.account(name).key, grant)  # given again, it goes on as it was renewed since
        assert sync(engine) == 1
    assert house.store.load_credentials() == {}


def test_a_key_given_later_has_the_store_keep_what_was_checked_before() -> None:
    house = House()
    account = house.process(encryption_key=None).connect(Account("ana", "memory", "home"), Password("home", PASSWORD))
    engine = house.process(tokens=lambda _account: Password("home", PASSWORD))
    engine.enable(engine.discover(account.key)[0].key)
    sync(engine)
    assert house.stored("home") == Password("home", PASSWORD)


def test_a_disconnected_account_leaves_no_login() -> None:  # I-39
    house = House()
    both(house)
    engine = house.process()
    key = house.account("home").key
    engine.disconnect(key)
    assert list(house.store.load_credentials()) == [house.account("work").key]


def test_a_forgotten_login_is_used_no_more_and_its_account_stays() -> None:
    house = House()
    both(house)
    engine = house.process()
    sync(engine)
    engine.forget_credentials(house.account("home").key)
    report = engine.sync_calendars_needing_polling()
    assert [(error.account, error.kind) for error in report.errors] == [("home", "ConfigurationError")]
    house.connect("home", engine=engine)
    sync(engine)


def test_a_source_of_the_hosts_own_replaces_what_the_store_kept() -> None:
    house = House()
    both(house)
    house.connect("home", StaticTokens(Password("home", PASSWORD)))
    assert house.stored("home") is None
    assert house.stored("work") is not None


def test_the_host_may_answer_with_logins_and_leave_the_rest_to_the_store() -> None:
    house = House()
    both(house)
    asked: list[str] = []

    def ask(account: Account) -> Login | None:
        asked.append(account.name)
        return Password("home", PASSWORD) if account.name == "home" else None

    engine = house.process(tokens=ask)
    house.book("home", "e1")
    assert sync(engine) == 1
    assert sorted(asked) == ["home", "work"]
    assert house.stored("home") == Password("home", PASSWORD)  # checked, it replaced the grant
    assert isinstance(house.stored("work"), OAuthGrant)


# -- whose it is (I-46)


def test_the_same_grant_given_again_goes_on_as_it_was_renewed_since() -> None:  # I-36, I-46
    house = House()
    grants = dict(zip(("home", "work"), both(house), strict=True))
    house.clock.advance(2 * HOUR)
    sync(house.process())  # rotated: what the configuration says is spent by now
    spent = house.server.requests
    engine = house.process(tokens=lambda account: grants[account.name])
    sync(engine)
    engine.attach(house.account("home").key, evolve(grants["home"], client_secret="another one"))
    sync(engine)
    assert house.server.requests == spent
    assert cast("OAuthGrant", house.stored("home")).client_secret == "another one"
    house.clock.advance(2 * HOUR)
    sync(house.process(tokens=lambda account: grants[account.name]))
    assert cast("OAuthGrant", house.stored("home")).client_secret == grants["home"].client_secret


def test_the_same_grant_is_known_under_another_secret_of_the_installation() -> None:  # I-36
    house = House()
    grants = dict(zip(("home", "work"), both(house), strict=True))
    house.clock.advance(2 * HOUR)
    sync(house.process())
    sync(house.process(secret=["a new secret of the house", SECRET], tokens=lambda account: grants[account.name]))
    assert house.told(NoticeKind.REAUTHORIZATION_NEEDED) == 0


def test_another_grant_of_the_same_person_replaces_the_stored_one() -> None:  # I-46
    house = House()
    both(house)
    old = house.refresh_token("home")
    newer = house.server.consent("home")
    engine = house.process()
    engine.attach(house.account("home").key, newer)
    assert house.refresh_token("home") == old  # not before it is known whose it is
    sync(engine)
    assert house.refresh_token("home") not in {old, newer.refresh_token}
    house.clock.advance(2 * HOUR)
    sync(house.process())


def test_somebody_elses_grant_replaces_nothing_and_is_told_once() -> None:  # I-46
    house = House()
    both(house)
    old = house.stored("home")
    engine = house.process()
    engine.attach(house.account("home").key, house.server.consent("eve"))
    house.book("eve", "private")
    for _ in range(3):
        report = engine.sync_calendars_needing_polling()
        assert report.writes == 0
    assert house.told(NoticeKind.IDENTITY_CHANGED) == 1
    assert house.stored("home") == old
    with pytest.raises(IdentityChanged):
        house.process().connect(house.account("home"), house.server.consent("eve"))
    assert house.stored("home") == old


def test_a_refused_grant_replaces_nothing() -> None:  # I-46
    house = House()
    both(house)
    old = house.stored("home")
    engine = house.process()
    engine.attach(house.account("home").key, OAuthGrant("app", None, "made up"))
    assert not engine.sync_calendars_needing_polling().ok
    with pytest.raises(AuthExpired):
        house.process().connect(house.account("home"), OAuthGrant("app", None, "made up, too"))
    assert house.stored("home") == old


def test_processes_that_are_given_a_new_grant_at_once_use_it_once() -> None:  # I-36, I-46
    house = House(clock=SystemClock())  # who waits must not move the others' time
    both(house)
    newer = {name: house.server.consent(name) for name in ("home", "work")}
    engines = [house.process(tokens=lambda account: newer[account.name]) for _ in range(4)]
    spent = house.server.requests
    together = threading.Barrier(4)

    def one(engine: SyncEngine) -> int:
        together.wait()
        return sync(engine)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, engines))
    assert house.server.requests == spent + 2  # one for each account
    assert house.told(NoticeKind.REAUTHORIZATION_NEEDED) == 0


def test_a_grant_connected_here_and_attached_there_at_once_is_used_once() -> None:  # I-36, I-46
    house = House(clock=SystemClock())
    both(house)
    newer = house.server.consent("home")
    account, spent, together = house.account("home"), house.server.requests, threading.Barrier(4)

    def connect(engine: SyncEngine) -> None:
        together.wait()
        engine.connect(account, newer)

    def attach(engine: SyncEngine) -> None:
        engine.attach(account.key, newer)
        together.wait()
        sync(engine)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda deed: deed(house.process()), [connect, attach, connect, attach]))
    assert house.server.requests == spent + 1


def test_processes_that_connect_the_same_new_account_at_once_use_its_grant_once() -> None:  # I-36
    house = House(clock=SystemClock())
    grant = house.server.consent("home")
    together = threading.Barrier(4)

    def one(engine: SyncEngine) -> Account:
        together.wait()
        return engine.connect(Account("ana", "memory", "home"), grant)

    with ThreadPoolExecutor(4) as pool:
        accounts = list(pool.map(one, [house.process() for _ in range(4)]))
    assert len(set(accounts)) == 1
    assert house.server.requests == 1


def test_an_account_moved_to_another_server_keeps_its_grant() -> None:
    house = House()
    grants = both(house)
    house.clock.advance(2 * HOUR)
    account = evolve(house.account("home"), base_url="https://elsewhere.example/")
    house.process().connect(account, grants[0])
    assert house.account("home").base_url == "https://elsewhere.example/"
    house.clock.advance(2 * HOUR)
    sync(house.process())


def test_an_address_changed_behind_our_back_gets_no_login() -> None:  # I-38, I-39
    house = House()
    both(house)
    house.store.save_account(evolve(house.account("home"), base_url="https://evil.example/"))
    report = house.process().sync_calendars_needing_polling()
    assert [(error.account, error.kind) for error in report.errors] == [("home", "ConfigurationError")]


def test_rows_swapped_between_two_accounts_are_refused() -> None:  # I-39
    house = House()
    both(house)
    home, work = house.account("home").key, house.account("work").key
    rows = house.store.load_credentials()
    for target, source in ((home, work), (work, home)):
        lease = house.store.acquire_lease(f"credential:{target}", "thief", 60, house.clock.now())
        house.store.save_credential(lease, target, rows[source], house.clock.now())
        house.store.release_lease(lease)
    spent = house.server.requests
    report = house.process().sync_calendars_needing_polling()
    assert {(error.account, error.kind) for error in report.errors} == {
        ("home", "ConfigurationError"),
        ("work", "ConfigurationError"),
    }
    assert "another account" in report.errors[0].message
    assert house.server.requests == spent
    both(house)  # connecting again puts it right
    sync(house.process())


# -- refused, down, broken


def test_a_revoked_grant_is_told_once_costs_nothing_and_heals() -> None:  # I-35
    house = House()
    both(house)
    engine = house.process()
    sync(engine)
    house.server.revoke("home")
    house.clock.advance(2 * HOUR)
    spent = house.server.requests
    for _ in range(10):
        assert not engine.sync_calendars_needing_polling().ok
        house.clock.advance(timedelta(minutes=10))
    assert house.server.requests == spent + 3  # one refused; and work's, renewed twice in that time
    assert house.told(NoticeKind.REAUTHORIZATION_NEEDED) == 1
    house.process().connect(house.account("home"), house.server.consent("home"))
    house.book("home", "e1")
    assert sync(engine) == 1  # without a word to this process
    assert house.account("home").status is AccountStatus.ACTIVE


def test_one_accounts_token_server_that_hangs_delays_no_other() -> None:  # I-37
    house = House()
    both(house)
    house.clock.advance(2 * HOUR)
    engine = house.process(max_workers=4)
    hangs, goes_on = threading.Event(), threading.Event()
    first = itertools.count()

    def hang_once() -> None:
        if next(first) == 0:
            hangs.set()
            assert goes_on.wait(30)

    house.server.meanwhile = hang_once
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(engine._context.logins.source(house.account("home")).credential)
        assert hangs.wait(30)
        assert engine._context.logins.source(house.account("work")).credential()
        goes_on.set()
        hanging.result()


def test_a_token_server_that_is_down_is_one_accounts_failure() -> None:  # I-37
    house = House()
    house.connect("home", Password("home", PASSWORD))
    house.connect("work")
    house.book("home", "e1")
    house.clock.advance(2 * HOUR)
    engine = house.process()
    house.server.failing = DOWN
    report = engine.sync_calendars_needing_polling()
    assert {(error.account, error.kind) for error in report.errors} == {("work", "Unavailable")}
    house.server.failing = None
    house.clock.advance(timedelta(minutes=10))
    sync(engine)
    house.clock.advance(timedelta(minutes=10))
    sync(engine)
    assert len(house.service.blocks("work/cal")) == 1


def test_a_login_that_can_not_be_stored_now_is_stored_when_it_is_used() -> None:  # I-36
    house = House()
    engine = house.process()
    save = house.store.save_credential
    broken = True

    def sometimes(*args: Any) -> None:
        if broken:
            raise StoreError("not now")
        save(*args)

    house.store.save_credential = sometimes  # type: ignore[method-assign, assignment]  # a store that fails now and then
    grant = house.server.consent("home")
    with pytest.raises(StoreError):
        house.connect("home", grant, engine)
    broken = False
    house.connect("home", grant, engine)  # the host tries again, with a grant that is spent by now
    assert house.server.requests == 1
    assert house.refresh_token("home") != grant.refresh_token


def test_a_checked_login_that_can_not_be_stored_now_is_not_given_up_for_the_old_one() -> None:  # I-36, I-46
    house = House()
    both(house)
    old = house.refresh_token("home")
    engine = house.process()
    engine.attach(house.account("home").key, house.server.consent("home"))
    save = house.store.save_credential
    broken = True

    def sometimes(*args: Any) -> None:
        if broken:
            raise StoreError("not now")
        save(*args)

    house.store.save_credential = sometimes  # type: ignore[method-assign, assignment]  # a store that fails now and then
    assert [error.kind for error in engine.sync_calendars_needing_polling().errors] == ["StoreError"]
    assert house.refresh_token("home") == old
    broken = False
    spent = house.server.requests
    sync(engine)
    assert house.server.requests == spent
    assert house.refresh_token("home") != old
    house.clock.advance(2 * HOUR)
    sync(house.process())


def test_a_provider_without_grants_takes_none() -> None:  # I-44
    house = House()
    engine = house.process(providers={"memory": MemoryProvider(house.service)})
    with pytest.raises(InvalidValue, match="credentials: provider 'memory' of account 'home' takes no OAuthGrant"):
        house.connect("home", engine=engine)
    account = engine.connect(Account("ana", "memory", "home"), Password("home", PASSWORD))
    with pytest.raises(InvalidValue, match="takes no ServiceAccountGrant"):
        engine.attach(account.key, ServiceAccountGrant("{}", "ana@example.com"))
    with pytest.raises(InvalidValue, match="credentials: needs a Login or a TokenSource, got str"):
        engine.attach(account.key, cast("Credential", PASSWORD))


# -- keys


def test_keys_rotate_account_by_account() -> None:  # I-39
    house = House()
    both(house)
    old, new = house.key, new_key()
    assert house.process().rotate_credentials() == 0
    house.key = new
    assert house.process(encryption_key=[new, old]).rotate_credentials() == 2
    assert house.process(encryption_key=[new, old]).rotate_credentials() == 0
    assert isinstance(house.stored("home"), OAuthGrant)
    house.clock.advance(2 * HOUR)
    sync(house.process())
    with pytest.raises(ConfigurationError, match=r"^encryption_key"):
        house.process(encryption_key=None).rotate_credentials()


def test_rotation_goes_on_past_what_no_key_opens_and_names_it() -> None:  # I-37, I-44
    house = House()
    both(house)
    lost, kept, new = new_key(), house.key, new_key()
    house.process(encryption_key=lost).connect(house.account("home"), house.server.consent("home"))
    with pytest.raises(ConfigurationError, match=f"accounts {house.account('home').key}$"):
        house.process(encryption_key=[new, kept]).rotate_credentials()
    house.key = new
    assert isinstance(house.stored("work"), OAuthGrant)


def test_rotation_seals_no_login_anew_for_an_account_it_is_not_for() -> None:  # I-39
    house = House()
    both(house)
    home, work = house.account("home").key, house.account("work").key
    lease = house.store.acquire_lease(f"credential:{home}", "thief", 60, house.clock.now())
    house.store.save_credential(lease, home, house.store.load_credentials()[work], house.clock.now())
    house.store.release_lease(lease)
    with pytest.raises(ConfigurationError, match=f"accounts {home}$"):
        house.process(encryption_key=[new_key(), house.key]).rotate_credentials()


def test_a_lost_key_is_one_clear_error_until_the_account_is_connected_again() -> None:  # I-44
    house = House()
    grants = both(house)
    house.key = new_key()
    engine = house.process()
    with pytest.raises(ConfigurationError, match=r"^encryption_key: no key given opens .* account 'home' \(id 1\)$"):
        engine.attach(house.account("home").key, grants[0])
    assert {error.kind for error in engine.sync_calendars_needing_polling().errors} == {"ConfigurationError"}
    report = engine.health()
    assert (report.status, {each.state for each in report.calendars}) == ("unhealthy", {"failing"})
    assert all("encryption_key: no key given opens" in str(each.last_error) for each in report.calendars)
    assert engine.vitals().failing == len(report.calendars)
    both(house)
    sync(house.process())
    assert house.process().health().status == "healthy"


def test_the_right_key_is_used_at_once_after_a_wrong_one() -> None:
    house = House()
    both(house)
    kept, house.key = house.key, new_key()
    house.process().sync_all_calendars()
    house.key = kept
    report = house.process().sync_all_calendars()
    assert (report.errors, report.calendars_read) == ((), 2)
    assert house.process().health().status == "healthy"


def test_a_provider_that_is_missing_shows_as_failing() -> None:
    house = House()
    both(house)
    sync(house.process())
    house.process(providers={}).sync_all_calendars()
    report = house.process().health()
    assert report.status != "healthy"
    assert {str(each.last_error).partition(":")[0] for each in report.calendars} == {"ConfigurationError"}


def test_a_bad_key_is_told_before_anything_is_done() -> None:  # I-44
    for wrong in ("short", ["x"], []):
        with pytest.raises(ConfigurationError, match=r"^encryption_key"):
            House().process(encryption_key=wrong)


# -- killed anywhere


def deed_connect(house: House, engine: SyncEngine) -> None:
    house.connect("home", Password("home", PASSWORD), engine)
    house.connect("work", house.server.consent("work"), engine)
    sync(engine)


def deed_renew(house: House, engine: SyncEngine) -> None:
    house.clock.advance(2 * HOUR)
    sync(engine)


def deed_replace(house: House, engine: SyncEngine) -> None:
    engine.attach(house.account("home").key, house.server.consent("home"))
    engine.connect(house.account("work"), house.server.consent("work"))
    sync(engine)


def deed_rotate(_house: House, engine: SyncEngine) -> None:
    assert engine.rotate_credentials() == 2


def connected() -> House:
    house = House(server=TokenServer(gentle=True))
    both(house)
    sync(house.process())
    return house


DEEDS: list[tuple[Callable[[], House], Callable[[House, SyncEngine], None], int]] = [
    (lambda: House(server=TokenServer(gentle=True)), deed_connect, 60),
    (connected, deed_renew, 40),
    (connected, deed_replace, 60),
    (connected, deed_rotate, 16),
]


def die_at(setting: Callable[[], House], deed: Callable[[House, SyncEngine], None], n: int) -> bool:
    """False: there is no n-th boundary."""
    house = setting()
    old, new = house.key, new_key()
    toll = Toll(n)
    provider = DyingProvider(GrantingProvider(house.service, house.server), toll)
    engine = house.process(
        store=cast("Store", DyingStore(house.store, toll)), providers={"memory": provider}, encryption_key=[new, old]
    )
    try:
        deed(house, engine)
    except Died:
        pass
    else:
        return False
    house.clock.advance(timedelta(minutes=2))
    again = house.process(encryption_key=[new, old])
    for name in ("home", "work"):
        found = [account for account in house.store.load_accounts() if account.name == name]
        if not found or found[0].key not in house.store.load_credentials():
            house.connect(name, engine=again)  # the host's connect never came back: it is repeated
        again.enable(again.discover(house.account(name).key)[0].key)
    house.book("home", "after")
    assert sync(again) == 1, toll.crossed[-1]
    house.clock.advance(3 * HOUR)
    sync(house.process(encryption_key=[new, old]))
    assert house.told(NoticeKind.REAUTHORIZATION_NEEDED) == 0, toll.crossed[-1]
    again.rotate_credentials()
    house.key = new
    assert None not in {house.stored("home"), house.stored("work")}
    return True


@pytest.mark.parametrize(("setting", "deed", "least"), DEEDS, ids=lambda value: getattr(value, "__name__", ""))
def test_killed_at_every_boundary_no_login_is_lost(
    setting: Callable[[], House], deed: Callable[[House, SyncEngine], None], least: int
) -> None:  # I-05, I-36
    killed = next(n for n in itertools.count(1) if not die_at(setting, deed, n)) - 1
    print(f"{deed.__name__}: killed at {killed} boundaries")  # noqa: T201  (the count belongs to the test's output)
    assert killed >= least


def test_a_strict_servers_grant_that_died_with_its_process_is_told_once_and_heals() -> None:  # I-05, I-35
    def renew_until(toll: Toll) -> House:
        house = House()
        both(house)
        house.clock.advance(2 * HOUR)
        engine = house.process(store=cast("Store", DyingStore(house.store, toll)))
        with suppress(Died):
            engine._context.logins.source(house.account("home")).credential()
        return house

    unharmed = Toll()
    renew_until(unharmed)
    toll = Toll(unharmed.crossed.index("before save_credential") + 1)
    house = renew_until(toll)
    assert toll.dead
    house.clock.advance(timedelta(minutes=2))
    engine = house.process()
    for _ in range(3):
        assert not engine.sync_calendars_needing_polling().ok
    assert house.told(NoticeKind.REAUTHORIZATION_NEEDED) == 1
    house.connect("home")
    sync(engine)
