"""Message brokers on real servers, each test's messages kept apart and removed after it.

Where a server is, the environment says, or it is where its packages put it: see ``BROKERS``.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import redis
from attrs import frozen
from kombu.connection import Connection

__all__ = ["BROKERS", "Broker", "new_broker"]

BROKERS = {
    "redis": ("CALSYNC_TEST_REDIS", "redis://127.0.0.1:6379/0"),
    "rabbitmq": ("CALSYNC_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//"),
}
"""The variable with the broker's URL; and where one is sought without it."""


@frozen
class Broker:
    """Where messages go.

    Attributes:
        settings: Celery's, for whoever is to meet there.
    """

    settings: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.settings["broker_url"])


@contextmanager
def new_broker(kind: str) -> Iterator[Broker]:
    """One that nobody else uses. Skips the test if there is no server."""
    variable, usual = BROKERS[kind]
    url, name = os.environ.get(variable) or usual, f"calsync_test_{secrets.token_hex(6)}"
    with _connection(url) as connection:
        try:
            connection.ensure_connection(max_retries=1)
        except connection.recoverable_connection_errors as error:
            pytest.skip(f"no {kind} server ({variable}): {type(error).__name__}")
    # RabbitMQ leaves Redis' option alone.
    options = {"global_keyprefix": f"{name}:"} if kind == "redis" else {}
    try:
        yield Broker({"broker_url": url, "task_default_queue": name, "broker_transport_options": options})
    finally:
        _remove(url, name)


def _connection(url: str) -> Connection:
    return Connection(url, connect_timeout=5)  # type: ignore[no-untyped-call]  # kombu's constructor has no hints


def _remove(url: str, name: str) -> None:
    if not url.startswith("redis"):
        with _connection(url) as connection, suppress(*connection.channel_errors):
            connection.default_channel.queue_delete(name)
            connection.default_channel.exchange_delete(name)
        return
    with redis.Redis.from_url(url) as server:
        for key in server.scan_iter(f"{name}:*"):
            server.delete(key)
