"""The webhooks as Django serves them, and the admin's pages and actions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext

from calsync_core.contrib.django.store import DjangoStore
from calsync_core.models import SyncPolicy
from calsync_core.protocols import PushRequest
from django_bench import database_at, in_file, project_of
from planted import PASSWORD, TITLES, secret
from push_world import PushWorld
from store_servers import empty
from world import at

MOUNT = "/calsync"


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The project's only database, which wraps each request in a transaction."""
    place = in_file(tmp_path_factory.mktemp("django") / "django.db")
    with database_at("default", {**place, "ATOMIC_REQUESTS": True}) as alias:
        yield alias


@pytest.fixture
def world(default: str) -> Iterator[PushWorld]:
    """Ana's calendars, live at the service; the project's engine is theirs."""
    store = DjangoStore(default)
    empty(store._database._open().engine)
    world = PushWorld(("work", "home"), store=store, policy=SyncPolicy(horizon_days=30, guard_max=5))
    with project_of(world.engine):
        yield world
    store.close()


@pytest.fixture
def live(world: PushWorld) -> PushWorld:
    world.go_live()
    return world


def post(client: Client, push: PushRequest, path: str = "memory", **headers: str) -> Any:
    query = "&".join(f"{name}={value}" for name, value in push.query.items())
    return client.post(
        f"{MOUNT}/{path}?{query}",
        push.body,
        content_type=push.headers.get("content-type", "application/json"),
        headers={**push.headers, **headers},
    )


# --- webhooks


def test_a_push_is_durable_when_it_is_answered(live: PushWorld) -> None:  # I-28
    """Without a CSRF token, without a login, and outside the transaction that the project wraps requests in."""
    client = Client(enforce_csrf_checks=True)
    answer = post(client, live.push_of_a_booking())
    assert (answer.status_code, answer.content) == (202, b"")
    assert live.waiting() == 1
    live.settle(30)
    assert len(live.blocks("home")) == 1


def test_a_push_comes_the_same_way_under_asgi(live: PushWorld) -> None:  # I-28
    push = live.push_of_a_booking()

    async def send() -> int:
        answer = await AsyncClient().post(
            f"{MOUNT}/memory", push.body, content_type="application/json", headers=push.headers, query_params=push.query
        )
        return answer.status_code

    assert asyncio.run(send()) == 202
    assert live.waiting() == 1


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        ("memory", "post", b"no push", 400),
        ("nobody", "post", b"", 404),
        ("memory/else/where", "post", b"", 404),
        ("memory", "get", b"", 405),
        ("memory", "post", b"x" * 262_145, 413),
        # More than Django would read, too.
        ("memory", "post", b"x" * 3_000_000, 413),
        ("health", "get", b"", 200),
        ("metrics", "get", b"", 404),
        ("connect/", "get", b"", 302),
    ],
)
def test_what_is_answered_to_what_is_told_elsewhere(
    world: PushWorld, path: str, method: str, body: bytes, status: int
) -> None:
    more = {"content_type": "application/octet-stream", "data": body} if method == "post" else {}
    answer = getattr(Client(), method)(f"{MOUNT}/{path}", **more)
    assert answer.status_code == status
    assert world.engine.vitals().backlog == 0


def test_the_status_page_is_for_those_who_may_see_it(world: PushWorld) -> None:
    def answers(*, status: Any) -> list[int]:
        with override_settings(CALSYNC={**settings.CALSYNC, "status": status}):
            return [each.get(f"{MOUNT}/status").status_code for each in (Client(), somebody, staff)]

    assert world.calendars
    somebody = logged_in(User.objects.create_user("somebody"))
    staff = logged_in(user())
    assert answers(status=None) == [404, 404, 404]
    assert answers(status="staff") == [404, 404, 200]
    assert answers(status=lambda request: request.user.is_authenticated) == [404, 200, 200]


# --- the admin


PAGES = ("calendar", "watch", "notification", "run", "helddeletion")


def user(*permissions: str, **how: Any) -> User:
    made = User.objects.create_user(f"user {User.objects.count()}", is_staff=True, **how)
    made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return made


def logged_in(whom: User) -> Client:
    client = Client()
    client.force_login(whom)
    return client


@pytest.fixture
def client(live: PushWorld) -> Client:
    """Of somebody who may do everything."""
    assert live.calendars
    return logged_in(user(is_superuser=True))


def shown(client: Client, page: str, row: object = None) -> str:
    answer = client.get(f"/admin/calsync/{page}/" if row is None else f"/admin/calsync/{page}/{row}/change/")
    assert answer.status_code == 200, (page, row)
    return answer.content.decode()


def act(client: Client, page: str, action: str, *rows: object) -> str:
    """Do it to these rows; what the page says then."""
    chosen = {"action": action, "_selected_action": [str(row) for row in rows]}
    answer = client.post(f"/admin/calsync/{page}/", chosen, follow=True)
    assert answer.status_code == 200
    return "\n".join(
        re.findall(r'<li class="(?:success|error|warning)">(.*?)</li>', answer.content.decode(), re.DOTALL)
    )


