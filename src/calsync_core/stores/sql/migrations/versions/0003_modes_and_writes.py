"""Owners who are only observed, and what each run wrote, to be undone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Everybody goes on being written for; of earlier runs nobody knows what they wrote."""
    op.add_column("calsync_plan_states", sa.Column("mode", sa.String(32), nullable=False, server_default="write"))
    op.add_column("calsync_intents", sa.Column("ordered", sa.Boolean(), nullable=False, server_default=sa.false()))
    a_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    endless = mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
    op.create_table(
        "calsync_writes",
        sa.Column("run_id", a_number, nullable=False),
        sa.Column("intent_id", a_number, nullable=False),
        sa.Column("target_id", a_number, nullable=False),
        sa.Column("value", sa.Text().with_variant(endless, "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "intent_id", name="pk_calsync_writes"),
        sa.ForeignKeyConstraint(["run_id"], ["calsync_runs.id"], name="fk_calsync_writes_run_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["target_id"], ["calsync_calendars.id"], name="fk_calsync_writes_target_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_calsync_writes_target_id", "calsync_writes", ["target_id"])


def downgrade() -> None:
    """Drop them. Who was only observed would be written for: switch that off in the configuration first."""
    op.drop_table("calsync_writes")
    op.drop_column("calsync_intents", "ordered")
    op.drop_column("calsync_plan_states", "mode")
