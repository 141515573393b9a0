"""From a provider's push to a busy block: both services over real HTTP, and a server of each kind in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from attrs import define
from structlog.testing import capture_logs

from calsync_core import Account, SyncEngine
from calsync_core.models import BearerToken, PushReceipt
from calsync_core.providers.google import GoogleProvider
from calsync_core.providers.microsoft import MicrosoftProvider
from calsync_core.stores import MemoryStore
from calsync_core.testing import GoogleSimulator, GraphSimulator, VirtualClock
from calsync_core.web import asgi, wsgi
from calsync_core.web.drain import Drain
from calsync_core.web.receiver import Received, Receiver
from forking import forks, in_a_child
from web_bench import Desk, eventually, listening, serve_asgi, serve_wsgi

ANA, WORK = "ana@example.com", "ana@contoso.example"
Serve = Callable[..., Any]

KINDS = pytest.mark.parametrize(
    ("webhook_app", "serve"),
    [pytest.param(asgi.webhook_app, serve_asgi, id="asgi"), pytest.param(wsgi.webhook_app, serve_wsgi, id="wsgi")],
)


@define
class Town:
    """Ana's calendars at two services, and the engine between them."""

    clock: VirtualClock
    google: GoogleSimulator
    graph: GraphSimulator
    engine: SyncEngine
    url: str

    @property
    def office(self) -> str:
        return self.graph.calendars(WORK)[0]

    def deliver(self) -> list[int | None]:
        """Everything that the services have to tell, once; long enough after what happened before."""
        self.clock.advance(timedelta(minutes=3))
        return self.google.outbox.deliver() + self.graph.outbox.deliver()

    def meet(self, where: str, days: int = 1) -> str:
        """A meeting of Ana's."""
        start = self.clock.now().replace(tzinfo=None) + timedelta(days=days)
        edges = {
            name: {"dateTime": at.isoformat(), "timeZone": "UTC"}
            for name, at in {"start": start, "end": start + timedelta(hours=1)}.items()
        }
        if where == "google":
            return self.google.put_event(ANA, {"summary": "Review", **edges})
        return self.graph.put_event(self.office, {"subject": "Review", **edges})

    def standing(self) -> tuple[int, int]:
        """How many events are at each service."""
        return len(self.google.events(ANA)), len(self.graph.events(self.office))

    def settles(self, standing: tuple[int, int]) -> None:
        """Wait until this stands there and the inbox is empty, while time goes on."""

        def settled() -> bool:
            self.clock.advance(timedelta(seconds=0.3))
            return self.standing() == standing and self.engine.vitals().backlog == 0

        eventually(settled)


@contextmanager
def town(webhook_app: Any, serve: Serve, **options: Any) -> Iterator[Town]:
    clock = VirtualClock()
    with GoogleSimulator(clock) as google, GraphSimulator(clock=clock) as graph, listening() as (listener, url):
        google.add_user(ANA)
        graph.add_user(WORK)
        engine = SyncEngine(
            store=MemoryStore(),
            providers={"google": GoogleProvider(), "microsoft": MicrosoftProvider()},
            secret="a secret for tests only",
            webhook_url=url,
            clock=clock,
        )
        for name, simulator, login in (
            ("google", google, google.issue_token(ANA)),
            ("microsoft", graph, graph.token(WORK)),
        ):
            account = Account(owner="ana", provider=name, name=name, base_url=simulator.base_url)
            connected = engine.connect(account, BearerToken(login))
            engine.enable(next(one for one in engine.discover(connected.key) if one.primary).key)
        engine.sync_all_calendars()
        app = webhook_app(engine, **options)
        with serve(app, at=listener):
            yield Town(clock, google, graph, engine, url)
        app._answering.stop()


@KINDS
def test_a_meeting_is_mirrored_because_its_provider_pushed(webhook_app: Any, serve: Serve) -> None:  # I-29
    """Graph shakes hands while the create request is pending; Google's ``sync`` comes before anything else."""
    with town(webhook_app, serve) as here:
        report = here.engine.maintain_subscriptions()
        assert (report.created, report.errors) == (2, ())
        assert here.deliver() == [202]
        here.meet("google")
        assert set(here.deliver()) == {202}
        here.settles((1, 1))
        here.meet("microsoft", days=2)
        assert set(here.deliver()) == {202}
        here.settles((2, 2))


@KINDS
def test_what_the_host_drains_itself_waits_until_then(webhook_app: Any, serve: Serve) -> None:  # I-27
    with town(webhook_app, serve, drain=False) as here:
        here.engine.maintain_subscriptions()
        for days in (1, 2, 3):
            here.meet("google", days)
        here.google.outbox.double()
        assert set(here.deliver()) == {202}
        assert here.standing() == (3, 0)
        assert here.engine.vitals().backlog == 3
        assert here.engine.process_notifications().ok
        assert here.standing() == (3, 3)
        assert inbox_threads() == 0


@KINDS
def test_lifecycle_events_come_to_their_own_address(webhook_app: Any, serve: Serve) -> None:  # I-31
    with town(webhook_app, serve, drain=False) as here:
        here.engine.maintain_subscriptions()
        here.deliver()
        here.meet("microsoft")
        here.graph.outbox.lose()
        [subscription] = here.graph.subscriptions
        here.graph.lifecycle(subscription["id"], "missed")
        assert here.graph.outbox.deliver() == [202]
        assert here.engine.process_notifications().ok
        assert here.standing() == (1, 1)


