"""Calendars that have no Watch yet are found without looking at all the others."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the index."""
    op.create_index("ix_watches_state", "watches", ["state"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_watches_state", "watches")
