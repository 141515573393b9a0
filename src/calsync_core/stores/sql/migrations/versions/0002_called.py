"""A call for a look that whoever saves the Watch meanwhile does not take for answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; a call that waits now is in the times of its Watch."""
    op.add_column("calsync_watches", sa.Column("called", sa.Integer()))
    op.create_index("ix_calsync_watches_called", "calsync_watches", ["called"])


def downgrade() -> None:
    """Drop it; who was called for has a look at everything at the next start."""
    op.drop_index("ix_calsync_watches_called", "calsync_watches")
    op.drop_column("calsync_watches", "called")
