"""Where the record is kept. ``SQLStore`` lives in ``calsync_core.stores.sql`` and needs the extra ``sql``."""

from calsync_core.stores.memory import MemoryStore

__all__ = ["MemoryStore"]
