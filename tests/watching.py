"""What must not be told, how it is known again in a text, and who told it (I-39). See ``leaks.py``."""

from __future__ import annotations

import base64
import logging
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import structlog
from attrs import define, field, frozen

from calsync_core import models
from calsync_core.core.identity import Keyring
from calsync_core.errors import CalsyncError
from calsync_core.protocols import Authorization, Push
from planted import DETAILS, GUESTS, SECRETS, TITLES

__all__ = ["STREAMS", "TESTS", "Leak", "Watch", "chain", "learn", "watch", "words"]

TESTS = str(Path(__file__).parent)
STREAMS = ("standard output", "standard error")
_PRINTED = (*STREAMS, "Captured ")
_PASSED_OVER = (
    *(__file__, f"{TESTS}/leaks.py", structlog.__path__[0], logging.__path__[0], "<attrs generated"),
    *(sys.modules["contextlib"].__file__ or "", sys.modules[CalsyncError.__module__].__file__ or ""),
)
"""Files that only pass on what others say."""

_MOST_LEARNT = 200

_KINDS = {SECRETS: "a secret", TITLES: "a title", GUESTS: "an attendee", DETAILS: "a description or place"}


def _in_base64(mark: str) -> Iterator[str]:
    """What every base64 text has in it that has the mark in it, as a header of HTTP's has a password."""
    for offset in range(3):
        coded = base64.b64encode(bytes(offset) + mark.encode()).decode().rstrip("=")
        yield coded[(0, 2, 3)[offset] : -1]


_MARKS = {shape: mark for mark in _KINDS for shape in (mark, *_in_base64(mark))}


@frozen
class Leak:
    """What came out and where. Never the value: this ends up in a log."""

    name: str
    channel: str
    place: str

    def __str__(self) -> str:
        return f"{self.name} in {self.channel} ({self.place})"


@define(eq=False)
class Watch:
    """What must not be told, what was looked through, and what came out.

    Attributes:
        learnt: Values that tests put into fields that must not be told, and the fields' names.
        ordinary: Values that are everyday words, which nobody could look for, by the fields' names.
        elsewhere: How many of those there were in workers of pytest-xdist.
        looked: How many texts, by channel.
        found: What came out in this phase of this test.
        doubted: Errors that were made while one was handled that says too much.
        module: Whose tests are running.
        fiction: What is printed now is meant to show titles.
    """

    learnt: dict[str, str] = field(factory=dict)
    ordinary: dict[str, set[str]] = field(factory=lambda: defaultdict(set))
    elsewhere: Counter[str] = field(factory=Counter)
    looked: Counter[str] = field(factory=Counter)
    found: list[Leak] = field(factory=list)
    doubted: list[BaseException] = field(factory=list)
    module: str = ""
    fiction: bool = False
    _lock: threading.Lock = field(factory=threading.Lock)

    def learn(self, name: str, value: object) -> None:
        """Remember a value that is unmistakable and has no mark."""
        if not isinstance(value, str) or not value or value in self.learnt or value in self.ordinary[name]:
            return
        if any(mark in value for mark in _KINDS):
            return
        if not _telling(name, value):
            self.ordinary[name].add(value)
            return
        with self._lock:
            if len(self.learnt) >= _MOST_LEARNT:
                del self.learnt[next(iter(self.learnt))]
            self.learnt[value] = name

    def names_in(self, text: str) -> list[str]:
        """Which of them a text gives away."""
        found = [_KINDS[mark] for shape, mark in _MARKS.items() if shape in text] if _any_mark(text) else []
        return found + [name for value, name in tuple(self.learnt.items()) if value in text]

    def look(self, channel: str, text: str, place: str | None = None, *, titles: bool = True) -> None:
        """Read one text; without a place, the caller's is to blame. ``titles`` False: they may be in it."""
        if self.fiction and channel.startswith(_PRINTED):
            return
        self.looked[channel] += 1
        names = [name for name in self.names_in(text) if titles or not name.endswith("title")]
        if names:
            place = _who(sys._getframe(1)) if place is None else place
            if place is not None:
                self.found += [Leak(name, channel, place) for name in names]


watch = Watch()
"""Of this process."""


def _any_mark(text: str) -> bool:
    return any(shape in text for shape in _MARKS)


def _telling(name: str, value: str) -> bool:
    """Whether it can be looked for: nobody says it by accident."""
    if name.endswith("title"):
        return len(value) >= 8 and " " in value and sum(map(str.isalpha, value)) >= 5
    return len(value) >= 16 or (len(value) >= 8 and not value.isalpha())


def _who(frame: FrameType | None) -> str | None:
    """Where the library said it; None: a test did."""
    while frame is not None and frame.f_code.co_filename.startswith(_PASSED_OVER):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith(TESTS):
        return None
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """It, and what its traceback would show before it."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def words(error: BaseException) -> str:
    return f"{error} {error!r} {getattr(error, '__notes__', '')}"


_UNTOLD: Mapping[type, tuple[str, ...]] = {
    models.Password: ("password",),
    models.BearerToken: ("token",),
    models.OAuthGrant: ("client_secret", "refresh_token", "access_token"),
    models.ServiceAccountGrant: ("key", "access_token"),
    models.Event: ("title",),
    Push: ("secret",),
    Authorization: ("record",),
}


_VERIFIERS = {"verifier", "code_verifier"}


def _learn_from(patch: pytest.MonkeyPatch, kind: type, names: tuple[str, ...]) -> None:
    original: Callable[..., None] = vars(kind)["__init__"]
    labels = [(name, f"{kind.__name__}.{name}") for name in names]

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        for name, label in labels:
            value = getattr(self, name)
            if isinstance(value, Mapping):
                value = next((value[each] for each in _VERIFIERS & value.keys()), None)
            watch.learn(label, value)

    patch.setattr(kind, "__init__", init)


def learn(patch: pytest.MonkeyPatch) -> None:
    for kind, names in _UNTOLD.items():
        _learn_from(patch, kind, names)
    keyring = Keyring.__init__

    @wraps(keyring)
    def init(self: Keyring, secrets: tuple[bytes, ...]) -> None:
        keyring(self, secrets)
        for secret in secrets:
            watch.learn("SyncEngine.secret", secret.decode())

    patch.setattr(Keyring, "__init__", init)