def hold(world: PushWorld, count: int = 12) -> list[str]:
    """Everything on a calendar goes at once, and the guard holds that."""
    for number in range(count):
        world.book("work", f"m{number}", at(1 + number // 2, 8 + 2 * (number % 2)))
    world.deliver()
    world.engine.sync_all_calendars()
    for number in range(count):
        world.service.remove(world.remote["work"], f"m{number}")
    world.engine.sync_all_calendars()
    return [each.ref for each in world.engine.held()]


def test_every_page_shows_what_there_is_and_no_title(live: PushWorld, client: Client) -> None:  # I-39
    refs = hold(live)
    assert len(refs) == 12
    for page in PAGES:
        rows = re.findall(rf'href="/admin/calsync/{page}/([^/"]+)/change/', shown(client, page))
        assert rows, page
        for text in (shown(client, page), shown(client, page, rows[0])):
            assert TITLES not in text
            assert PASSWORD not in text
            assert 'name="_save"' not in text
            assert f"/admin/calsync/{page}/add/" not in text
    assert "work" in shown(client, "calendar")
    assert "active" in shown(client, "watch")


def test_a_page_asks_as_much_for_many_rows_as_for_few(live: PushWorld, client: Client) -> None:
    def questions(page: str) -> int:
        with CaptureQueriesContext(connections["default"]) as asked:
            shown(client, page)
        return len(asked)

    hold(live, 6)
    few = {page: questions(page) for page in PAGES}
    for name in ("club", "choir", "band"):
        live.add(name)
    live.engine.maintain_subscriptions(everything=True)
    hold(live, 14)
    assert {page: questions(page) for page in PAGES} == few
    assert max(few.values()) <= 10


def test_a_calendar_is_synced_and_its_subscription_renewed_by_hand(live: PushWorld, client: Client) -> None:
    live.book("work", "m1", at(1))
    live.memory.lose_pushes()
    assert act(client, "calendar", "sync_now", live.id("work"), live.id("home")) == "2 calendars synced"
    assert len(live.blocks("home")) == 1
    for page in ("calendar", "watch"):
        before = set(live.memory.subscriptions())
        assert act(client, page, "renew", live.id("work")) == "1 subscriptions renewed"
        assert len(set(live.memory.subscriptions()) - before) == 1
    assert {entry.get_change_message() for entry in LogEntry.objects.all()} == {
        "calendars synced",
        "subscriptions renewed",
    }


def test_what_fails_is_said_and_the_rest_goes_on(live: PushWorld, client: Client) -> None:  # I-37
    live.engine.disable(live.id("home"))
    live.service.set_password("ana-work", secret("another"))
    told = act(client, "calendar", "sync_now", live.id("work"), live.id("home"))
    assert "Work: AuthExpired" in told
    assert f"calendar {live.id('home')} is disabled" in told
    assert "0 calendars synced" in told


def test_held_deletions_are_decided_on(live: PushWorld, client: Client) -> None:  # I-08
    refs = hold(live)
    assert act(client, "helddeletion", "approve", *refs[:3]) == "3 deletions approved"
    assert act(client, "helddeletion", "drop", *refs[3:5]) == "2 deletions dropped"
    live.engine.sync_all_calendars()
    assert len(live.blocks("home")) == 9
    assert len(live.engine.held()) == 7
    # One that somebody else has decided on meanwhile is on nobody's page any more.
    assert act(client, "helddeletion", "approve", *refs[:1]) == "0 deletions approved"


def test_what_no_page_shows_no_page_finds(live: PushWorld, client: Client) -> None:  # I-39
    """Django filters by any column that an address names: a title could be guessed letter by letter."""
    hold(live)
    for page in PAGES:
        for lookup in ("contains", "startswith", "regex"):
            assert client.get(f"/admin/calsync/{page}/", {f"value__{lookup}": "a"}).status_code == 400
    assert "12 held deletions" in shown(client, "helddeletion")
    assert client.get("/admin/calsync/watch/", {"state__exact": "active"}).status_code == 200


def test_the_admin_looks_where_the_store_is(client: Client, tmp_path: Path) -> None:
    # Which views are never atomic is settled when they are imported, so this one must not be wrapped.
    place = {**in_file(tmp_path / "other.db"), "ATOMIC_REQUESTS": False}
    with database_at("other", place) as alias:
        world = PushWorld(("elsewhere",), store=DjangoStore(alias))
        with project_of(world.engine, database=alias):
            page = shown(client, "calendar")
            assert act(client, "calendar", "sync_now", world.id("elsewhere")) == "1 calendars synced"
        assert re.findall(r'class="field-name"><a[^>]*>(.*?)</a>', page) == ["elsewhere"]
        assert isinstance(world.store, DjangoStore)
        world.store.close()


def test_who_may_only_look_can_only_look(live: PushWorld) -> None:
    """And who has no permission of ours sees nothing."""
    looking = logged_in(user("view_calendar", "view_helddeletion"))
    refs = hold(live)
    assert "sync_now" not in shown(looking, "calendar")
    live.book("work", "new", at(20))
    live.memory.lose_pushes()
    assert act(looking, "calendar", "sync_now", live.id("work")) == ""
    assert act(looking, "helddeletion", "approve", *refs) == ""
    assert not any(each.approved for each in live.engine.held())
    assert looking.get("/admin/calsync/run/").status_code == 403
    changing = logged_in(user("change_calendar"))
    assert act(changing, "calendar", "sync_now", live.id("work")) == "1 calendars synced"
    assert changing.get("/admin/calsync/calendar/add/").status_code == 403
    assert changing.post(f"/admin/calsync/calendar/{live.id('work')}/delete/").status_code == 403
    assert changing.post(f"/admin/calsync/calendar/{live.id('work')}/change/", {"owner": "bo"}).status_code == 403
