"""Names exactly as they are, in MariaDB too: its binary collation thinks that "ana" and "ana " are the same.

A revision is a record of what was: it repeats column types instead of importing those of today.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

_NAMES = {
    "accounts": ("owner", "name"),
    "calendars": ("owner",),
    "rules": ("owner",),
    "plan_states": ("owner",),
    "journal": ("owner",),
    "blocks": ("ref", "key", "owner"),
    "intents": ("owner", "ref", "claimed_name"),
    "notices": ("owner",),
    "leases": ("name", "holder"),
}
_SHORT = {"ref", "key"}
_NULLABLE = {"claimed_name"}


def upgrade() -> None:
    """Compare them without padding; nothing that was different becomes the same."""
    _collate("utf8mb4_nopad_bin")


def downgrade() -> None:
    """Compare them as before; refused where two names differ by spaces at their end alone."""
    _collate("utf8mb4_bin")


def _collate(collation: str) -> None:
    if op.get_bind().dialect.name != "mysql":
        return
    for table, columns in _NAMES.items():
        changes = (
            f"MODIFY `{column}` VARCHAR({191 if column in _SHORT else 255}) CHARACTER SET utf8mb4 "
            f"COLLATE {collation}{'' if column in _NULLABLE else ' NOT NULL'}"
            for column in columns
        )
        op.execute(f"ALTER TABLE `{table}` {', '.join(changes)}")
