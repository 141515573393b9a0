"""Fails the test in which a secret, a title or an attendee came out of the library, wherever that was (I-39).

Everything said during a test is read: log lines of structlog and of ``logging`` down to DEBUG, every ``CalsyncError``
that is made and what it would drag along in a traceback, notices and failures, reports as dictionaries, web answers,
what commands and processes print, and the bytes of the databases that a test leaves.

What is looked for: the marks of ``planted.py``, plain or in base64, and what the test itself put into a field that must
not be told, like ``Password.password`` or ``Event.title``. Such a value is left out if it is an everyday word.

A test's own lines, its own errors and what it prints itself are nobody's leak.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import structlog

from calsync_core import models
from calsync_core.errors import CalsyncError
from calsync_core.web.connect import Connector
from calsync_core.web.receiver import Received, Receiver, Reply
from watching import STREAMS, TESTS, chain, learn, watch, words

UNHEARD: Mapping[str, str] = {
    "sqlalchemy": "at DEBUG it shows all rows that it reads, and can't be told not to; test_sql.py listens to its INFO",
}
"""Loggers of other libraries that are not listened to, and why: what they show is out of this library's hands."""

_LISTENING = 1
"""The root logger's level: below every other, so that a level set by anybody else is known by its number."""


# -- where it could come out -------------------------------------------------------------------------------------------


def _watch_structlog(patch: pytest.MonkeyPatch) -> None:
    base = structlog.BoundLoggerBase
    original = base._process_event

    def process(self: Any, method: str, event: str | None, values: dict[str, Any]) -> Any:
        text = repr((event, dict(self._context), values, structlog.contextvars.get_contextvars()))
        given = values.get("exc_info")
        error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
        watch.look("a log line", text if error is None else text + "".join(traceback.format_exception(error)))
        return original(self, method, event, values)

    patch.setattr(base, "_process_event", process)


def _watch_logging(patch: pytest.MonkeyPatch) -> None:
    original = logging.Logger.callHandlers

    def call(self: logging.Logger, record: logging.LogRecord) -> None:
        if not record.pathname.startswith(TESTS):
            error = record.exc_info[1] if record.exc_info else None
            text = record.getMessage() + ("" if error is None else "".join(traceback.format_exception(error)))
            watch.look("a log record", text, f"{record.name} {record.levelname} {record.filename}:{record.lineno}")
        if record.levelno >= logging.WARNING or self.getEffectiveLevel() != _LISTENING:
            original(self, record)

    patch.setattr(logging.Logger, "callHandlers", call)
    patch.setattr(logging.root, "level", _LISTENING)
    logging.root.manager._clear_cache()  # type: ignore[attr-defined]  # typeshed leaves it out; setLevel does the same


def _watch_errors(patch: pytest.MonkeyPatch) -> None:
    original = CalsyncError.__init__

    def init(self: CalsyncError, *args: object) -> None:
        original(self, *args)
        watch.look("an exception", repr(args))
        context = sys.exc_info()[1]
        if context is not None and any(watch.names_in(words(error)) for error in chain(context)):
            watch.doubted.append(self)  # until it is known whether it was raised from None

    patch.setattr(CalsyncError, "__init__", init)


def _judge_doubted() -> None:
    """Errors made while one was handled that says too much: does a traceback of theirs show it?"""
    for error in watch.doubted:
        for one in list(chain(error))[1:]:
            place = traceback.extract_tb(one.__traceback__)[-1:]
            if place and place[0].filename.startswith(TESTS):
                continue
            where = f"{type(one).__name__} behind {type(error).__name__}"
            watch.look("an exception's traceback", words(one), f"{where}, {place[0].name if place else 'unraised'}")
    watch.doubted.clear()


def _watch_values(patch: pytest.MonkeyPatch) -> None:
    """What is kept to be shown to people."""

    def watched(kind: type, shown: Callable[[Any], object]) -> None:
        original: Callable[..., None] = vars(kind)["__init__"]

        @wraps(original)
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            words = shown(self)
            if words:
                watch.look(f"a {kind.__name__}", repr(words))

        patch.setattr(kind, "__init__", init)

    watched(models.Notice, lambda notice: notice.detail)
    watched(models.SyncFailure, lambda failure: failure)
    watched(models.Outcome, lambda outcome: outcome.message)
    watched(models.Unreadable, lambda unreadable: unreadable.reason)


def _watch_results(
    patch: pytest.MonkeyPatch, owner: type, name: str, read: Callable[..., Iterable[tuple[str, Any]]]
) -> None:
    """Look through what a method returns, or whatever ``read`` makes of the call."""
    original = getattr(owner, name)

    @wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        for channel, text in read(self, args, result):
            if text:
                watch.look(channel, text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text), channel)
        return result

    patch.setattr(owner, name, call)


