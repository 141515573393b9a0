"""Facts, what was seen of them, and the line that says so."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

import httpx
from attrs import evolve, frozen

from calsync_core.errors import CalsyncError

__all__ = ["Finding", "Probe", "Seen", "Unanswered", "Verdict", "fact"]

Seen: TypeAlias = tuple[bool | None, str]
"""Whether the fact holds (None: nobody can tell), and what was seen: statuses, codes and counts, never a value."""

_World = TypeVar("_World")


class Unanswered(Exception):
    """A request that only prepared a probe was refused; the message says how."""


class Verdict(StrEnum):
    """What became of a fact."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNCLEAR = "unclear"

    @classmethod
    def of(cls, holds: bool | None) -> Verdict:  # noqa: FBT001  (a verdict's own value)
        """The verdict's name."""
        return {True: cls.HOLDS, False: cls.FAILS, None: cls.UNCLEAR}[holds]


@frozen
class Finding:
    """One line of the run."""

    verdict: Verdict
    fact: str
    expected: str
    seen: str

    @property
    def line(self) -> str:
        """As printed."""
        return f"[{self.verdict}] {self.fact} {self.expected} — {self.seen}"


@frozen
class Probe(Generic[_World]):
    """Looks into one fact.

    Attributes:
        id: Of the fact; stable, so that runs can be compared.
        expected: What is believed, as the end of "it is said that".
        opposite: The belief is that the probe's question is answered with no.
    """

    id: str
    expected: str
    _look: Callable[[_World], Seen]
    opposite: bool = False

    def look_into(self, world: _World) -> Finding:
        """Look; a refusal on the way to the question leaves it unclear."""
        try:
            holds, seen = self._look(world)
        except Unanswered as refused:
            return Finding(Verdict.UNCLEAR, self.id, self.expected, f"could not be tried: {refused}")
        except CalsyncError as error:
            return Finding(Verdict.UNCLEAR, self.id, self.expected, f"could not be tried: {type(error).__name__}")
        except httpx.HTTPError as broken:
            return Finding(Verdict.UNCLEAR, self.id, self.expected, f"the network failed: {type(broken).__name__}")
        if self.opposite and holds is not None:
            holds = not holds
        return Finding(Verdict.of(holds), self.id, self.expected, seen)

    def denied(self, fact_id: str, expected: str) -> Probe[_World]:
        """The same question where the opposite is believed."""
        return evolve(self, id=fact_id, expected=expected, opposite=not self.opposite)


def fact(fact_id: str, expected: str) -> Callable[[Callable[[_World], Seen]], Probe[_World]]:
    """Make a function the probe of this fact."""
    return lambda look: Probe(fact_id, expected, look)
