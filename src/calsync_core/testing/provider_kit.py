"""The contract of ``Provider`` as tests that an adapter's author subclasses. Needs pytest.

::

    class TestMyProvider(ProviderContract):
        @pytest.fixture
        def provider(self): return MyProvider()

        @pytest.fixture
        def session(self): return Session(account, StaticTokens(password), RequestMeter(), VirtualClock())

        @pytest.fixture
        def wrong_session(self): ...        # the same account with a wrong password

        @pytest.fixture
        def calendar(self): ...             # empty, writable, fresh for every test

        @pytest.fixture
        def remote(self, calendar): ...     # RemoteHands: what the user does in an app

A provider that only publishes keeps ``PublishingContract``, with the same fixtures.

A provider that pushes keeps ``PushContract`` as well: subclass both, and give the fixtures ``endpoint`` (PushHands:
what arrives at the host's address; EchoHands too, where the service asks for a handshake) and ``other_calendar``.

Nothing is mocked: give it the real service, or a simulator that is itself checked. What a service can't do is said in
the class attributes, or by hands that lack the method; those tests are skipped by name.
"""

from calsync_core.testing.provider_contract.bench import START, Bench, BlockHands, CorruptingHands, RemoteHands
from calsync_core.testing.provider_contract.blocks import BlocksContract, TamperingContract
from calsync_core.testing.provider_contract.events import EventsContract
from calsync_core.testing.provider_contract.push import EchoHands, PushContract, PushHands
from calsync_core.testing.provider_contract.reading import LoginsContract, ReadingContract

__all__ = [
    "START",
    "Bench",
    "BlockHands",
    "CorruptingHands",
    "EchoHands",
    "ProviderContract",
    "PublishingContract",
    "PushContract",
    "PushHands",
    "RemoteHands",
]


class PublishingContract(LoginsContract, ReadingContract, EventsContract):
    """Everything that holds of every provider, whether it can be written to or not. Subclass it, give the fixtures."""


class ProviderContract(PublishingContract, BlocksContract, TamperingContract):
    """Everything that holds of a ``Provider``. Subclass it, give the fixtures, name the subclass ``Test…``."""
