"""An enemy who knows the formats: valid documents with a few things in them changed, for tests of whatever reads them.

Not noise: noise is refused at the first look. What is changed here gets past it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import httpx

from calsync_core.errors import ProviderError

__all__ = ["TITLE", "Enemy", "Twisted", "asked"]

TITLE = "Dentist, of all people"
"""Every event in the documents is called so, and no error may say it (I-39)."""

_NUMBERS = (0, -1, 1, 2**31, 2**63, 10**400, -(10**400), 1.5, 1e300, float("nan"), float("inf"), float("-inf"))
_TIMES = (
    *("0001-01-01", "9999-12-31", "2026-02-30", "10000-01-01", "0001-01-01T00:00:00+14:00", "2026-03-02T25:00:00Z"),
    *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999", "2026-03-02T09:00:00+99:99"),
    *("2026-03-02T09:00:00", "2026-W10-1", "20260302T090000Z", "2026-03-02T09:00:00.123456789Z", "-2026-03-02"),
)
_TEXTS = (
    *(
        "",
        " ",
        "\x00",
        "\ud83d",
        "\u2028",
        "\u202e",
        "\r\nX-Injected: yes",
        "../../etc/passwd",
        "a/b?c#d%2e%2e",
        "x" * 5_000,
    ),
    *("0", "-1", "9" * 5_000, "1e999", "NaN", "true", "null", "{}", "٣", "cancelled", "seriesMaster", "default"),
    *("http://evil.example/", "//evil.example/x", "http://[", "http://localhost:99999/", "http://u:p@localhost/"),
    *("America/New_York", "localtime", "posixrules", "/etc/localtime", "Europe", "W. Europe Standard Time"),
    *("RRULE:FREQ=SECONDLY", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "EXDATE:99991231T235959Z", "RDATE:00010101"),
    *("calsync-0-0", "calsync-x", "ca15nc0re0g0", "ca15nc0re", "CalSync [source:a@b.c:d:e]"),
)


class Enemy:
    """Changes documents at random places.

    Args:
        chance: Decides everything.
    """

    def __init__(self, chance: Random) -> None:
        self.chance = chance

    def now_and_then(self, one_in: int) -> bool:
        """Whether it happens this time."""
        return self.chance.randrange(one_in) == 0

    def value(self) -> Any:
        """What JSON can say and nobody expects."""
        kind = self.chance.randrange(7)
        if kind == 0:
            return self.chance.choice((None, True, False, [], {}, [None], [[]], {"": {}}))
        if kind == 1:
            return self.chance.choice(_NUMBERS)
        if kind == 2:
            return self.chance.choice(_TIMES)
        if kind == 3:
            deep: Any = 0
            for _ in range(self.chance.choice((5, 60, 120))):
                deep = [deep]
            return deep
        return self.chance.choice(_TEXTS)

    def document(self, whole: Any) -> Any:
        """A copy with one to three changes."""
        changed = copy.deepcopy(whole)
        for _ in range(self.chance.randrange(1, 4)):
            places = list(_places(changed))
            if not places:
                return self.value()
            self._change(*self.chance.choice(places), places)
        return changed

    def _change(self, inside: Any, at: Any, places: Sequence[tuple[Any, Any]]) -> None:
        kind = self.chance.randrange(8)
        if kind == 0:
            del inside[at]
        elif kind == 1:
            other, there = self.chance.choice(places)
            inside[at] = copy.deepcopy(other[there])
        elif kind == 2:
            inside[at] = [inside[at], copy.deepcopy(inside[at])]
        elif kind == 3 and isinstance(inside, list):
            inside.extend(copy.deepcopy(inside[at]) for _ in range(self.chance.choice((1, 30))))
        elif kind == 4 and isinstance(inside, list):
            self.chance.shuffle(inside)
        elif kind == 5 and isinstance(inside[at], str):
            inside[at] = self.text(inside[at], _TEXTS)
        else:
            inside[at] = self.value()

    def text(self, whole: str, pieces: Sequence[str] = _TEXTS) -> str:
        """A copy with one to three changes; ``pieces`` are put in."""
        for _ in range(self.chance.randrange(1, 4)):
            first, last = sorted(self.chance.randrange(len(whole) + 1) for _ in range(2))
            last = min(last, first + 80)
            kind = self.chance.randrange(5)
            if kind == 0:
                whole = whole[:first] + whole[last:]
            elif kind == 1:
                whole = whole[:last] + whole[first:]
            elif kind == 2:
                whole = whole[:first] + self.chance.choice(pieces) + whole[last:]
            elif kind == 3:
                whole = whole[:first] + self.chance.choice(pieces) + whole[first:]
            elif self.now_and_then(4):
                whole = whole[:last]
        return whole

    def lines(self, whole: str, pieces: Sequence[str]) -> str:
        """A copy with one to four lines left out, doubled, moved, changed or put in."""
        lines = whole.splitlines()
        for _ in range(self.chance.randrange(1, 5)):
            at = self.chance.randrange(len(lines))
            kind = self.chance.randrange(7)
            if kind == 0 and len(lines) > 1:
                del lines[at]
            elif kind == 1:
                lines[at:at] = [lines[at]] * self.chance.choice((1, 40))
            elif kind == 2:
                lines.append(lines.pop(at))
            elif kind == 3:
                lines[at] = self.text(lines[at], _TEXTS)
            elif kind == 4:
                name = lines[at].partition(":")[0]
                lines[at] = f"{name}:{self.chance.choice(pieces).partition(':')[2]}"
            else:
                lines.insert(at, self.chance.choice(pieces))
        return "\r\n".join(lines) + "\r\n"

    def octets(self, whole: bytes) -> bytes:
        """A copy that is cut off, doubled, or has bytes flipped."""
        at = self.chance.randrange(len(whole) + 1)
        kind = self.chance.randrange(5)
        if kind == 0:
            return whole[:at]
        if kind == 1:
            return whole + whole
        if kind == 2:
            return whole.decode("utf-8", "replace").encode(self.chance.choice(("utf-16", "utf-32-le", "utf-7")))
        if kind == 3:
            return whole[:at] + self.chance.choice((b"\xff", b"\x00", b"\xed\xa0\x80", b"&x;", b"<!--")) + whole[at:]
        return whole[:at] + bytes([self.chance.randrange(256)]) + whole[at + 1 :]

    def json(self, body: bytes) -> bytes:
        """A JSON text with changes; one that is none is changed as bytes."""
        try:
            whole = json.loads(body)
        except ValueError:
            return self.octets(body)
        if self.now_and_then(8):
            return self.octets(body)
        made = json.dumps(self.document(whole)).encode()
        # Names that come twice: readers differ over which of them counts.
        return made.replace(b'"id"', b'"id": 5, "id"', 1) if self.now_and_then(20) else made


def _places(inside: Any) -> Sequence[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    if isinstance(inside, dict | list):
        keys: Sequence[Any] = list(inside) if isinstance(inside, dict) else range(len(inside))
        for key in keys:
            found.append((inside, key))
            if len(found) < 2_000:
                found.extend(_places(inside[key]))
    return found


class Twisted(httpx.BaseTransport):
    """A service whose answers an enemy changes on their way.

    Attributes:
        sent: How many requests came.
        hosts: Which hosts they were for.
    """

    def __init__(self, inner: httpx.BaseTransport, enemy: Enemy) -> None:
        self._inner = inner
        self._enemy = enemy
        self.sent = 0
        self.hosts: set[str] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As the service answers, or nearly so."""
        self.sent += 1
        self.hosts.add(request.url.host)
        answer = self._inner.handle_request(request)
        body, headers, status = answer.read(), dict(answer.headers), answer.status_code
        headers.pop("content-length", None)
        if self._enemy.now_and_then(3):
            return httpx.Response(status, headers=headers, content=body)
        if self._enemy.now_and_then(10):
            status = self._enemy.chance.choice((100, 204, 302, 400, 401, 403, 404, 409, 410, 412, 429, 500, 503, 999))
        if self._enemy.now_and_then(10):
            name = self._enemy.chance.choice(("Retry-After", "Location", "Content-Type", "Content-Encoding", "ETag"))
            value = self._enemy.chance.choice((*_TEXTS[6:], *_TIMES, "1e300", "gzip, gzip"))
            headers[name] = value.encode("utf-8", "replace").decode("latin-1")
        multipart = answer.headers.get("content-type", "").startswith("multipart")
        return httpx.Response(
            status, headers=headers, content=self._parts(body) if multipart else self._enemy.json(body)
        )

    def _parts(self, body: bytes) -> bytes:
        """A batch's answer with parts changed."""
        pieces = ("HTTP/1.1 999 x", f"HTTP/1.1 {'9' * 5_000} x", "Content-ID: <response-call-0>", "To: <", "\r\n\r\n")
        return self._enemy.lines(body.decode("latin-1"), pieces).encode("latin-1", "replace")


def asked(*questions: Callable[[], object]) -> list[object]:
    """The answers to those questions that were not refused; a refusal is one of ours, and says nothing it must not."""
    answers: list[object] = []
    for question in questions:
        try:
            answers.append(question())
        except ProviderError as refusal:
            _check(f"{refusal!r} {refusal.__cause__!r}")
    return answers


def _check(said: str) -> None:
    assert TITLE not in said
    assert len(said) < 2_000