def _watch_answers(patch: pytest.MonkeyPatch) -> None:
    for kind in (getattr(models, name) for name in models.__all__):
        if isinstance(kind, type) and "as_dict" in vars(kind):
            _watch_results(
                patch, kind, "as_dict", lambda self, _args, found: [(f"{type(self).__name__}.as_dict", found)]
            )
    _watch_results(patch, Receiver, "answer", lambda _self, args, reply: [_answered(args[0], reply)])
    _watch_results(
        patch, Connector, "answer", lambda _self, _args, reply: [("a page", f"{reply.headers}{reply.body!r}")]
    )
    _watch_results(
        patch, subprocess.Popen, "communicate", lambda _self, _args, streams: zip(STREAMS, streams, strict=True)
    )
    _watch_results(
        patch, pytest.CaptureFixture, "readouterr", lambda _self, _args, streams: zip(STREAMS, streams, strict=True)
    )
    if find_spec("click") is not None:
        from click.testing import CliRunner  # noqa: PLC0415  (an extra)

        _watch_results(patch, CliRunner, "invoke", _printed)


def _shown(reply: Reply) -> str:
    """All but where people are sent with what they are to bring back, and what their browser keeps sealed."""
    headers = [value for name, value in reply.headers if name not in {"Location", "Set-Cookie"}]
    return f"{headers} {reply.body!r}"


def _answered(received: Received, reply: Reply) -> tuple[str, bytes]:
    """A handshake's answer is its sender's own words."""
    route = received.path.strip("/")
    return (
        (f"the answer of /{route}", reply.body) if route in {"health", "metrics", "status"} else ("a web answer", b"")
    )


def _printed(_runner: object, _args: object, result: Any) -> Iterable[tuple[str, Any]]:
    return [
        *zip(STREAMS, (result.stdout, result.stderr), strict=True),
        ("a command's exception", _told(result.exception)),
    ]


def _told(error: BaseException | None) -> str:
    return " ".join(map(words, chain(error)))


def _look_at_files(folder: Path) -> None:
    """Databases hold no login, attendee or text; nor do the streams that processes wrote into files."""
    for path in folder.rglob("*"):
        if ".db" in path.name and path.is_file():
            # Titles are in it: rules need them (decision 7).
            watch.look("a database's bytes", path.read_bytes().decode("latin-1"), path.name, titles=False)
        elif path.name in {"log", "out"} and path.is_file():
            watch.look("a process's stream", path.read_text("utf-8"), path.name)


# -- pytest ------------------------------------------------------------------------------------------------------------

_patch = pytest.MonkeyPatch()


def pytest_configure() -> None:
    learn(_patch)
    for install in (_watch_structlog, _watch_logging, _watch_errors, _watch_values, _watch_answers):
        install(_patch)


def pytest_unconfigure() -> None:
    _patch.undo()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What another module's tests learnt is not this one's; and a command may have silenced libraries in this process.

    Tests marked ``fiction`` print what people who don't exist have in their calendars.
    """
    watch.fiction = item.get_closest_marker("fiction") is not None
    if watch.module != item.nodeid.partition("::")[0]:
        watch.module = item.nodeid.partition("::")[0]
        watch.learnt.clear()
    for name in [*logging.root.manager.loggerDict]:
        logger, level = logging.getLogger(name), logging.WARNING if name in UNHEARD else logging.NOTSET
        if logger.level != level:  # setting it empties the caches of all loggers there are
            logger.setLevel(level)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the phase in which something came out."""
    report = yield
    _judge_doubted()
    if report.when == "call":
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        if folder is not None:
            _look_at_files(folder)
    for name, text in report.sections:
        if name.endswith(report.when):
            watch.look(name, text, name)
    if watch.found:
        told = "\n".join(f"leaked: {leak}" for leak in dict.fromkeys(watch.found))
        if report.outcome == "failed":
            report.sections.append(("leaks", told))
        report.outcome, report.longrepr = "failed", told if report.outcome != "failed" else report.longrepr
        watch.found.clear()
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["leaks"] = (dict(watch.looked), {name: len(values) for name, values in watch.ordinary.items()})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist ended: its counts are everybody's."""
    looked, ordinary = getattr(node, "workeroutput", {}).get("leaks", ({}, {}))
    watch.looked.update(looked)
    watch.elsewhere.update(ordinary)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ordinary = watch.elsewhere + Counter({name: len(values) for name, values in watch.ordinary.items()})
    for what, counts in (("looked for leaks in", watch.looked), ("too ordinary to look for:", ordinary)):
        if counts:
            told = ", ".join(f"{count} × {name}" for name, count in counts.most_common())
            terminalreporter.write_line(f"{what} {told}")
