"""Settings, checks, signals and commands of a Django project."""

from __future__ import annotations

import builtins
import dis
import json
import re
import threading
import unittest
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import CodeType
from typing import Any

import attrs
import pytest
from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpResponse
from django.test import override_settings
from django.test.utils import override_script_prefix
from django.urls import path, reverse_lazy
from django.utils.translation import override

from calsync_core.contrib.django import engine, owner_of
from calsync_core.contrib.django.configuration import Configuration, read_configuration
from calsync_core.contrib.django.installation import installation
from calsync_core.contrib.django.signals import SignalNotifier, noticed
from calsync_core.contrib.django.store import DjangoStore
from calsync_core.credentials import new_key
from calsync_core.errors import ConfigurationError
from calsync_core.models import Notice, NoticeKind, OAuthClient
from django_bench import SECRET, a_memory, database_at, in_file, project_of
from documented import find_blocks
from forking import forks, in_a_child
from planted import secret
from push_world import PushWorld
from store_servers import empty
from world import at

PLAIN = {"secret": SECRET, "providers": ["google"]}


def no_provider() -> object:
    return object()


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with database_at("default", in_file(tmp_path_factory.mktemp("django") / "django.db")) as alias:
        yield alias


# --- settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"secret": ""}, "CALSYNC['secret']: is missing"),
        ({"secret": "short"}, "CALSYNC['secret']: needs at least 16 characters"),
        ({"secret": 7}, "CALSYNC['secret']: must be a text, or a list"),
        ({"encryption_key": secret("no-key")}, "CALSYNC['encryption_key']: must be 44 characters"),
        ({"public_url": "http://calendar.example.com"}, "CALSYNC['public_url']: plain http:// is accepted"),
        ({"policy": {"horizon_days": 0}}, "CALSYNC['policy']: horizon_days: must be a number from 1 to 730"),
        ({"policy": {"horizon": 3}}, "CALSYNC['policy']: horizon: is not known here (known: horizon_days"),
        ({"policy": "long"}, "CALSYNC['policy']: must be a dictionary"),
        ({"providers": None}, "CALSYNC['providers']: must be a list of names, or a dictionary"),
        ({"providers": ["gogle"]}, "CALSYNC['providers']: unknown provider 'gogle' (known: caldav, google"),
        ({"providers": {"google": "no.such.thing"}}, "CALSYNC['providers']: google: 'no.such.thing' can't be imported"),
        ({"providers": {"google": 7}}, "CALSYNC['providers']: google: must be a provider, what makes one"),
        ({"database": "nowhere"}, "CALSYNC['database']: there is no 'nowhere' in DATABASES (known: default"),
        ({"notifier": "calsync_core.nothing"}, "CALSYNC['notifier']: 'calsync_core.nothing' can't be imported"),
        ({"owner": 7}, "CALSYNC['owner']: must be a function"),
        ({"drain": 1}, "CALSYNC['drain']: must be True or False, got 1"),
        ({"max_workers": 0}, "CALSYNC['max_workers']: must be a whole number from 1"),
        ({"secrets": "x"}, "CALSYNC['secrets']: is no setting (known: secret, encryption_key"),
        ({"connect": {}}, "CALSYNC['connect']: public_url: is missing"),
        ({"connect": {"client": 1}}, "CALSYNC['connect']: client: is not known here"),
        (
            {"connect": {"public_url": "https://x.example", "clients": {"google": {"client_id": ""}}}},
            "CALSYNC['connect']: clients: client_id: must not be empty",
        ),
        (
            {"connect": {"public_url": "https://x.example", "clients": {"google": {}}}},
            "CALSYNC['connect']: clients: client_id: must not be empty",
        ),
        ({"connect": {"public_url": "https://x.example", "done": None}}, "CALSYNC['connect']: done: must be a path"),
        ({"database": []}, "CALSYNC['database']: there is no [] in DATABASES (known: default"),
    ],
)
def test_each_mistake_is_one_message_that_names_its_key(changes: dict[str, Any], message: str) -> None:  # I-44
    with override_settings(CALSYNC={**PLAIN, **changes}):
        with pytest.raises(SystemCheckError) as caught:
            call_command("check", stderr=StringIO())
        said = [line for line in str(caught.value).splitlines() if line.startswith("?: ")]
        assert len(said) == 1
        assert said[0].startswith(f"?: (calsync.E001) {message}")
        assert secret("no-key") not in said[0]
        with pytest.raises(ConfigurationError) as refused:
            engine()
        assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"providers": {"x": no_provider}}, "E003) CALSYNC['providers']: x: made a object"),
        ({"providers": {"x": len}}, "E003) CALSYNC['providers']: x: could not be made: TypeError"),
        (
            {"encryption_key": None, "connect": {"public_url": "https://x.example/", "done": "no-such-name"}},
            "E003) CALSYNC['connect']: Reverse for 'no-such-name' not found",
        ),
        (
            {"encryption_key": new_key(), "connect": {"public_url": "https://x.example/", "pages": "builtins.object"}},
            "E003) CALSYNC['connect']: pages: must have home, start,",
        ),
    ],
)
def test_what_can_only_be_seen_when_it_is_made_is_found_as_well(changes: dict[str, Any], message: str) -> None:  # I-44
    with override_settings(CALSYNC={**PLAIN, **changes}), pytest.raises(SystemCheckError) as caught:
        call_command("check", stderr=StringIO())
    assert message in str(caught.value)


