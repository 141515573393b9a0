"""A grant is renewed in time, once, and stored before it is used; a refused one costs nothing more (I-35, I-36)."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve

from calsync_core.credentials import KeptLogin, LoginTokens, StoredLogin, Vault, new_key
from calsync_core.engine import SyncEngine
from calsync_core.errors import AuthExpired, ConfigurationError, RateLimited, Rejected, StoreError, Unavailable
from calsync_core.models import Account, BearerToken, Credential, Grant, OAuthGrant, Password
from calsync_core.protocols import Clock, Store, TokenSource
from calsync_core.providers.memory import MemoryService
from calsync_core.stores import MemoryStore
from calsync_core.stores.sql import SQLStore
from calsync_core.system import SystemClock
from calsync_core.testing.clock import VirtualClock
from granting import DOWN, GrantingProvider, TokenServer

SECRET = "a secret for tests only"
MINUTE = timedelta(minutes=1)


class Desk:
    """One account, its token server, and as many processes as wanted: each an engine over the same store."""

    def __init__(self, *, store: Store | None = None, server: TokenServer | None = None, clock: Any = None) -> None:
        self.clock = clock or VirtualClock()
        self.server = server or TokenServer()
        self.service = MemoryService()
        self.service.add_user("ana")
        self.key = new_key()
        self.store: Store = store if store is not None else MemoryStore()
        self.grant = self.server.consent("ana")
        self.account = self.process().connect(Account("ana", "memory", "home"), self.grant)

    def process(self, **changes: Any) -> SyncEngine:
        options: dict[str, Any] = {
            "store": self.store,
            "providers": {"memory": GrantingProvider(self.service, self.server)},
            "secret": SECRET,
            "encryption_key": self.key,
            "clock": self.clock,
            **changes,
        }
        return SyncEngine(**options)

    def tokens(self, engine: SyncEngine | None = None) -> TokenSource:
        """What a process that finds the login in the store uses."""
        return (engine or self.process())._context.logins.source(self.account)

    def stored(self) -> OAuthGrant:
        sealed = self.store.load_credential(self.account.key)
        assert sealed is not None
        login = Vault(self.key).unseal(self.account, sealed).login
        assert isinstance(login, OAuthGrant)
        return login

    def works(self, credential: Credential) -> bool:
        return isinstance(credential, BearerToken) and self.server.user_of(credential.token) == "ana"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def in_memory(desk: Desk, grant: OAuthGrant | None = None) -> LoginTokens:
    provider = GrantingProvider(desk.service, desk.server)
    kept = KeptLogin.of(grant or desk.server.consent("ana"))
    return LoginTokens(kept, lambda given: provider.renew_grant(desk.account, given, desk.clock), desk.clock)


class BrokenStore:
    """A store that can't do some things for a while."""

    def __init__(self, inner: Store, *broken: str) -> None:
        self._inner = inner
        self.broken = set(broken)

    def __getattr__(self, name: str) -> Any:
        if name in self.broken:
            raise StoreError(f"{name} is not possible now")
        return getattr(self._inner, name)


def breakable(desk: Desk, *broken: str) -> tuple[BrokenStore, TokenSource]:
    store = BrokenStore(desk.store, *broken)
    return store, desk.tokens(desk.process(store=cast("Store", store)))


# -- in time


def test_a_token_is_used_until_four_minutes_before_it_ends(desk: Desk) -> None:
    tokens = desk.tokens()
    first = tokens.credential()
    spent = desk.server.requests
    desk.clock.advance(timedelta(minutes=55, seconds=59))
    assert tokens.credential() == first
    assert desk.server.requests == spent
    desk.clock.advance(timedelta(seconds=1))
    second = tokens.credential()
    assert second != first
    assert desk.works(second)
    assert desk.server.requests == spent + 1
    assert tokens.credential() == second


def test_a_token_of_a_short_life_is_not_renewed_with_every_request() -> None:
    desk = Desk(server=TokenServer(life=MINUTE))
    tokens = desk.tokens()
    spent = desk.server.requests
    seen = set()
    for _ in range(60):
        seen.add(tokens.credential())
        desk.clock.advance(timedelta(seconds=5))
    assert desk.server.requests - spent == len(seen) - 1 == 9  # every half of its life, in five minutes


