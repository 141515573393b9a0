"""The contract of ``Store`` as tests that a store's author subclasses. Needs pytest.

::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self): return MyStore(...)        # empty, fresh for every test

Every sentence of ``calsync_core.protocols.store`` that can be broken has a test here that tries to.
"""

from calsync_core.testing.store_contract.absorbing import AbsorbingContract
from calsync_core.testing.store_contract.bench import (
    NOW,
    StoreBench,
    a_block,
    a_notification,
    a_subscription,
    an_event,
    an_item,
    an_operation,
)
from calsync_core.testing.store_contract.blocks import BlockStoreContract
from calsync_core.testing.store_contract.credentials import CredentialsContract
from calsync_core.testing.store_contract.directory import DirectoryContract
from calsync_core.testing.store_contract.finding import FindingContract
from calsync_core.testing.store_contract.inbox import InboxContract
from calsync_core.testing.store_contract.journal import JournalContract
from calsync_core.testing.store_contract.notices import NoticesContract, VitalsContract
from calsync_core.testing.store_contract.outcomes import OutcomesContract
from calsync_core.testing.store_contract.plans import PlansContract
from calsync_core.testing.store_contract.push import SubscriptionsContract, WatchesContract
from calsync_core.testing.store_contract.standings import StandingsContract
from calsync_core.testing.store_contract.together import TogetherContract
from calsync_core.testing.store_contract.trying import TryingContract
from calsync_core.testing.store_contract.work import LeasesContract, RunsContract

__all__ = [
    "NOW",
    "StoreBench",
    "StoreContract",
    "a_block",
    "a_notification",
    "a_subscription",
    "an_event",
    "an_item",
    "an_operation",
]


class StoreContract(
    TogetherContract,
    DirectoryContract,
    AbsorbingContract,
    JournalContract,
    FindingContract,
    BlockStoreContract,
    PlansContract,
    OutcomesContract,
    TryingContract,
    SubscriptionsContract,
    WatchesContract,
    InboxContract,
    NoticesContract,
    VitalsContract,
    StandingsContract,
    LeasesContract,
    CredentialsContract,
    RunsContract,
):
    """Everything that holds of every store. Subclass it, give the fixture ``store``, name the subclass ``Test…``."""
