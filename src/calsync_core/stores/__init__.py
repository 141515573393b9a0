"""Where the record is kept. ``SQLStore`` lives in ``calsync_core.stores.sql`` and needs the extra ``sql``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calsync_core.stores.memory import MemoryStore
else:
    # Whoever keeps it elsewhere loads a part of this package, but not this one.
    def __getattr__(name):  # noqa: ANN001, ANN202  (no checker reads it)
        if name != "MemoryStore":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from calsync_core.stores.memory import MemoryStore  # noqa: PLC0415  (when it is asked for)

        return MemoryStore


__all__ = ["MemoryStore"]
