"""What is told at the end, and what is never told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from attrs import define, field

from live.findings import Finding, Verdict

__all__ = ["Redaction", "Summary"]


@define
class Redaction:
    """The last guard: no line has a secret of the environment in it."""

    _secrets: set[str] = field(factory=set, repr=False)

    def hide(self, secrets: Iterable[str]) -> None:
        """Never show these."""
        self._secrets |= set(secrets)

    def apply(self, text: str) -> str:
        """The text without them."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "…")
        return text


@define
class Summary:
    """Counts, by service."""

    _verdicts: defaultdict[str, Counter[Verdict]] = field(factory=lambda: defaultdict(Counter))
    _requests: Counter[str] = field(factory=Counter)
    _calendars: dict[str, tuple[int, int]] = field(factory=dict)

    def note_finding(self, service: str, finding: Finding) -> None:
        """One more line."""
        self._verdicts[service][finding.verdict] += 1

    def note_requests(self, service: str, sent: int) -> None:
        """So many requests."""
        self._requests[service] += sent

    def note_calendars(self, service: str, made: int, swept: int) -> None:
        """So many scratch calendars made and removed, and so many of earlier runs."""
        self._calendars[service] = (made, swept)

    def lines(self) -> list[str]:
        """One per service that was asked anything."""
        return [self._line(service) for service in self._requests]

    def _line(self, service: str) -> str:
        found = self._verdicts[service]
        made, swept = self._calendars.get(service, (0, 0))
        names = {Verdict.HOLDS: "hold", Verdict.FAILS: "do not hold", Verdict.UNCLEAR: "unclear"}
        facts = ", ".join(f"{found[verdict]} {name}" for verdict, name in names.items())
        left = f" and {swept} of earlier runs" if swept else ""
        return (
            f"{service}: {found.total()} facts ({facts}); {self._requests[service]} requests sent; "
            f"scratch calendars removed: {made}{left}"
        )
