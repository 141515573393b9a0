"""What servers do that load an application and then fork: a test's own child process."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

__all__ = ["forks", "in_a_child"]

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_a_child(holds: Callable[[], bool]) -> bool:
    """Whether this holds in a child of this process, which ends with it."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if holds() else 1)
        except BaseException:  # noqa: BLE001  (the child must never return into pytest)
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