class InEachLanguage:
    """A URLconf."""

    urlpatterns = i18n_patterns(path("calendars", lambda _: HttpResponse(), name="mine"))


def test_people_come_back_to_where_the_page_is_for_them() -> None:
    """Its address may have a language in it, and a prefix of the server's; ``reverse_lazy`` names it as well."""
    for done in ("mine", reverse_lazy("mine")):
        pages = {"public_url": "https://x.example/", "done": done}
        with override_settings(
            CALSYNC={**PLAIN, "encryption_key": new_key(), "connect": pages}, ROOT_URLCONF=InEachLanguage
        ):
            for language, prefix in (("de", "/"), ("en", "/"), ("de", "/app/")):
                with override(language), override_script_prefix(prefix):
                    made: Any = installation().connect()
                    assert made._answering._desk.done == f"{prefix}{language}/calendars"
                    assert installation().connect() is made


def test_a_project_without_settings_is_told_what_they_are_called() -> None:  # I-44
    with override_settings():
        del settings.CALSYNC
        with pytest.raises(ConfigurationError, match="CALSYNC: is missing from the settings"):
            engine()


def test_the_host_of_the_webhooks_must_be_allowed() -> None:
    said = StringIO()
    with override_settings(CALSYNC={**PLAIN, "public_url": "https://calendar.example.com/calsync"}):
        call_command("check", stderr=said)
    assert "calsync.W001) CALSYNC['public_url']: its host is not in ALLOWED_HOSTS" in said.getvalue()


def warnings_with(**changes: Any) -> list[str]:
    """The check's warnings about these settings, as lines."""
    said = StringIO()
    with override_settings(**{"ALLOWED_HOSTS": ["x.example"], **changes}):
        call_command("check", stderr=said)
    return re.findall(r"calsync\.(W\d+\) .*)", said.getvalue())


@pytest.mark.parametrize("path", ["/calsync", "/calsync/", "/behind/a/proxy/calsync"])
def test_pushes_arrive_where_the_urls_are_included(path: str) -> None:
    assert warnings_with(CALSYNC={**PLAIN, "public_url": f"https://x.example{path}"}) == []


@pytest.mark.parametrize("path", ["/webhooks", "", "/calsync/more", "/xcalsync"])
def test_pushes_that_would_not_arrive_are_warned_of(path: str) -> None:
    [said] = warnings_with(CALSYNC={**PLAIN, "public_url": f"https://x.example{path}"})
    assert said.startswith("W002) CALSYNC['public_url']: its path is not /calsync/")


def test_pages_that_lead_nowhere_are_warned_of() -> None:
    pages = {"public_url": "https://x.example/calsync/connect", "done": "/"}
    given = {**PLAIN, "encryption_key": new_key(), "connect": pages}
    assert [said[:30] for said in warnings_with(CALSYNC=given)] == [
        "W003) CALSYNC['connect']: done",
        "W004) LOGIN_URL: '/accounts/lo",
    ]
    given["connect"] = {**pages, "done": "/admin/"}
    for login in ("/admin/login/", "/admin/login", "admin:login", reverse_lazy("admin:login"), "https://x.example/"):
        assert warnings_with(CALSYNC=given, LOGIN_URL=login) == []