@KINDS
def test_forgers_are_told_nothing_and_change_nothing(webhook_app: Any, serve: Serve) -> None:  # I-26
    with town(webhook_app, serve, drain=False) as here:
        here.engine.maintain_subscriptions()
        here.deliver()
        [subscription] = here.graph.subscriptions
        item = {"subscriptionId": subscription["id"], "clientState": "guessed", "changeType": "updated"}
        forged = httpx.post(f"{here.url}/microsoft", json={"value": [item]})
        item["clientState"] = subscription["clientState"]
        genuine = httpx.post(f"{here.url}/microsoft", json={"value": [item]})
        told = [{name: value for name, value in one.headers.items() if name != "date"} for one in (forged, genuine)]
        assert told[0] == told[1]
        assert (forged.status_code, forged.content) == (genuine.status_code, genuine.content) == (202, b"")
        assert here.engine.vitals().backlog == 1


# -- the thread that drains ------------------------------------------------------------------------------------------


def inbox_threads() -> int:
    return sum(thread.name == "calsync-inbox" for thread in threading.enumerate())


def test_the_lifespan_starts_and_ends_the_thread() -> None:
    app = asgi.webhook_app(Desk().engine)
    for _ in range(2):
        with serve_asgi(app) as url:
            assert inbox_threads() == 1
            assert httpx.get(f"{url}/health").json()["drain"] == "running"
        assert inbox_threads() == 0


@pytest.mark.parametrize("path", ["/google", "/health"])
def test_without_a_lifespan_the_first_request_starts_it(path: str) -> None:
    desk = Desk()
    receiver_app = asgi.webhook_app(desk.engine)
    with serve_asgi(receiver_app, lifespan=False) as url:
        assert inbox_threads() == 0
        if path == "/health":
            assert httpx.get(f"{url}{path}").status_code == 200
        else:
            assert httpx.post(f"{url}{path}", headers=desk.push()).status_code == 202
        assert inbox_threads() == 1
    receiver_app._answering.stop()  # type: ignore[attr-defined]  # its type is any application's
    assert inbox_threads() == 0


def test_a_thread_that_died_is_unhealthy() -> None:
    desk = Desk()
    app = asgi.webhook_app(desk.engine)
    with serve_asgi(app) as url:
        assert httpx.get(f"{url}/health").status_code == 200
        app._answering._drain._worker.stop(10)  # type: ignore[attr-defined]  # its type is any application's
        desk.clock.advance(timedelta(seconds=5))
        answer = httpx.get(f"{url}/health")
        assert (answer.status_code, answer.json()["status"], answer.json()["drain"]) == (503, "unhealthy", "stopped")


def test_a_process_without_threads_to_spare_still_takes_pushes(monkeypatch: pytest.MonkeyPatch) -> None:  # I-28
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    desk = Desk()
    receiver = Receiver(desk.engine, drain=True)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert receiver.answer(Received("POST", "/google", headers=desk.push())).status == 202
        assert receiver.answer(Received("GET", "/health")).status == 503
    assert desk.inbox() == 1


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_each_forked_worker_has_its_own() -> None:
    """As with a server that loads the application, uses it, and forks."""
    drain = Drain(Desk().engine)
    drain.start()

    def starts_its_own() -> bool:
        before = drain.alive and inbox_threads() == 0
        drain.start()
        return before and drain.alive and inbox_threads() == 1

    assert in_a_child(starts_its_own)
    assert inbox_threads() == 1
    assert drain.stop()
    assert inbox_threads() == 0


@KINDS
def test_the_host_is_told_of_news_once_it_is_stored(webhook_app: Callable[..., Any], serve: Serve) -> None:  # I-28
    """And of nothing that is none: a push that came twice, a forged one, and the first words of a subscription."""
    desk = Desk()
    told: list[tuple[tuple[int, ...], int]] = []
    app = webhook_app(
        desk.engine, drain=False, on_accepted=lambda receipt: told.append((receipt.calendars, desk.inbox()))
    )
    pushes = (
        desk.push(2),
        desk.push(2),
        desk.push(3, channel_token="forged"),
        desk.push(1, resource_state="sync"),
        desk.push(4),
    )
    with serve(app) as url:
        answers = [httpx.post(f"{url}/google", headers=push, trust_env=False).status_code for push in pushes]
    assert answers == [202] * 5
    assert told == [((desk.calendar.key,), 1), ((desk.calendar.key,), 2)]


@KINDS
def test_a_host_that_can_not_be_told_changes_no_answer(webhook_app: Callable[..., Any], serve: Serve) -> None:  # I-39
    desk = Desk()

    def on_accepted(_: PushReceipt) -> None:
        raise ConnectionError("redis://:password@broker")

    app = webhook_app(desk.engine, drain=False, on_accepted=on_accepted)
    with capture_logs() as logs, serve(app) as url:
        assert httpx.post(f"{url}/google", headers=desk.push(), trust_env=False).status_code == 202
    assert desk.inbox() == 1
    [failed] = [each for each in logs if each["event"] == "on_accepted_failed"]
    assert failed["kind"] == "ConnectionError"
    assert "password" not in str(logs)