def test_a_refused_token_is_renewed_at_once(desk: Desk) -> None:
    tokens = desk.tokens()
    first = tokens.credential()
    desk.server.spoil_access("ana")
    second = tokens.credential(renew=True)
    assert (first != second, desk.works(second)) == (True, True)


def test_a_token_without_an_end_is_used_until_it_is_refused(desk: Desk) -> None:
    grant = evolve(desk.server.consent("ana"), access_token="endless")
    tokens = in_memory(desk, grant)
    desk.clock.advance(timedelta(days=400))
    assert tokens.credential() == BearerToken("endless")
    assert desk.works(tokens.credential(renew=True))


def test_while_a_token_is_good_a_failed_renewal_disturbs_nobody(desk: Desk) -> None:  # I-37
    tokens = desk.tokens()
    first = tokens.credential()
    desk.clock.advance(timedelta(minutes=57))
    desk.server.failing = DOWN
    spent = desk.server.requests
    for _ in range(5):
        assert tokens.credential() == first
    assert desk.server.requests == spent + 1  # nor is the server asked with every request
    desk.clock.advance(timedelta(seconds=30))
    assert tokens.credential() == first
    assert desk.server.requests == spent + 2
    desk.clock.advance(timedelta(minutes=3))
    with pytest.raises(Unavailable):
        tokens.credential()
    desk.server.failing = None
    assert desk.works(tokens.credential())


def test_while_another_worker_renews_a_good_token_is_used(desk: Desk) -> None:  # I-37
    tokens = desk.tokens()
    first = tokens.credential()
    desk.clock.advance(timedelta(minutes=57))
    lease = desk.store.acquire_lease(f"credential:{desk.account.key}", "another", 60, desk.clock.now())
    before, spent = desk.clock.now(), desk.server.requests
    assert tokens.credential() == first
    assert (desk.clock.now(), desk.server.requests) == (before, spent)  # nothing was waited for
    desk.store.release_lease(lease)
    desk.clock.advance(timedelta(seconds=60))
    assert tokens.credential() != first


def test_while_another_thread_renews_a_good_token_is_used(desk: Desk) -> None:  # I-37
    tokens = desk.tokens()
    first = tokens.credential()
    desk.clock.advance(timedelta(minutes=57))
    meanwhile: list[Credential] = []

    def ask_in_another_thread() -> None:
        with ThreadPoolExecutor(1) as pool:
            meanwhile.append(pool.submit(tokens.credential).result(timeout=30))

    desk.server.meanwhile = ask_in_another_thread
    assert tokens.credential() != first
    assert meanwhile == [first]


def test_a_dead_workers_lease_is_waited_out(desk: Desk) -> None:  # I-05
    tokens = desk.tokens()
    desk.clock.advance(timedelta(hours=2))
    desk.store.acquire_lease(f"credential:{desk.account.key}", "dead", 60, desk.clock.now())
    assert desk.works(tokens.credential())


def test_a_living_workers_lease_is_not_waited_for_without_end(desk: Desk) -> None:  # I-34
    tokens = desk.tokens()
    desk.clock.advance(timedelta(hours=2))
    desk.store.acquire_lease(f"credential:{desk.account.key}", "busy", 3600, desk.clock.now())
    began = desk.clock.now()
    with pytest.raises(Unavailable) as caught:
        tokens.credential()
    assert caught.value.retry_after == 60
    assert desk.clock.now() - began < timedelta(seconds=90)


# -- once


def ask_at_once(sources: list[TokenSource], ask: Callable[[TokenSource], Credential]) -> list[Credential]:
    barrier = threading.Barrier(len(sources))

    def one(source: TokenSource) -> Credential:
        barrier.wait()
        return ask(source)

    with ThreadPoolExecutor(len(sources)) as pool:
        return list(pool.map(one, sources))


@pytest.mark.parametrize("stored", [True, False])
def test_threads_that_ask_at_once_cause_one_renewal(desk: Desk, *, stored: bool) -> None:  # I-36
    tokens = desk.tokens() if stored else in_memory(desk)
    for _ in range(5):
        desk.clock.advance(timedelta(hours=2))
        spent = desk.server.requests
        got = ask_at_once([tokens] * 8, lambda source: source.credential())
        assert desk.server.requests == spent + 1
        assert len(set(got)) == 1
        assert desk.works(got[0])


