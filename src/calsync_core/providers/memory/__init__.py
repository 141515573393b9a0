"""A complete calendar service in memory, and the adapter that speaks to it.

For hosts' tests, and the model for authors of adapters: ``service`` is the server and the hands of its users,
``wire`` the pure translation between the server's words and ours, ``push`` its subscriptions and the words of its
pushes, ``adapter`` the ``PushProvider``.

::

    service = MemoryService()
    service.add_user("ana", "secret", email="ana@example.com")
    work = service.add_calendar("ana", "Work", primary=True)
    service.put(work, service.event("planning", start, end, title="Planning"))
    engine = SyncEngine(providers={"memory": MemoryProvider(service)}, ...)
"""

from calsync_core.providers.memory.adapter import MemoryProvider
from calsync_core.providers.memory.service import HeldSubscription, MemoryService, PushHabits, Write

__all__ = ["HeldSubscription", "MemoryProvider", "MemoryService", "PushHabits", "Write"]