@pytest.mark.parametrize(
    ("allowed", "url", "warned"),
    [
        (["app.example"], "https://other.example/connect", True),
        (["app.example"], "https://app.example:8443/connect", False),
        (["[2001:db8::1]"], "https://[2001:db8::1]/connect", False),
        (["[2001:db8::2]"], "https://[2001:db8::1]/connect", True),
        ([], "http://[::1]:8000/connect", False),
        ([], "http://127.0.0.1:8000/connect", False),
    ],
)
def test_the_host_of_the_connect_pages_must_be_allowed(allowed: list[str], url: str, warned: bool) -> None:
    """It may be another than that of the webhooks, and there may be none of those."""
    said, pages = StringIO(), {"public_url": url}
    with override_settings(ALLOWED_HOSTS=allowed, CALSYNC={**PLAIN, "encryption_key": new_key(), "connect": pages}):
        call_command("check", stderr=said)
    assert ("calsync.W001) CALSYNC['connect']: public_url: its host is not in" in said.getvalue()) is warned


def test_settings_are_read_as_they_may_be_written() -> None:
    ready = a_memory()
    with override_settings(
        CALSYNC={
            "secret": [SECRET, secret("the-old-one")],
            "policy": {"horizon_days": 14},
            "providers": {
                "google": "calsync_core.providers.google.GoogleProvider",
                "made": "django_bench.a_memory",
                "ready": ready,
            },
            "public_url": "https://calendar.example.com/calsync/",
            "connect": {"clients": {"google": {"client_id": "id", "client_secret": secret("client")}}},
            "owner": lambda user: f"user-{user.pk}",
        }
    ):
        read = read_configuration()
        assert read.policy.horizon_days == 14
        assert read.connect is not None
        assert read.connect.public_url == "https://calendar.example.com/calsync/connect"
        assert read.connect.clients == {"google": OAuthClient("id", secret("client"))}
        assert sorted(engine().providers) == ["google", "made", "ready"]
        assert engine().providers["ready"] is ready
        assert engine() is engine()
        before = engine()
        assert SECRET not in repr(read)
    assert engine() is not before
    assert owner_of(type("User", (), {"pk": 7})()) == "7"


@forks
def test_a_fork_has_an_engine_of_its_own() -> None:
    with override_settings(CALSYNC=PLAIN):
        before = engine()
        assert in_a_child(lambda: engine() is not before)
        assert engine() is before


def test_the_project_says_who_owns_a_users_calendars() -> None:
    with override_settings(CALSYNC={**PLAIN, "owner": lambda user: f"team {user.pk}"}):
        assert owner_of(type("User", (), {"pk": 7})()) == "team 7"


# --- signals


def a_notice(kind: NoticeKind) -> Notice:
    return Notice(kind, "7", at(1))


def test_a_receiver_gets_every_notice_or_those_of_a_kind() -> None:
    every, some = list[Notice](), list[Notice]()

    def hear(sender: NoticeKind, notice: Notice, **_: Any) -> None:
        assert sender is notice.kind
        every.append(notice)

    def hear_some(notice: Notice, **_: Any) -> None:
        some.append(notice)

    noticed.connect(hear)
    noticed.connect(hear_some, sender=NoticeKind.PUSH_DEGRADED)
    try:
        for kind in (NoticeKind.PUSH_DEGRADED, NoticeKind.PUSH_RECOVERED):
            SignalNotifier().notify(a_notice(kind))
    finally:
        noticed.disconnect(hear)
        noticed.disconnect(hear_some, sender=NoticeKind.PUSH_DEGRADED)
    assert [each.kind for each in every] == [NoticeKind.PUSH_DEGRADED, NoticeKind.PUSH_RECOVERED]
    assert [each.kind for each in some] == [NoticeKind.PUSH_DEGRADED]