def test_threads_that_were_refused_with_one_token_cause_one_renewal(desk: Desk) -> None:  # I-36
    tokens = desk.tokens()
    spent = desk.server.requests
    together = threading.Barrier(8)

    def request_refused(source: TokenSource) -> Credential:
        source.credential()
        together.wait()
        return source.credential(renew=True)  # some only after others have it renewed

    got = ask_at_once([tokens] * 8, request_refused)
    assert desk.server.requests == spent + 1
    assert len(set(got)) == 1


def test_engines_that_share_a_store_cause_one_renewal(tmp_path: Path) -> None:  # I-36
    url = f"sqlite:///{tmp_path}/calsync.db?synchronous=off"
    desk = Desk(store=SQLStore(url), clock=SystemClock())  # who waits must not move the others' time
    stores = [SQLStore(url) for _ in range(4)]
    sources = [desk.tokens(desk.process(store=store)) for store in stores] * 2
    for _ in range(3):
        spent, together = desk.server.requests, threading.Barrier(8)

        def request_refused(source: TokenSource, together: threading.Barrier = together) -> Credential:
            source.credential()
            together.wait()
            return source.credential(renew=True)

        got = ask_at_once(sources, request_refused)
        assert desk.server.requests == spent + 1
        assert len(set(got)) == 1
        assert desk.stored().access_token == cast("BearerToken", got[0]).token
    for store in [*stores, cast("SQLStore", desk.store)]:
        store.close()


def test_what_another_process_renewed_is_used_and_not_renewed_again(desk: Desk) -> None:  # I-36
    one, other = desk.tokens(), desk.tokens()
    old = other.credential()
    desk.server.spoil_access("ana")
    one.credential()
    new = one.credential(renew=True)
    spent = desk.server.requests
    assert other.credential() == old  # it knows no better yet
    assert other.credential(renew=True) == new
    assert desk.server.requests == spent


