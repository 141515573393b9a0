"""A store in memory: for tests, trials and the demo. Gone with the process."""

from __future__ import annotations

from calsync_core.stores.memory.blocks import MemoryBlocks
from calsync_core.stores.memory.directory import MemoryDirectory
from calsync_core.stores.memory.events import MemoryEvents
from calsync_core.stores.memory.plans import MemoryPlans
from calsync_core.stores.memory.push import MemoryInbox, MemoryNotices, MemoryPush
from calsync_core.stores.memory.rows import Rows
from calsync_core.stores.memory.work import MemoryCredentials, MemoryLeases, MemoryRuns

__all__ = ["MemoryStore"]


class MemoryStore(
    MemoryDirectory,
    MemoryEvents,
    MemoryBlocks,
    MemoryPlans,
    MemoryPush,
    MemoryInbox,
    MemoryNotices,
    MemoryLeases,
    MemoryCredentials,
    MemoryRuns,
):
    """Everything ``Store`` asks for, in dictionaries behind one lock.

    Keeps the whole contract, fencing included, between the threads of one process. ``snapshot`` and ``restore`` play
    a backup and its return.
    """

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._rows.calendars)} calendars)"

    def snapshot(self) -> object:
        """Everything as it is now, for ``restore``. Later changes don't reach it."""
        with self._lock:
            return self._rows.copy()

    def restore(self, backup: object) -> None:
        """Go back to a ``snapshot``, of this store or another one; it can be restored any number of times.

        Raises:
            TypeError: it is no snapshot.
        """
        if not isinstance(backup, Rows):
            raise TypeError(f"backup: needs what snapshot() returned, got {type(backup).__name__}")
        with self._lock:
            self._rows = backup.copy()
