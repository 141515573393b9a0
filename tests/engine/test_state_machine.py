"""The promises under random histories; see ``machine`` for what can happen in one."""

from __future__ import annotations

from hypothesis import settings

from machine import Histories

# How many histories: as the profile says (``HYPOTHESIS_PROFILE=torture`` for an evening's search).
TestOverMemory = Histories.TestCase
TestOverMemory.settings = settings(stateful_step_count=30)
