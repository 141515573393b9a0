"""The contract of pushes: subscribed, delivered, understood, renewed, ended."""
# ruff: noqa: S101  (a test kit asserts)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from typing import Protocol, cast, runtime_checkable

import pytest
from attrs import evolve, field, frozen

from calsync_core.errors import AuthExpired, InvalidValue, NotFound, PushUnsupported
from calsync_core.models import Calendar, Event, Outcome
from calsync_core.protocols import (
    EchoingProvider,
    Push,
    PushKind,
    PushProvider,
    PushRequest,
    Session,
    Subscription,
)
from calsync_core.testing.provider_contract.bench import START, Bench, BlockHands, meeting
from calsync_core.testing.provider_contract.fixtures import BUSY, KEY, LATER, Fixtures

__all__ = ["EchoHands", "PushContract", "PushHands", "Watch"]

_PAUSE_SECONDS = 5.0
"""Long enough for a renewed subscription to end later, short enough for a real service's clock."""


class PushHands(Protocol):
    """The host's endpoint, without anything behind it, and a look at the service's own books.

    A handshake that the service asks for while it is subscribed to is the endpoint's work: the hands answer it.

    Attributes:
        url: Where to push to.
    """

    url: str

    def arrived(self) -> Sequence[PushRequest]:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """Let everything that is on its way arrive; what came since the last call, handshakes apart."""

    def double(self) -> None:
        """What is on its way now will arrive twice."""

    def subscriptions(self) -> Mapping[str, datetime]:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """What the service has: ids, and when each ends."""


@runtime_checkable
class EchoHands(Protocol):
    """More hands, for services that ask the endpoint for a handshake; without them those tests are skipped."""

    def handshakes(self) -> Sequence[tuple[PushRequest, str]]:  # pyright: ignore[reportReturnType]  # a port's methods are their docstrings
        """What the service asked since the last call, each with the text that it wanted to hear."""


@frozen
class Watch:
    """A bench whose calendar can be watched."""

    bench: Bench
    endpoint: PushHands
    _numbers: count[int] = field(factory=lambda: count(1), repr=False)

    @property
    def provider(self) -> PushProvider:
        """The adapter, which is known to push."""
        return cast("PushProvider", self.bench.provider)

    def subscribe(self, calendar: Calendar | None = None, session: Session | None = None) -> tuple[Subscription, str]:
        """A new subscription, and its secret."""
        number = next(self._numbers)
        secret = f"Secret_{number}-" + "x" * 100
        made = self.provider.subscribe(
            session or self.bench.session,
            calendar or self.bench.calendar,
            subscription_id=f"contract-{number:04d}-abcdef_XYZ",
            secret=secret,
            url=self.endpoint.url,
        )
        return made, secret

    def pushes(self) -> list[Push]:
        """What arrived, understood; one request may hold several pushes."""
        return [push for request in self.endpoint.arrived() for push in self.provider.read_push(request)]

    def told(self) -> set[tuple[str | None, str | None]]:
        """Items and etags that the pushes named which arrived; skips where they name none."""
        pushes = [push for push in self.pushes() if push.kind is PushKind.CHANGED]
        assert pushes
        if all(push.item is None for push in pushes):
            pytest.skip("this service's pushes don't say what changed")
        return {(push.item, push.etag) for push in pushes}

    def change(self, uid: str = "a", start: datetime = START) -> Event:
        """Let the user book or move a meeting."""
        event = meeting(uid, start)
        self.bench.hands.put(event)
        return event