def test_a_receiver_that_raises_keeps_it_from_no_other_and_gets_it_again() -> None:
    heard, broken = list[Notice](), list[bool]([True])

    def fail(**_: Any) -> None:
        if broken:
            raise ValueError("not now")

    def hear(notice: Notice, **_: Any) -> None:
        heard.append(notice)

    world = PushWorld(("work", "home"))
    world.notify = SignalNotifier().notify  # type: ignore[method-assign]  # the project's
    noticed.connect(fail)
    noticed.connect(hear)
    try:
        world.engine.sync_all_calendars()
        first = list(heard)
        assert first
        assert world.engine.vitals().notices == len(first)
        broken.clear()
        world.settle(90)
        assert world.engine.vitals().notices == 0
        assert [each for each in heard if each in first] == [*first, *first]
    finally:
        noticed.disconnect(fail)
        noticed.disconnect(hear)


def test_what_receivers_open_in_our_threads_is_closed_there(default: str) -> None:
    """No request ends there, and a thread may live for months or for one notice."""
    opened: list[BaseDatabaseWrapper] = []

    def ask(**_: Any) -> None:
        User.objects.count()
        opened.append(connections[default])

    noticed.connect(ask)
    try:
        for name in ("calsync-polling", "of-the-project"):
            thread = threading.Thread(
                target=SignalNotifier().notify, args=[a_notice(NoticeKind.PUSH_DEGRADED)], name=name
            )
            thread.start()
            thread.join()
    finally:
        noticed.disconnect(ask)
    assert [each.connection is None for each in opened] == [True, False]
    opened[1].inc_thread_sharing()
    opened[1].close()


# --- commands


@pytest.fixture
def world(default: str) -> Iterator[PushWorld]:
    store = DjangoStore(default)
    empty(store._database._open().engine)
    world = PushWorld(("work", "home"), store=store)
    with project_of(world.engine, public_url="https://testserver/calsync"):
        yield world
    store.close()


def run(name: str, *arguments: str) -> str:
    """What it says on stdout."""
    said = StringIO()
    call_command(name, *arguments, stdout=said)
    return said.getvalue().strip()


def run_json(name: str, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(name, *arguments, "--json"))
    return found


def fails(name: str, *arguments: str) -> tuple[int, str]:
    """Its exit code, and what it says on stderr."""
    said = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command(name, *arguments, stdout=StringIO(), stderr=said)
    return caught.value.returncode, f"{said.getvalue()}{caught.value}"


def test_calendars_are_synced_in_each_mode(world: PushWorld) -> None:
    world.engine.maintain_subscriptions(everything=True)
    world.book("work", "m1", at(1))
    first = run("sync_calendars", "--verbose")
    assert "polling: 2 calendars read" in first
    assert "1 blocks written · 2 calendars" in first
    world.memory.lose_pushes()
    # Push is trusted, unless it is said not to be.
    assert run("sync_calendars").endswith("2 kept up to date by push")
    assert run_json("sync_calendars")["calendars_read"] == 0
    assert run_json("sync_calendars", "--mode", "webhook-fallback")["calendars_read"] == 0
    polled = run_json("sync_calendars", "--mode", "polling-only")
    assert (polled["sync_type"], polled["calendars_read"]) == ("polling", 2)
    full = run_json("sync_calendars", "--mode", "legacy-full", "--owner", "ana")
    assert (full["sync_type"], full["calendars_read"]) == ("full", 2)
    totals = run_json("manage_subscriptions", "metrics")
    assert totals["reading_calls"] > totals["polling_calls"]
    assert totals["calls_saved"] == 0
    one = run_json("sync_calendars", "--calendar-id", str(world.id("home")))
    assert one["calendars"] == [world.id("home")]


def test_what_failed_is_named_and_is_the_exit_code(world: PushWorld) -> None:  # I-37
    world.service.set_password("ana-work", secret("another"))
    assert fails("sync_calendars", "--mode", "legacy-full") == (
        1,
        "work / work: AuthExpired: the service refuses this login\n1 failed",
    )
    assert fails("sync_calendars", "--calendar-id", "999") == (2, "calendar: there is none with id 999")
    assert fails("sync_calendars", "--calendar-id", "1", "--mode", "legacy-full")[0] == 2
    assert fails("cleanup_webhook_data", "--days", "0")[0] == 2
    for command in ("sync_calendars", "process_webhook_notifications", "manage_subscriptions health"):
        code, said = fails(*command.split(), "--owner", "bo")
        assert (code, said.partition(";")[0]) == (2, "owner: 'bo' has no account here")


