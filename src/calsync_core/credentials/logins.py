"""Where each account's credential comes from: the host, or the store."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from attrs import field, frozen

from calsync_core.core.identity import Keyring
from calsync_core.credentials.kept import KeptLogin, fingerprint
from calsync_core.credentials.stored import OwnLeases, StoredLogin
from calsync_core.credentials.tokens import LoginTokens
from calsync_core.credentials.vault import Vault
from calsync_core.errors import ConfigurationError, InvalidValue, ProviderError, UnknownAccount
from calsync_core.models import (
    Account,
    AccountId,
    BearerToken,
    Grant,
    Login,
    OAuthGrant,
    Password,
    ServiceAccountGrant,
)
from calsync_core.protocols import Clock, PublishingProvider, Store, TokenSource
from calsync_core.system import StaticTokens

__all__ = ["Ask", "Credentials", "Logins"]

Credentials: TypeAlias = TokenSource | Login
"""What a host gives for an account: a login, or an object of its own that has the credential."""

Ask: TypeAlias = Callable[[Account], Credentials | None]
"""Asks the host for an account's login; None: it has none, the store may."""


@frozen(eq=False)
class Logins:
    """One engine's logins. Thread-safe: what it knows of sources changes under a lock, never during a request.

    Attributes:
        vault: Opens what the store keeps; None: the store keeps no login.
        ask: For accounts that nobody attached a login to in this process.
    """

    store: Store
    providers: Mapping[str, PublishingProvider]
    keyring: Keyring = field(repr=False)
    clock: Clock
    vault: Vault | None = field(repr=False)
    ask: Ask | None
    _leases: OwnLeases = field(repr=False, converter=OwnLeases, alias="lease")
    _sources: dict[AccountId, TokenSource] = field(factory=dict, init=False, repr=False)
    _verified: set[AccountId] = field(factory=set, init=False, repr=False)
    _put_off: dict[AccountId, tuple[ProviderError, float]] = field(factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def source(self, account: Account) -> TokenSource:
        """Where the account's credential comes from: attached, or the host's answer, or the store's.

        Raises:
            ConfigurationError: nowhere; or what the store has can't be opened.
        """
        with self._lock:
            source = self._sources.get(account.key)
        if source is None:
            found = self._find(account)
            with self._lock:
                source = self._sources.setdefault(account.key, found)
        return source

    def _find(self, account: Account) -> TokenSource:
        given = None if self.ask is None else self.ask(account)
        if given is not None:
            return self.source_of(account, given)
        place = self.place(account)
        found = None if place is None else place.load()
        if place is None or found is None:
            where = "in this process" if place is None else "in this process or the store"
            raise ConfigurationError(f"credentials: account {account.name!r} has none {where}; attach() them")
        tokens = LoginTokens(found, self._renewal(account), self.clock)
        tokens.settle(place, found)
        return tokens

    def use(self, account_id: AccountId, source: TokenSource, *, checked: bool) -> None:
        """Remember where an account's credential comes from, and whether it was just found to be its own person's."""
        with self._lock:
            self._sources[account_id] = source
            self._verified.discard(account_id)
            self._put_off.pop(account_id, None)
            if checked:
                self._verified.add(account_id)

    def forget(self, account_id: AccountId) -> None:
        """Know no source of the account any more."""
        with self._lock:
            self._sources.pop(account_id, None)
            self._verified.discard(account_id)
            self._put_off.pop(account_id, None)

    def put_off(self, account_id: AccountId, error: ProviderError, seconds: float) -> None:
        """Have nobody ask for a while whose login this is: the answer would be the same (I-35)."""
        with self._lock:
            self._put_off[account_id] = (error, self.clock.monotonic() + seconds)

    def require_patience(self, account_id: AccountId) -> None:
        """Raise what was answered last if it is too early to ask whose login this is."""
        with self._lock:
            error, until = self._put_off.get(account_id, (None, 0.0))
        if error is not None and self.clock.monotonic() < until:
            raise copy.copy(error)

    def is_verified(self, account_id: AccountId) -> bool:
        """Whether the credential in use is known to be the account's own person's."""
        with self._lock:
            return account_id in self._verified

    def verify(self, account_id: AccountId) -> None:
        """Note that it is."""
        with self._lock:
            self._verified.add(account_id)

    def source_of(
        self, account: Account, credentials: Credentials, *, stored: Account | None = None, anew: bool = False
    ) -> TokenSource:
        """A source for what the host gave. No request is sent.

        A grant that was given before, to this object or to one that shares the store, goes on as it was renewed since:
        its first refresh token may long be spent.

        Args:
            account: As it will be used; its ``id`` may be None.
            credentials: A login; or a ``TokenSource``, which is returned.
            stored: As the store has it, if it differs.
            anew: The host connects the account: a stored login that can't be opened counts as none.

        Raises:
            InvalidValue: neither, or the account's provider can't renew this kind.
            ConfigurationError: what the store keeps can't be opened.
        """
        if not isinstance(credentials, Password | BearerToken | OAuthGrant | ServiceAccountGrant):
            if isinstance(credentials, TokenSource):
                return credentials
            raise InvalidValue(f"credentials: needs a Login or a TokenSource, got {type(credentials).__name__}")
        if isinstance(credentials, OAuthGrant | ServiceAccountGrant):
            self._require_renewal(account, credentials)
        stored = stored or account
        given = fingerprint(credentials)
        with self._lock:
            tokens = None if stored.id is None else self._sources.get(stored.id)
        if not isinstance(tokens, LoginTokens) or tokens.given != given:
            tokens = LoginTokens(KeptLogin(credentials, given), self._renewal(account), self.clock)
            place = self.place(stored)
            found = None if place is None else _load(place, anew=anew)
            if place is not None and found is not None and found.given == given:
                tokens.settle(place, found)
        tokens.tell(credentials, self._renewal(account))
        return tokens

    def mark(self, source: TokenSource) -> str | None:
        """A keyed hash of the login that a source was given, to notice another one; None for a source of the host's."""
        if isinstance(source, StaticTokens):
            return self.keyring.login_mark(fingerprint(source.value))
        return self.keyring.login_mark(source.given) if isinstance(source, LoginTokens) else None

    def place(self, account: Account) -> StoredLogin | None:
        """Where the store keeps the account's login; None: it keeps none, or does not know the account yet."""
        if self.vault is None or account.id is None:
            return None
        return StoredLogin(account, self.store, self.vault, self._leases, self.clock)

    def place_for(self, account: Account, source: TokenSource) -> StoredLogin | None:
        """Where a source shall live as soon as it is known whose it is; None: it does already, or never will."""
        return self.place(account) if isinstance(source, LoginTokens) and not source.is_stored else None

    @contextmanager
    def checking(self, account: Account, source: TokenSource, *, anew: bool = False) -> Iterator[bool]:
        """While it is found out whose a source is: be the only one who checks a login that the store shall keep.

        If another process checked and stored the same one while we waited, the source goes on with that.

        Yields:
            Whether the store shall keep the source's login, and does not yet.
        """
        place = self.place_for(account, source)
        if place is None:
            yield False
            return
        with place.alone():
            self._join(place, source, anew=anew)
            yield self.place_for(account, source) is not None

    def _join(self, place: StoredLogin, source: TokenSource, *, anew: bool) -> None:
        found = _load(place, anew=anew)
        if isinstance(source, LoginTokens) and found is not None and found.given == source.given:
            source.settle(place, found)

    def keep(self, account: Account, source: TokenSource) -> None:
        """Have the store keep what was just found to be the account's own; of a source of the host's, nothing.

        Raises:
            StoreError: it can't now.
        """
        place = self.place(account)
        if place is None:
            return
        if isinstance(source, LoginTokens):
            source.settle(place)
        else:
            place.forget()

    @contextmanager
    def connecting(self, account: Account) -> Iterator[None]:
        """Be the only one who connects this account: a grant that two use at once may be void for both.

        Raises:
            LeaseBusy: another worker is still at it.
        """
        if self.vault is None:
            yield
            return
        name = hashlib.sha256(f"{len(account.owner)}:{account.owner}{account.name}".encode()).hexdigest()
        with self._leases.hold(f"connect:{name[:32]}"):
            yield

    def rotate(self) -> int:
        """Seal every stored login under the first key; returns for how many that had to be done.

        Raises:
            ConfigurationError: there are no keys; or, after all others were done, names the accounts whose login no
                key opens.
        """
        if self.vault is None:
            raise ConfigurationError("encryption_key: is needed to seal logins under")
        done, closed = 0, []
        for account_id in self.store.load_credentials():
            try:
                place = self.place(self.store.load_account(account_id))
                done += place is not None and place.reseal()
            except UnknownAccount:
                continue  # It was disconnected meanwhile.
            except ConfigurationError:
                closed.append(str(account_id))
        if closed:
            raise ConfigurationError(f"encryption_key: no key given opens the logins of accounts {', '.join(closed)}")
        return done

    def _renewal(self, account: Account) -> Callable[[Grant], Grant]:
        def renew(grant: Grant) -> Grant:
            return self._require_renewal(account, grant)(account, grant, self.clock)

        return renew

    def _require_renewal(self, account: Account, grant: Grant) -> Callable[[Account, Grant, Clock], Grant]:
        renew: Callable[[Account, Grant, Clock], Grant] | None = getattr(
            self.providers.get(account.provider), "renew_grant", None
        )
        if renew is None:
            kind = type(grant).__name__
            raise InvalidValue(
                f"credentials: provider {account.provider!r} of account {account.name!r} takes no {kind}"
            )
        return renew


def _load(place: StoredLogin, *, anew: bool) -> KeptLogin | None:
    try:
        return place.load()
    except ConfigurationError:
        if anew:
            return None
        raise