class PushContract(Fixtures):
    """What holds of a ``PushProvider``. Subclass it beside ``ProviderContract``, and give a fixture ``endpoint``.

    Attributes:
        announces: A new subscription begins with a push of its own (``PushKind.CREATED``).
    """

    announces = False

    @pytest.fixture
    def endpoint(self, calendar: Calendar) -> PushHands:
        """Where the service pushes to."""
        raise NotImplementedError("give a fixture 'endpoint'")

    @pytest.fixture
    def other_calendar(self) -> Calendar:
        """Another calendar of the same login, to be watched and written to as well."""
        raise NotImplementedError("give a fixture 'other_calendar'")

    @pytest.fixture
    def unpushable_calendar(self) -> Calendar:
        """A calendar that can be read and not watched."""
        pytest.skip("every calendar of this service can be watched")

    @pytest.fixture
    def watch(self, bench: Bench, endpoint: PushHands) -> Watch:
        """All of it together."""
        return Watch(bench, endpoint)

    def test_it_is_a_push_provider(self, watch: Watch) -> None:
        """The port's methods are there."""
        assert isinstance(watch.bench.provider, PushProvider)

    def test_a_subscription_is_as_the_service_has_it(self, watch: Watch) -> None:  # I-30
        """Its end is read back, never assumed."""
        made, _ = watch.subscribe()
        (ends,) = [end for name, end in watch.endpoint.subscriptions().items() if name == made.id]
        assert made.resource
        assert abs(made.expires_at - ends) < timedelta(seconds=1)
        assert made.expires_at > watch.bench.session.clock.now()

    def test_the_first_message_is_no_change(self, watch: Watch) -> None:  # I-29
        """Where a service announces a subscription, that is told apart, and proven like any push."""
        made, secret = watch.subscribe()
        first = watch.pushes()
        assert bool(first) is self.announces
        for push in first:
            assert (push.subscription_id, push.kind, push.secret) == (made.id, PushKind.CREATED, secret)
            assert push.resource in {None, made.resource}

    def test_a_change_is_pushed(self, watch: Watch) -> None:  # I-26, I-27
        """With what it takes to believe it, and nothing else."""
        made, secret = watch.subscribe()
        watch.pushes()
        watch.change()
        pushes = watch.pushes()
        assert pushes
        for push in pushes:
            assert (push.subscription_id, push.kind, push.secret) == (made.id, PushKind.CHANGED, secret)
            assert push.resource in {None, made.resource}
            assert push.expires_at is None or abs(push.expires_at - made.expires_at) < timedelta(seconds=1)

    def test_our_own_writes_are_pushed_too(self, watch: Watch) -> None:
        """An echo proves that the channel lives."""
        watch.subscribe()
        watch.pushes()
        watch.bench.create(KEY, BUSY)
        assert {push.kind for push in watch.pushes()} == {PushKind.CHANGED}

    def test_an_echo_names_our_write(self, watch: Watch) -> None:
        """Where a push says what changed, it says it of our block as a store knows it: so it costs no read."""
        bench = watch.bench
        watch.subscribe()
        watch.pushes()
        made = bench.create(KEY, BUSY)
        self._check_echo(watch, made)
        self._check_echo(watch, bench.update(KEY, LATER, bench.block(KEY).etag))

    def test_what_others_do_is_no_echo(self, watch: Watch) -> None:
        """A block changed by hand is named with another etag, a removed one with none that we know."""
        bench = watch.bench
        bench.create(KEY, BUSY)
        block = bench.block(KEY)
        watch.subscribe()
        watch.pushes()
        if isinstance(bench.hands, BlockHands):
            bench.hands.invite(block.key, "bo@example.com")
            assert (block.key, block.etag) not in watch.told()
            block = bench.block(KEY)
        bench.hands.remove(block.key)
        assert (block.key, block.etag) not in watch.told()

    def _check_echo(self, watch: Watch, outcome: Outcome) -> None:
        told, block = watch.told(), watch.bench.block(KEY)
        assert told == {(watch.bench.standing(KEY), block.etag)}
        assert outcome.etag in {None, block.etag}

    def test_messages_tell_pushes_apart(self, watch: Watch) -> None:  # I-27
        """Two changes are two messages; one that is delivered twice is one."""
        watch.subscribe()
        watch.pushes()
        watch.change("a")
        once = [push.message for push in watch.pushes()]
        watch.change("b")
        watch.endpoint.double()
        twice = [push.message for push in watch.pushes()]
        if None in {*once, *twice}:
            pytest.skip("nothing in this service's pushes tells them apart")
        assert not set(once) & set(twice)
        assert len(twice) == 2 * len(set(twice))

    def test_two_subscriptions_have_their_own_messages(
        self, watch: Watch, bench: Bench, other_calendar: Calendar
    ) -> None:  # I-26
        """What is pushed for one calendar proves nothing for another."""
        first, secret = watch.subscribe()
        second, other_secret = watch.subscribe(other_calendar)
        watch.pushes()
        watch.change()
        evolve(bench, calendar=other_calendar).create(KEY, BUSY)
        proven = {(push.subscription_id, push.secret) for push in watch.pushes()}
        assert proven == {(first.id, secret), (second.id, other_secret)}

    def test_renewal_leaves_no_gap(self, watch: Watch) -> None:  # I-30
        """It ends later under the same id, or a new one lives beside it until the old one is ended."""
        old, secret = watch.subscribe()
        watch.bench.session.clock.sleep(_PAUSE_SECONDS)
        new = watch.provider.renew(watch.bench.session, watch.bench.calendar, old)
        if new is not None:
            assert (new.id, new.resource) == (old.id, old.resource)
        else:
            new, secret = watch.subscribe()
            assert new.id != old.id
            watch.pushes()
            watch.change()
            assert {push.subscription_id for push in watch.pushes()} == {old.id, new.id}
            watch.provider.unsubscribe(watch.bench.session, old)
        assert new.expires_at > old.expires_at
        watch.pushes()
        watch.change("b")
        assert {(push.subscription_id, push.secret) for push in watch.pushes()} == {(new.id, secret)}

    def test_unsubscribed_is_silent(self, watch: Watch) -> None:
        """Twice is success; nothing arrives any more."""
        made, _ = watch.subscribe()
        watch.pushes()
        for _ in range(2):
            watch.provider.unsubscribe(watch.bench.session, made)
        assert made.id not in watch.endpoint.subscriptions()
        watch.change()
        assert watch.pushes() == []

    def test_renewing_what_is_gone(self, watch: Watch) -> None:  # I-30
        """Says that a new one is needed, one way or the other."""
        made, _ = watch.subscribe()
        watch.provider.unsubscribe(watch.bench.session, made)
        with suppress(NotFound):
            assert watch.provider.renew(watch.bench.session, watch.bench.calendar, made) is None

    def test_a_calendar_that_cannot_push_says_so(self, watch: Watch, unpushable_calendar: Calendar) -> None:  # I-30
        """For good, so that it is remembered and polled; and it can be read."""
        with pytest.raises(PushUnsupported):
            watch.subscribe(unpushable_calendar)
        assert evolve(watch.bench, calendar=unpushable_calendar).read().snapshot

    def test_a_vanished_calendar_is_not_watched(self, watch: Watch, vanished_calendar: Calendar) -> None:  # I-42
        """That is another thing than one which can't push."""
        with pytest.raises(NotFound):
            watch.subscribe(vanished_calendar)

    def test_a_refused_login_says_so(self, watch: Watch, wrong_session: Session) -> None:  # I-35
        """To subscribe and to end it; the subscription stays."""
        made, _ = watch.subscribe()
        with pytest.raises(AuthExpired):
            watch.subscribe(session=wrong_session)
        with pytest.raises(AuthExpired):
            watch.provider.unsubscribe(wrong_session, made)
        assert set(watch.endpoint.subscriptions()) == {made.id}

    def test_another_secret_comes_through_as_another(self, watch: Watch) -> None:  # I-26
        """Whoever compares it sees the forgery."""
        _, secret = watch.subscribe()
        watch.pushes()
        watch.change()
        forged = [_with_text(request, secret, "guessed") for request in watch.endpoint.arrived()]
        pushes = [push for request in forged for push in watch.provider.read_push(request)]
        assert pushes
        assert [push.secret for push in pushes if push.secret == secret] == []

    def test_secrets_are_not_shown(self, watch: Watch) -> None:  # I-39
        """Neither in what came nor in what was understood."""
        _, secret = watch.subscribe()
        watch.change()
        for request in watch.endpoint.arrived():
            assert secret not in repr(request)
            assert secret not in repr(watch.provider.read_push(request))

    def test_reading_is_pure(self, watch: Watch) -> None:  # I-26
        """The same twice, and no request for whatever strangers send."""
        watch.subscribe()
        watch.change()
        sent = watch.bench.session.meter.sent
        for request in watch.endpoint.arrived():
            assert watch.provider.read_push(request) == watch.provider.read_push(request)
        assert watch.bench.session.meter.sent == sent

    @pytest.fixture
    def handshakes(self, watch: Watch) -> Sequence[tuple[PushRequest, str]]:
        """What the service asks the endpoint while it is subscribed to."""
        if not isinstance(watch.provider, EchoingProvider):
            pytest.skip("this service believes an address without a handshake")
        if not isinstance(watch.endpoint, EchoHands):
            pytest.skip("the endpoint's hands don't tell of handshakes")
        watch.subscribe()
        asked = watch.endpoint.handshakes()
        assert asked
        return asked

    def test_a_handshake_is_answered_with_its_text(
        self, watch: Watch, handshakes: Sequence[tuple[PushRequest, str]]
    ) -> None:  # I-29
        """Every time, and without a request: the service waits for it."""
        sent = watch.bench.session.meter.sent
        provider = cast("EchoingProvider", watch.provider)
        for request, text in [*handshakes, *handshakes]:
            assert provider.read_handshake(request) == text
        assert watch.bench.session.meter.sent == sent

    def test_a_handshake_is_no_push(self, watch: Watch, handshakes: Sequence[tuple[PushRequest, str]]) -> None:  # I-29
        """And the other way round."""
        provider = cast("EchoingProvider", watch.provider)
        for request, _ in handshakes:
            with pytest.raises(InvalidValue):
                provider.read_push(request)
        watch.change()
        pushed = watch.endpoint.arrived()
        assert pushed
        assert {provider.read_handshake(request) for request in (*pushed, PushRequest({}))} == {None}

    def test_not_everything_is_repeated(
        self, watch: Watch, handshakes: Sequence[tuple[PushRequest, str]]
    ) -> None:  # I-26
        """The endpoint is nobody's loudspeaker."""
        for request, text in handshakes:
            with pytest.raises(InvalidValue):
                cast("EchoingProvider", watch.provider).read_handshake(_with_text(request, text, "x" * 100_000))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"garbage",
            b"\xff\xfe",
            b"null",
            b"[]",
            b"{}",
            b'"x"',
            b'{"value": 3}',
            b'{"value": [[]]}',
            b"[" * 20_000,
        ],
        ids=["empty", "text", "bytes", "null", "list", "object", "string", "number", "nested", "deep"],
    )
    def test_garbage_is_no_push(self, provider: PushProvider, body: bytes) -> None:  # I-26
        """One clear error for anything that strangers send."""
        for headers in ({}, {"content-type": "application/json"}, {"x-goog-channel-id": "", "x-other": "1"}):
            with pytest.raises(InvalidValue):
                provider.read_push(PushRequest(headers, {}, body))


def _with_text(request: PushRequest, old: str, new: str) -> PushRequest:
    headers, query = (
        {name: value.replace(old, new) for name, value in said.items()} for said in (request.headers, request.query)
    )
    return evolve(request, headers=headers, query=query, body=request.body.replace(old.encode(), new.encode()))