class CountingLock:
    """A lock that knows how many have come to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._come = threading.Semaphore(0)

    def acquire(self, *, blocking: bool = True) -> bool:
        self._come.release()
        return self._lock.acquire(blocking=blocking)

    def release(self) -> None:
        self._lock.release()

    def wait_for(self, comers: int) -> None:
        for _ in range(comers):
            assert self._come.acquire(timeout=30)


def test_those_who_waited_for_a_failed_renewal_share_its_failure(desk: Desk) -> None:  # I-36
    tokens = desk.tokens()
    assert isinstance(tokens, LoginTokens)
    desk.clock.advance(timedelta(hours=2))
    lock = CountingLock()
    tokens._turn = cast("threading.Lock", lock)
    desk.server.failing = DOWN
    desk.server.meanwhile = lambda: lock.wait_for(8)
    spent = desk.server.requests

    def ask(source: TokenSource) -> Credential:
        with pytest.raises(Unavailable) as caught:
            source.credential()
        failed.append(caught.value)
        return BearerToken("")

    failed: list[Unavailable] = []
    ask_at_once([tokens] * 8, ask)
    assert desk.server.requests == spent + 1
    assert len({id(error) for error in failed}) == 8  # each its own, as each has its own traceback


# -- stored before it is used


def test_a_rotated_grant_is_in_the_store_before_anybody_has_its_token(desk: Desk) -> None:  # I-36
    tokens = desk.tokens()
    desk.clock.advance(timedelta(hours=2))
    old = desk.stored()
    seen: list[OAuthGrant] = []
    desk.server.meanwhile = lambda: seen.append(desk.stored())
    new = tokens.credential()
    assert seen == [old]
    assert desk.stored().access_token == cast("BearerToken", new).token
    assert desk.stored().refresh_token != old.refresh_token


def test_a_grant_that_could_not_be_stored_is_kept_and_stored_later(desk: Desk) -> None:  # I-36
    store, tokens = breakable(desk)
    desk.clock.advance(timedelta(hours=2))
    store.broken = {"save_credential"}
    spent = desk.server.requests
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            tokens.credential()
        assert caught.value.retry_after == 60
    assert desk.server.requests == spent + 1  # the rotated grant is in memory: nothing is renewed again
    store.broken.clear()
    credential = tokens.credential()
    assert desk.works(credential)
    assert desk.server.requests == spent + 1
    assert desk.stored().access_token == cast("BearerToken", credential).token
    desk.clock.advance(timedelta(hours=2))
    assert desk.works(desk.tokens().credential())  # and another process goes on from there


def test_what_somebody_else_stored_meanwhile_wins_over_what_could_not_be_stored() -> None:  # I-36
    desk = Desk(server=TokenServer(gentle=True))
    store, tokens = breakable(desk)
    desk.clock.advance(timedelta(hours=2))
    store.broken = {"save_credential"}
    with pytest.raises(Unavailable):
        tokens.credential()
    newer = desk.tokens().credential()  # a gentle server lets the unsaved rotation be repeated
    store.broken.clear()
    assert tokens.credential() == newer
    assert desk.works(newer)


@pytest.mark.parametrize("broken", ["load_credential", "acquire_lease"])
def test_a_store_that_can_not_tell_is_no_reason_to_renew(desk: Desk, broken: str) -> None:  # I-36
    store, tokens = breakable(desk)
    first = tokens.credential()
    store.broken = {broken}
    assert tokens.credential() == first
    desk.clock.advance(timedelta(hours=2))
    spent = desk.server.requests
    with pytest.raises(Unavailable):
        tokens.credential()
    assert desk.server.requests == spent
    store.broken.clear()
    assert desk.works(tokens.credential())


def test_a_worker_that_lost_its_lease_overwrites_nothing(desk: Desk) -> None:  # I-36
    slow = desk.tokens()
    desk.clock.advance(timedelta(hours=2))
    renewed: list[Credential] = []

    def overtaken() -> None:
        desk.server.meanwhile = None
        desk.clock.advance(timedelta(minutes=2))
        renewed.append(desk.tokens().credential())

    desk.server.meanwhile = overtaken
    # The slow one comes with a refresh token that was rotated meanwhile; the strict server voids the grant for that.
    # What the other one stored is used all the same, until it is refused.
    assert slow.credential() == renewed[0]
    assert desk.stored().access_token == cast("BearerToken", renewed[0]).token


def test_a_grant_that_was_rotated_while_the_lease_ran_out_is_stored_at_once(desk: Desk) -> None:  # I-36, I-50
    class Overtaken(GrantingProvider):
        def renew_grant(self, account: Account, grant: Grant, clock: Clock) -> Grant:
            renewed = super().renew_grant(account, grant, clock)
            # Another worker came, found the old grant spent, and went.
            now = desk.clock.advance(timedelta(minutes=2))
            desk.store.release_lease(desk.store.acquire_lease(f"credential:{account.key}", "another", 60, now))
            return renewed

    slow = desk.tokens(desk.process(providers={"memory": Overtaken(desk.service, desk.server)}))
    desk.clock.advance(timedelta(hours=2))
    assert desk.works(slow.credential())
    assert desk.stored().access_token == cast("BearerToken", slow.credential()).token


def test_a_login_connected_again_does_not_undo_what_was_renewed_meanwhile(desk: Desk) -> None:  # I-36
    engine, other = desk.process(), desk.tokens()
    tokens = engine._context.logins.source_of(desk.account, desk.grant)
    other.credential()
    newer = other.credential(renew=True)
    engine._context.logins.keep(desk.account, tokens)
    assert desk.stored().access_token == cast("BearerToken", newer).token
    assert tokens.credential() == newer


# -- refused


def test_a_refused_grant_costs_no_further_request_until_a_new_one_comes(desk: Desk) -> None:  # I-35
    tokens = desk.tokens()
    desk.server.revoke("ana")
    desk.clock.advance(timedelta(hours=2))
    spent = desk.server.requests
    for _ in range(10):
        with pytest.raises(AuthExpired):
            tokens.credential()
        with pytest.raises(AuthExpired):
            tokens.credential(renew=True)
        desk.clock.advance(timedelta(minutes=5))
    assert desk.server.requests == spent + 1
    desk.process().connect(desk.account, desk.server.consent("ana"))  # in another process
    assert desk.works(tokens.credential())


def test_a_new_grant_makes_the_old_ones_refusal_forgotten() -> None:  # I-35
    desk = Desk(server=TokenServer(life=timedelta(minutes=5)))
    tokens = desk.tokens()
    desk.server.revoke("ana")
    desk.clock.advance(timedelta(minutes=10))
    with pytest.raises(AuthExpired):
        tokens.credential()
    desk.process().connect(desk.account, desk.server.consent("ana"))
    desk.clock.advance(timedelta(minutes=10))  # the new one must be renewed first, within the hour
    assert desk.works(tokens.credential())


def test_a_refused_grant_is_tried_again_after_a_while(desk: Desk) -> None:  # I-35
    tokens = desk.tokens()
    desk.clock.advance(timedelta(hours=2))
    desk.server.failing = Rejected("invalid_client")
    with pytest.raises(Rejected):
        tokens.credential()
    desk.server.failing = None  # the operator has put it right
    with pytest.raises(Rejected):
        tokens.credential()
    desk.clock.advance(timedelta(hours=1))
    assert desk.works(tokens.credential())


def test_a_token_server_that_asks_for_patience_gets_it(desk: Desk) -> None:  # I-33
    tokens = desk.tokens()
    desk.clock.advance(timedelta(hours=2))
    desk.server.failing = RateLimited("slowly", retry_after=120)
    spent = desk.server.requests
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            tokens.credential()
        assert caught.value.retry_after == 120
    assert desk.server.requests == spent + 1
    desk.server.failing = None
    desk.clock.advance(timedelta(seconds=120))
    assert desk.works(tokens.credential())


def test_an_answer_without_a_token_is_no_renewal(desk: Desk) -> None:  # I-36
    tokens = LoginTokens(KeptLogin.of(desk.server.consent("ana")), lambda grant: grant, desk.clock)
    with pytest.raises(Unavailable, match="no access token"):
        tokens.credential()


# -- passwords and tokens that can't be renewed


def test_a_password_changed_in_another_process_is_found_when_the_old_one_is_refused(desk: Desk) -> None:  # I-35
    desk.service.add_user("bo", "first")
    account = desk.process().connect(Account("bo", "memory", "home"), Password("bo", "first"))
    tokens = desk.process()._context.logins.source(account)
    assert tokens.credential(renew=True) == Password("bo", "first")
    desk.service.set_password("bo", "second")
    desk.process().connect(account, Password("bo", "second"))
    assert tokens.credential() == Password("bo", "first")
    assert tokens.credential(renew=True) == Password("bo", "second")


def test_a_password_can_become_a_grant(desk: Desk) -> None:
    desk.service.add_user("bo", "first")
    account = desk.process().connect(Account("bo", "memory", "home"), Password("bo", "first"))
    tokens = desk.process()._context.logins.source(account)
    desk.process().connect(account, desk.server.consent("bo"))
    tokens.credential()
    assert desk.server.user_of(cast("BearerToken", tokens.credential(renew=True)).token) == "bo"


# -- where it lives


def test_a_login_that_was_forgotten_is_not_stored_again(desk: Desk) -> None:
    tokens = desk.tokens()
    desk.process().forget_credentials(desk.account.key)
    desk.clock.advance(timedelta(hours=2))
    assert desk.works(tokens.credential())  # who has it may go on
    assert desk.store.load_credentials() == {}
    with pytest.raises(ConfigurationError, match="'home' has none in this process or the store"):
        desk.tokens()


def test_another_key_opens_nothing_and_renews_nothing(desk: Desk) -> None:  # I-44
    tokens = desk.tokens()
    desk.clock.advance(timedelta(hours=2))
    spent = desk.server.requests
    with pytest.raises(ConfigurationError, match=r"encryption_key: .*account 'home'"):
        desk.tokens(desk.process(encryption_key=new_key()))
    with desk.process(encryption_key=[new_key(), desk.key])._context.lease("x"):
        pass
    assert desk.server.requests == spent
    assert desk.works(tokens.credential())


def test_a_source_can_be_what_providers_keep_connections_by(desk: Desk) -> None:
    tokens = in_memory(desk)
    assert isinstance(tokens, TokenSource)
    kept = weakref.WeakKeyDictionary({tokens: 1, in_memory(desk, desk.grant): 2, in_memory(desk, desk.grant): 3})
    gc.collect()
    assert dict(kept) == {tokens: 1}


def test_a_stored_login_names_its_account_only(desk: Desk) -> None:  # I-39
    engine = desk.process()
    place = engine._context.logins.place(desk.account)
    assert isinstance(place, StoredLogin)
    shown = " ".join(map(repr, (desk.tokens(engine), in_memory(desk), place, engine._context.logins, engine._context)))
    assert [secret for secret in (*desk.server.secrets, desk.key, SECRET) if secret in shown] == []
    assert repr(desk.tokens(engine)) == f"LoginTokens(OAuthGrant of account {desk.account.id})"
