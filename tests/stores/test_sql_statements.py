"""Statements are made once: a call of the store costs little more than sending constants would.

Counted in function calls, of whatever SQLAlchemy is installed.
"""

from __future__ import annotations

import sqlalchemy as sa

from calsync_core.models import Lease
from calsync_core.stores.sql import SQLStore
from calsync_core.stores.sql.tables import leases
from calsync_core.testing.store_kit import NOW
from counting import calls

MORE = 1.2
CONSTANTS = (
    sa.select(leases).where(leases.c.name == sa.bindparam("the_name")).with_for_update(),
    sa.update(leases).where(leases.c.name == sa.bindparam("the_name")),
)


def bare(store: SQLStore, lease: Lease, *statements: sa.Executable) -> None:
    """What renewing a lease asks of the database, and no more."""
    ask, change = statements
    with store._database.writing() as connection:
        row = connection.execute(ask, {"the_name": lease.name}).one()
        assert (row.name, row.holder, row.token, row.expires_at) == (lease.name, "me", 1, lease.expires_at)
        connection.execute(change, {"the_name": lease.name, "expires_at": lease.expires_at})


def test_a_call_makes_no_statement_anew(file_store: SQLStore) -> None:
    lease = file_store.acquire_lease("x", "me", 60, NOW)

    def ours() -> None:
        file_store.renew_lease(lease, 60, NOW)

    def constants() -> None:
        bare(file_store, lease, *CONSTANTS)

    def made_anew() -> None:
        mine = leases.c.name == lease.name
        bare(file_store, lease, sa.select(leases).where(mine).with_for_update(), sa.update(leases).where(mine))

    for work in (ours, constants, made_anew):
        work()
    assert calls(ours) < MORE * calls(constants)
    assert calls(made_anew) > MORE * calls(constants)  # so that this test can fail
