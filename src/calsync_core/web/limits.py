"""How often one address may be wrong."""

from __future__ import annotations

import threading
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network

from calsync_core.protocols import Clock

__all__ = ["Limiter"]

_MOST_ADDRESSES = 4_096


class Limiter:
    """A token bucket for each address that was wrong lately. Thread-safe, and of bounded size.

    Only what was refused or dropped is charged: an address that always sends authentic pushes is never kept waiting.
    Who has a network of IPv6 addresses has one bucket for them.

    Args:
        per_minute: So many mistakes at once, and so many more in each minute.
        clock: Its ``monotonic`` is asked.
        most: Addresses remembered; beyond, the one longest not seen is forgotten.
    """

    def __init__(self, per_minute: int, clock: Clock, *, most: int = _MOST_ADDRESSES) -> None:
        self._capacity = float(per_minute)
        self._rate = per_minute / 60
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        with self._lock:
            return len(self._buckets)

    def wait(self, address: str | None) -> float:
        """Seconds until this address is listened to again; 0: now. One that the server does not name never waits."""
        if address is None:
            return 0.0
        with self._lock:
            level = self._level(_network(address), self._clock.monotonic())
        return 0.0 if level >= 1 else (1 - level) / self._rate

    def charge(self, address: str | None) -> None:
        """It was wrong once more."""
        if address is None:
            return
        key, now = _network(address), self._clock.monotonic()
        with self._lock:
            self._buckets[key] = (max(0.0, self._level(key, now) - 1), now)
            self._buckets.move_to_end(key)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)

    def _level(self, key: str, now: float) -> float:
        level, at = self._buckets.get(key, (self._capacity, now))
        return min(self._capacity, level + (now - at) * self._rate)


def _network(address: str) -> str:
    """What is charged: an IPv4 address, the /64 of an IPv6 address, or whatever else the server calls its client."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), 64), strict=False))
