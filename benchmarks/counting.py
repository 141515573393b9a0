"""What databases are asked, counted: the same on every machine, however busy it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from attrs import define, field
from sqlalchemy import event

__all__ = ["Counted", "counting"]


@define
class Counted:
    """What was asked of a database."""

    statements: int = 0
    transactions: int = 0
    writing: int = 0
    _wrote: set[int] = field(factory=set)

    def clear(self) -> None:
        """Begin anew."""
        self.statements = self.transactions = self.writing = 0

    def each(self, pieces: int) -> dict[str, float]:
        """For each of so many pieces."""
        return {name: getattr(self, name) / pieces for name in ("statements", "transactions", "writing")}

    def executed(self, connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        """SQLAlchemy tells of a statement."""
        word = statement.split(None, 1)[0].upper()
        if word in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"} and "set_config" not in statement:
            self.statements += 1
        if word in {"INSERT", "UPDATE", "DELETE"}:
            self._wrote.add(id(connection))

    def committed(self, connection: sa.Connection) -> None:
        """SQLAlchemy tells of the end of a transaction."""
        self.transactions += 1
        self.writing += id(connection) in self._wrote
        self._wrote.discard(id(connection))


@contextmanager
def counting() -> Iterator[Counted]:
    """Count what all databases of this process are asked."""
    counted = Counted()
    event.listen(sa.Engine, "after_cursor_execute", counted.executed)
    event.listen(sa.Engine, "commit", counted.committed)
    try:
        yield counted
    finally:
        event.remove(sa.Engine, "after_cursor_execute", counted.executed)
        event.remove(sa.Engine, "commit", counted.committed)