def test_subscriptions_by_hand(world: PushWorld) -> None:
    assert run("manage_subscriptions", "create").startswith("2 calendars looked at · 2 subscriptions made")
    before = set(world.memory.subscriptions())
    assert run_json("manage_subscriptions", "renew", "--calendar-id", str(world.id("work")))["created"] == 1
    assert len(set(world.memory.subscriptions()) & before) == 1
    shown = run("manage_subscriptions", "health").splitlines()
    assert "work / work: unread · never read · push active until" in shown[0]
    assert shown[-1] == "unhealthy · 2 calendars · 0 deletions held"
    assert run_json("manage_subscriptions", "metrics", "--hours", "1")["hours"] == 1.0
    assert "runs" in run("manage_subscriptions", "metrics")
    world.engine.disable(world.id("work"))
    assert run_json("manage_subscriptions", "cleanup")["ended"] == 1
    with project_of(world.engine, public_url=None):
        assert fails("manage_subscriptions", "create") == (
            2,
            "CALSYNC['public_url']: is missing: without it, providers can't push",
        )
        assert run_json("manage_subscriptions", "cleanup")["ended"] == 1
    assert world.memory.subscriptions() == {}


def test_the_inbox_is_worked_off(world: PushWorld) -> None:
    world.engine.maintain_subscriptions(everything=True)
    world.engine.sync_all_calendars()
    world.memory.lose_pushes()
    world.book("work", "m1", at(1))
    world.deliver()
    world.clock.advance(timedelta(seconds=30))
    said = run("process_webhook_notifications", "--owner", "ana")
    assert said == "1 calendars · 1 notifications done with · 0 to be tried again · 0 given up"
    assert len(world.blocks("home")) == 1


def test_what_is_over_is_counted_and_forgotten(world: PushWorld) -> None:
    world.engine.sync_all_calendars()
    runs = len(world.engine.runs())
    world.clock.advance(timedelta(days=40))
    assert run("cleanup_webhook_data", "--dry-run") == f"{runs} rows would be forgotten"
    assert len(world.engine.runs()) == runs
    assert run_json("cleanup_webhook_data", "--days", "35") == {"rows": runs, "dry_run": False}
    assert world.engine.runs() == []


# --- the documentation


def the_page() -> dict[str, Any]:
    """What its examples define."""
    namespace: dict[str, Any] = {"__name__": "the_page"}
    for block in blocks_shown():
        exec(block, namespace)  # noqa: S102  (our own page)
    return namespace


def blocks_shown() -> list[str]:
    return [block.text for block in find_blocks(Path(__file__).parents[2] / "docs" / "django.md", "python")]


def test_the_settings_shown_are_right() -> None:
    urls = type("Urls", (), {"urlpatterns": the_page()["urlpatterns"]})
    shown = [block for block in blocks_shown() if "\nCALSYNC = {" in block]
    assert len(shown) == 2
    for block in shown:
        page, said = dict[str, Any](), StringIO()
        exec(block, page)  # noqa: S102  (our own page)
        given = {name: page[name] for name in ("CALSYNC", "ALLOWED_HOSTS", "LOGIN_URL")}
        with override_settings(**given, ROOT_URLCONF=urls):
            call_command("check", stderr=said)
            assert sorted(engine().providers) == ["caldav", "google", "icloud", "microsoft"]
        assert said.getvalue() == ""


def global_names(code: CodeType) -> set[str]:
    """What functions in this code expect to find in their module."""
    found = {each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    return found.union(*(global_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


@pytest.mark.parametrize("number", range(len(blocks_shown())))
def test_each_example_can_be_pasted_by_itself(number: int) -> None:
    block, namespace = blocks_shown()[number], {"__name__": "the_page"}
    exec(block, namespace)  # noqa: S102  (our own page)
    assert global_names(compile(block, "django.md", "exec")) - namespace.keys() - set(dir(builtins)) == set()


def test_the_test_shown_passes(tmp_path: Path) -> None:
    with database_at("default", in_file(tmp_path / "django.db")):
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(the_page()["BusyTest"]).run(result)
    assert result.testsRun == 1
    assert result.wasSuccessful(), (result.errors, result.failures)


def test_every_setting_is_in_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "django.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page.partition("## Settings")[2].partition("## The database")[0], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {each.name for each in attrs.fields(Configuration)}
