"""Calls for a look and for a new plan, which whoever saves a Watch or a plan meanwhile does not take for answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; a call that waits now is in the times of its Watch."""
    op.add_column("calsync_plan_states", sa.Column("resets", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("calsync_watches", sa.Column("called", sa.Integer()))
    op.create_index("ix_calsync_watches_called", "calsync_watches", ["called"])


def downgrade() -> None:
    """Drop them; who was called for has a look at everything at the next start."""
    op.drop_index("ix_calsync_watches_called", "calsync_watches")
    op.drop_column("calsync_watches", "called")
    op.drop_column("calsync_plan_states", "resets")
