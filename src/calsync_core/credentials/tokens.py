"""A login as a ``TokenSource``: renewed in time, by one worker only, and stored before anybody uses it (I-36)."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from attrs import evolve, frozen

from calsync_core.credentials.kept import KeptLogin, carry_on, credential_in, fingerprint
from calsync_core.credentials.stored import StoredLogin
from calsync_core.errors import AuthExpired, LeaseLost, ProviderError, RateLimited, Rejected, StoreError, Unavailable
from calsync_core.log import Logger
from calsync_core.models import Credential, Grant, Login, OAuthGrant, ServiceAccountGrant
from calsync_core.protocols import Clock

__all__ = ["LoginTokens"]

_REFUSED_SECONDS = 3600.0
"""A grant that was refused is not tried again for so long, unless a new one comes (I-35)."""

_STORE_SECONDS = 60.0
"""How long to wait if the store can't take a renewed login now."""

_PATIENT_SECONDS = 30.0
"""How long a token that is still good is used before its failed renewal is tried again."""

log = Logger("calsync_core")


@frozen
class _Failure:
    """A renewal that failed: for those who waited for it, and for those who come before it is over."""

    number: int
    error: ProviderError
    until: float


class LoginTokens:
    """The ``TokenSource`` of a login that the host gave, or that the store keeps. Thread-safe.

    A grant's access token is renewed four minutes before it ends, or when a provider refuses it. Threads that ask at
    once cause one renewal and share its outcome; processes take turns by the lease ``credential:{id}`` and look into
    the store before and after they have it, so that what another one renewed is used and not renewed again. While a
    token is still good, nobody waits for its renewal or fails because of it.

    Without ``settle`` the login lives in this object only.

    Args:
        kept: The login as the store has it, or ``KeptLogin.of`` one that was given.
        renew: Gets a new access token from the provider's token server; see ``GrantingProvider.renew_grant``.
        clock: For ends and pauses.
    """

    def __init__(self, kept: KeptLogin, renew: Callable[[Grant], Grant], clock: Clock) -> None:
        self._kept = kept
        self._told: Login | None = None
        self._renew = renew
        self._clock = clock
        self._place: StoredLogin | None = None
        self._in_store: KeptLogin | None = None
        self._overwrites = False
        self._turn = threading.Lock()
        self._failures = 0
        self._failure: _Failure | None = None
        self._patient_until = -math.inf
        self._mine = threading.local()

    def __repr__(self) -> str:
        where = "in memory" if self._place is None else f"of account {self._place.account.id}"
        return f"LoginTokens({type(self._kept.login).__name__} {where})"

    @property
    def given(self) -> str:
        """Fingerprint of the login as it was given."""
        return self._kept.given

    @property
    def is_stored(self) -> bool:
        """Whether the store keeps it."""
        return self._place is not None

    def tell(self, login: Login, renew: Callable[[Grant], Grant]) -> None:
        """The host gives the same login again, perhaps with another client secret: a rotated grant goes on.

        Before: ``given == fingerprint(login)``.
        """
        with self._turn:
            self._renew = renew
            self._told = login
            kept = self._with_told(self._kept)
            if kept != self._kept:
                self._kept, self._failure = kept, None

    def settle(self, place: StoredLogin, found: KeptLogin | None = None) -> None:
        """Live in the store from now on.

        Args:
            place: Where.
            found: What is there already, if it came from the same given login: it goes on, renewed as it may be. None:
                this login replaces whatever is there.

        Raises:
            StoreError: it could not be saved now; that is made up for when it is used next.
        """
        with self._turn:
            if found is not None:
                self._place, self._in_store, self._overwrites = place, found, False
                self._kept = self._with_told(found)
                return
            moved = self._place is not None
            if not moved:
                self._place, self._overwrites = place, True
            with place.alone():
                if moved:
                    self._look()
                    self._place = place
                self._write(place)

    def _write(self, place: StoredLogin) -> None:
        place.save(self._kept)
        self._in_store, self._overwrites = self._kept, False

    def _with_told(self, kept: KeptLogin) -> KeptLogin:
        told = self._told
        return kept if told is None or fingerprint(told) != kept.given else carry_on(kept, told)

    def credential(self, *, renew: bool = False) -> Credential:
        """See ``TokenSource``.

        Raises:
            AuthExpired: also if that was the answer within the last hour, without asking again (I-35).
            Rejected: the application is refused; remembered likewise.
            RateLimited: as the token server said.
            Unavailable: also if the store can't tell or keep the login now.
            ConfigurationError: the stored login can't be opened with the keys given.
        """
        kept = self._kept
        # Not the newest one: it may have been renewed since this thread was refused with an older one.
        refused = getattr(self._mine, "credential", credential_in(kept.login)) if renew else None
        spare = not renew and self._is_settled and kept.is_valid(self._clock.now())
        if not (spare and self._is_good(None)):
            failures = self._failures
            if self._turn.acquire(blocking=not spare):
                try:
                    self._share_failure(failures)
                    self._refresh(refused, spare=spare)
                    kept = self._kept
                finally:
                    self._turn.release()
        return self._hand_out(kept)

    def _hand_out(self, kept: KeptLogin) -> Credential:
        credential = credential_in(kept.login)
        if credential is None:
            raise Unavailable("the renewed login has no access token")
        self._mine.credential = credential
        return credential

    @property
    def _is_settled(self) -> bool:
        """Whether the store has what we have."""
        return self._place is None or self._kept == self._in_store

    def _is_good(self, refused: Credential | None) -> bool:
        kept = self._kept
        return kept.is_fresh(self._clock.now()) and credential_in(kept.login) != refused

    def _refresh(self, refused: Credential | None, *, spare: bool) -> None:
        """Have a good credential, wherever it comes from. Asked by one thread at a time."""
        now = self._clock.monotonic()
        if spare and now < self._patient_until:
            return
        with _store_trouble():
            if not self._is_settled:
                self._save()
            if not self._is_good(refused):
                self._look()
        grant = isinstance(self._kept.login, OAuthGrant | ServiceAccountGrant)
        if self._is_settled and (self._is_good(refused) or not grant):
            return
        if self._failure is not None and now < self._failure.until:
            raise copy.copy(self._failure.error)
        try:
            with _store_trouble():
                self._renew_alone(refused, wait=not spare)
        except (RateLimited, Unavailable) as error:
            if spare and self._is_settled:
                self._patient_until = now + (error.retry_after or _PATIENT_SECONDS)
                log.info("renewal_put_off", account=self._account_id, kind=type(error).__name__)
                return
            self._remember(error, (error.retry_after or 0.0) if isinstance(error, RateLimited) else 0.0)
            raise
        except (AuthExpired, Rejected) as error:
            self._remember(error, _REFUSED_SECONDS)
            raise

    def _renew_alone(self, refused: Credential | None, *, wait: bool) -> None:
        try:
            with nullcontext() if self._place is None else self._place.alone(wait=wait):
                self._look()
                if not self._is_good(refused):
                    self._renew_or_look(refused)
                self._save()
        except LeaseLost:
            # What came too late may be the only grant that works: unless another one was stored, it is, in a new turn.
            self._save()

    def _renew_or_look(self, refused: Credential | None) -> None:
        try:
            self._renew_once()
        except AuthExpired:
            # A worker so slow that it lost its lease may have used what another one had rotated meanwhile.
            self._look()
            if not self._is_good(refused):
                raise

    def _renew_once(self) -> None:
        used = self._kept
        if not isinstance(used.login, OAuthGrant | ServiceAccountGrant):
            return
        renewed = self._renew(used.login)
        if credential_in(renewed) is None:
            raise Unavailable("the token server gave no access token")
        self._kept = evolve(used, login=renewed, renewed_at=self._clock.now())
        self._failure = None
        log.info("login_renewed", account=self._account_id)

    def _look(self) -> None:
        """Take what the store has, unless ours is newer. One that was deleted there lives on in memory only."""
        if self._place is None or self._overwrites:
            return
        found = self._place.load()
        if found is None:
            self._place = self._in_store = None
        elif found != self._in_store:
            self._failure = None
            self._in_store = found
            self._kept = self._with_told(found)

    def _save(self) -> None:
        """Have the store keep what we have; if it can't, we keep it until it can."""
        if self._is_settled or self._place is None:
            return
        with self._place.alone():
            self._look()
            if self._place is not None and not self._is_settled:
                self._write(self._place)

    def _share_failure(self, failures: int) -> None:
        """Raise what the renewal that we waited for came to."""
        if self._failure is not None and self._failure.number > failures:
            raise copy.copy(self._failure.error)

    def _remember(self, error: ProviderError, seconds: float) -> None:
        self._failures += 1
        self._failure = _Failure(self._failures, copy.copy(error), self._clock.monotonic() + seconds)
        log.warning("renewal_failed", account=self._account_id, kind=type(error).__name__)

    @property
    def _account_id(self) -> int | None:
        return None if self._place is None else self._place.account.id


@contextmanager
def _store_trouble() -> Iterator[None]:
    """A provider's caller expects a provider's errors, and a store that is busy may be free again soon."""
    try:
        yield
    except StoreError as error:
        kind = type(error).__name__
        raise Unavailable(f"the login can't be kept now: {kind}", retry_after=_STORE_SECONDS) from None
