"""What the command line says was written."""

from __future__ import annotations

from typing import cast

from calsync_core.cli.writes import WitnessedStore
from calsync_core.models import Outcome, OutcomeStatus
from calsync_core.protocols import Store
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.trouble import Contended
from calsync_core.testing.store_kit import NOW, StoreBench, a_block, an_operation


def test_what_is_stored_again_since_another_was_in_the_way_is_one_write() -> None:
    store = WitnessedStore(SQLStore("sqlite://"))
    bench = StoreBench(cast("Store", store))  # it gets the port's methods where no checker sees them
    block = a_block(bench.source, bench.target)
    operation = an_operation(block)
    bench.plan(operation, records=(block,))
    lease = bench.lease_of(bench.target)
    [intent] = store.claim_intents(lease, bench.target.key, 9, NOW)
    tries: list[int] = []

    def contended() -> None:
        store.record_outcomes(lease, bench.target.key, [Outcome(intent.id, OutcomeStatus.DONE)], NOW)
        tries.append(1)
        if len(tries) == 1:
            raise Contended("another transaction was in the way")

    bench.store.together(contended)
    assert len(tries) == 2
    assert store.take_written() == [operation]
    store.close()
