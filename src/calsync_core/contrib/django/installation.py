"""The engine of this process, made of ``settings.CALSYNC`` when it is first asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import define
from django.core.signals import setting_changed
from django.shortcuts import resolve_url

from calsync_core.contrib.django.configuration import Configuration, ConnectPages, read_configuration
from calsync_core.contrib.django.signals import SignalNotifier
from calsync_core.contrib.django.store import DjangoStore
from calsync_core.engine import SyncEngine
from calsync_core.notifiers import CallbackNotifier
from calsync_core.web.wsgi import connect_app, webhook_app

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["Installation", "engine", "installation", "owner_of"]


@define
class Installation:
    """Everything that one process works with.

    Attributes:
        webhooks: Takes in what providers push.
        connect: Gives the pages on which people connect their accounts, as they are under the language and the script
            prefix of now; None: there are none.
    """

    configuration: Configuration
    store: DjangoStore
    engine: SyncEngine
    webhooks: WSGIApplication
    connect: Callable[[], WSGIApplication | None]

    @classmethod
    def of(cls, configuration: Configuration) -> Installation:
        """Make it; nothing is opened."""
        store = DjangoStore(configuration.database)
        notifier, admits = configuration.notifier, configuration.status
        engine = SyncEngine(
            store=store,
            providers={name: make() for name, make in configuration.providers.items()},
            secret=configuration.secret,
            notifier=SignalNotifier() if notifier is None else CallbackNotifier(notifier),
            policy=configuration.policy,
            webhook_url=configuration.public_url,
            tokens=configuration.tokens,
            encryption_key=configuration.encryption_key,
            max_workers=configuration.max_workers,
        )
        webhooks = webhook_app(
            engine,
            drain=configuration.drain,
            metrics=configuration.metrics,
            status=None if admits is None else lambda received: admits(received.scope["django.request"]),
            max_body=configuration.max_body,
            rate_limit=configuration.rate_limit,
            on_accepted=configuration.on_accepted,
        )
        return cls(configuration, store, engine, webhooks, _connect_pages(engine, configuration.connect))


def _connect_pages(engine: SyncEngine, pages: ConnectPages | None) -> Callable[[], WSGIApplication | None]:
    if pages is None:
        return lambda: None

    @cache
    def ending_at(done: str) -> WSGIApplication:
        return connect_app(
            engine,
            public_url=pages.public_url,
            owner=lambda request: owner_of(request.scope["django.request"].user),
            clients=pages.clients,
            done=done,
            pages=pages.pages,
            private_servers=pages.private_servers,
        )

    # Not yet: the project's URLs may not be ready.
    return lambda: ending_at(resolve_url(pages.done))


_made: tuple[int, Installation] | None = None
_making = threading.Lock()


def installation() -> Installation:
    """This process's; after a fork, the child's own.

    Raises:
        ConfigurationError: names what is wrong in ``CALSYNC`` or ``DATABASES``.
    """
    global _made  # noqa: PLW0603  (one for each process)
    with _making:
        if _made is None or _made[0] != os.getpid():
            _made = (os.getpid(), Installation.of(read_configuration()))
        return _made[1]


def engine() -> SyncEngine:
    """The engine of this project, in this process. It is thread-safe; don't keep it over a fork.

    Raises:
        ConfigurationError: names what is wrong in ``CALSYNC`` or ``DATABASES``.
    """
    return installation().engine


def owner_of(user: Any) -> str:
    """Whose calendars a user's are: the primary key as text, or what ``CALSYNC["owner"]`` makes of the user."""
    chosen = installation().configuration.owner
    return str(user.pk) if chosen is None else chosen(user)


def _forget(*, setting: str, **_: Any) -> None:
    """Tests may override settings: what comes next is made of those."""
    global _made
    if setting == "CALSYNC":
        with _making:
            before, _made = _made, None
        if before is not None and before[0] == os.getpid():
            before[1].store.close()


setting_changed.connect(_forget)


def _after_fork() -> None:
    global _making  # noqa: PLW0603  (another thread of the parent may have held it)
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
