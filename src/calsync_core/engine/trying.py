"""Before a host trusts the library, and after it was wrong to: observe, and undo."""

from __future__ import annotations

from calsync_core.engine.part import Part
from calsync_core.errors import InvalidValue
from calsync_core.models import Mode, UndoReport
from calsync_core.steps.undo import undo

__all__ = ["Trying"]


class Trying(Part):
    """What may be written for an owner, and taking back what a run wrote."""

    def set_mode(self, owner: str, mode: Mode | str) -> None:
        """Decide whether an owner is written for or only observed; also one who has no account yet.

        In ``"observe"`` everything goes on but the writing: calendars are read, subscriptions live, and each run tells
        in ``observed`` what it would have written. Nothing that was decided before is written either, but for the batch
        that a worker has just begun. What the host orders (``purge``, ``disconnect``, ``undo``) is carried out all the
        same. Back in ``"write"``, the next pass plans everything afresh and writes it.

        Raises:
            InvalidValue: ``owner`` is empty, or ``mode`` is neither.
        """
        if not owner.strip():
            raise InvalidValue("owner: must not be empty")
        self._store.save_mode(owner, Mode.of(mode))

    def mode(self, owner: str) -> Mode:
        """Whether an owner is written for or only observed."""
        return self._store.load_mode(owner)

    def undo(self, run_id: int) -> UndoReport:
        """Take back what one run wrote: blocks it created are deleted, updated ones say again what they said before,
        deleted ones are made again. An audit's repair and a purge are no runs.

        Only blocks that are still as the run left them are touched; the report names the others. Since the next sync
        would write the same again, owners for whom something is taken back are only observed from now on: change what
        was wrong, look at what the next run would write, and go back with ``set_mode(owner, "write")``.

        Calling it again does what is left to do. It is a run itself, which can be undone, and held by no guard.

        Args:
            run_id: ``SyncReport.id``. Runs are remembered until ``cleanup`` forgets them.

        Raises:
            UnknownRun: no such run.
        """
        taken_back = undo(self._context, run_id)
        self._deliver()
        return taken_back
