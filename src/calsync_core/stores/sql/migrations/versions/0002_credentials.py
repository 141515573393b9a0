"""Logins, sealed.

A revision is a record of what was: it repeats column types instead of importing those of today.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

_MARIADB = ("mysql", "mariadb")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "credentials",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False),
        sa.Column(
            "sealed",
            sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), *_MARIADB),
            nullable=False,
        ),
        sa.Column("saved_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), *_MARIADB), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_credentials"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_credentials_account_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    """Drop the table; the logins are to be given again."""
    op.drop_table("credentials")
