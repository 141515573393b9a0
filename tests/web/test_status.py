"""The status page: who sees it, what it shows, and what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from lxml import html
from structlog.testing import capture_logs

from calsync_core.errors import ConfigurationError, StoreError
from calsync_core.models import Mode, PushState, SyncReport, SyncType
from calsync_core.stores.sql import SQLStore
from calsync_core.web.asgi import webhook_app as asgi_app
from calsync_core.web.markup import element, short
from calsync_core.web.receiver import Received, Receiver, Reply
from calsync_core.web.status.charts import Bar, Part, bars
from calsync_core.web.status.figures import activity, lately, latency
from calsync_core.web.status.style import DARK, LIGHT
from calsync_core.web.wsgi import webhook_app as wsgi_app
from counting import calls
from planted import secret
from status_world import StatusWorld
from web_bench import Desk, ask, serve_asgi, serve_wsgi

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</td></table><h1>owned</h1>",
    "\u202egnp.exe\u2066",
    "مرحبا بالعالم",
    "nul \x00 and \x1b[31m",
    "x" * 5_000,
    "&amp;&lt;",
    "\ud800",
)


def everybody(_received: Received) -> bool:
    return True


def show(world: StatusWorld, query: str = "", **options: Any) -> Any:
    """The page as a tree."""
    receiver = Receiver(world.engine, status=everybody, **options)
    reply = receiver.answer(Received("GET", "/status", query))
    assert reply.status == 200
    return html.document_fromstring(reply.body.decode())


def rows(page: Any, section: str) -> list[list[str]]:
    """What the cells of its table say."""
    [table] = page.xpath(f"//section[@aria-labelledby='{section}']/table")
    return [[" ".join(" ".join(cell.itertext()).split()) for cell in row] for row in table.find("tbody")]


# -- who sees it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_there_is_none_unless_the_host_says_who_may_see_it(method: str) -> None:
    assert Receiver(Desk().engine).answer(Received(method, "/status")).status == 404


@pytest.mark.parametrize(("serve", "app"), [(serve_asgi, asgi_app), (serve_wsgi, wsgi_app)])
def test_the_check_is_told_what_came(serve: Any, app: Any) -> None:
    told: list[Received] = []

    def admits(received: Received) -> bool:
        told.append(received)
        return received.cookies().get("session") == "good"

    with serve(app(StatusWorld().engine, drain=False, status=admits)) as url, httpx.Client(base_url=url) as client:
        headers = {"Cookie": 'a=1; session="good"; session=late', "X-Role": "operator"}
        page = client.get("/status", params={"page": "1"}, headers=headers)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert client.head("/status", headers=headers).text == ""
        assert client.get("/status").status_code == 404
    assert (told[0].method, told[0].path, told[0].query()) == ("GET", "/status", {"page": "1"})
    assert (told[0].headers["x-role"], told[0].client) == ("operator", "127.0.0.1")
    assert {"wsgi.version", "asgi"} & told[0].scope.keys()
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    policy = page.headers["content-security-policy"]
    assert {"default-src 'none'", "frame-ancestors 'none'", "form-action 'none'"} <= set(policy.split("; "))


async def _later(_received: Received) -> bool:
    return True


def _raises(_received: Received) -> bool:
    raise RuntimeError(secret("of the host's"))


def _later_on(received: Received) -> Any:
    return _later(received)


WRONG: Mapping[str, Callable[[Received], Any]] = {
    "false": lambda _: False,
    "none": lambda _: None,
    "truthy": lambda _: "yes",
    "one": lambda _: 1,
    "awaitable": _later_on,
    "raising": _raises,
}


@pytest.mark.parametrize("check", WRONG)
def test_only_true_admits(check: str) -> None:
    world = StatusWorld()
    nowhere = Receiver(world.engine).answer(Received("GET", "/status"))
    receiver = Receiver(world.engine, status=WRONG[check])
    with capture_logs() as logged:
        assert receiver.answer(Received("GET", "/status")) == nowhere
    events = [entry["event"] for entry in logged]
    assert events == (["status_refused"] if check == "false" else ["status_check_failed", "status_refused"])
    assert logged[0].get("kind", "InvalidValue") == ("RuntimeError" if check == "raising" else "InvalidValue")


@pytest.mark.parametrize("check", [_later, "yes", True])
def test_a_check_that_can_not_be_one_is_refused_at_once(check: Any) -> None:
    with pytest.raises(ConfigurationError, match="status: "):
        Receiver(Desk().engine, status=check)


def test_it_can_only_be_read() -> None:
    receiver = Receiver(StatusWorld().engine, status=everybody)
    assert {receiver.answer(Received(method, "/status")).status for method in ("POST", "PUT", "DELETE")} == {404}


def test_neither_probes_nor_pushes_wait_for_a_slow_check() -> None:
    desk = Desk()

    async def walk() -> None:
        loop, asked, answered = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

        def admits(_received: Received) -> bool:
            loop.call_soon_threadsafe(asked.set)
            asyncio.run_coroutine_threadsafe(answered.wait(), loop).result(30)
            return True

        app = asgi_app(desk.engine, drain=False, status=admits)
        slow = asyncio.create_task(ask(app, "GET", "/status"))
        await asked.wait()
        assert (await ask(app, "GET", "/health"))[0] == 200
        assert (await ask(app, "POST", "/google", headers=desk.push()))[0] == 202
        assert not slow.done()
        answered.set()
        assert (await slow)[0] == 200

    asyncio.run(walk())


# -- what it shows ---------------------------------------------------------------------------------------------------


def test_an_empty_installation_has_a_page() -> None:
    page = show(StatusWorld())
    assert page.xpath("string(//h2[@id='calendars']/following-sibling::p)") == "No calendar takes part yet."
    assert "Healthy" in page.xpath("string(//*[@role='status'])")


def test_those_in_trouble_are_shown_first_and_why() -> None:
    world = StatusWorld()
    calendars = world.office()
    world.day(calendars)
    world.store.save_mode("lin", Mode.OBSERVE)
    page = show(world)
    assert "Degraded" in page.xpath("string(//*[@role='status'])")
    assert [reason.text for reason in page.xpath("//ul[@class='reasons']/li")] == [
        "1 calendar could not be read, or the login is refused.",
        "Push fails for 1 calendar: polling stands in.",
    ]
    table = rows(page, "calendars")
    assert [row[:4] for row in table[:3]] == [
        [f"{calendars[1].key} microsoft", "mara", "● ok", "▲ failing until in 2 days"],
        [f"{calendars[4].key} microsoft", "jonas", "▲ login refused 7 × AuthExpired", "● active until in 2 days"],
        [f"{calendars[6].key} icloud", "lin only observed", "▲ read-only", "○ none"],
    ]
    assert [row[2] for row in table[3:]] == ["● ok"] * 4 + ["○ not read yet"]
    assert table[3][4:] == ["40 s ago", "in 5 h", "57", "–"]
    assert [row[7] for row in table if row[7] != "–"] == ["1"]
    assert [" ".join(each.text_content().split()) for each in page.xpath("//ul[@class='legend']/li")][2:] == [
        "Active: 4",
        "Failing, polled meanwhile: 1",
        "Given up, polled: 0",
        "Without push, polled: 3",
    ]


def test_the_last_runs_say_what_they_cost_and_what_failed() -> None:
    world = StatusWorld()
    calendars = world.office()
    world.day(calendars, runs=42)
    table = rows(show(world), "runs")
    assert len(table) == 20
    failed = next(row for row in table if row[7] != "–")
    assert failed[7] == "▲ 1 1 × AuthExpired"
    assert {row[1] for row in table} == {"push", "polling", "push our own writes alone"}
    assert all(int(row[6]) >= int(row[5]) for row in table)


def test_names_are_shown_only_where_the_host_wants_them() -> None:  # I-39
    world = StatusWorld()
    world.day(world.office())
    asked = Received("GET", "/status")
    receivers = {names: Receiver(world.engine, status=everybody, status_names=names) for names in (False, True)}
    shown = {names: receiver.answer(asked).body.decode() for names, receiver in receivers.items()}
    for name in ("mara@studio.example", "Meeting room", "Agency", "j.brandt@agency.example"):
        assert (name in shown[False], name in shown[True]) == (False, True)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_from_elsewhere_are_text(name: str) -> None:
    world = StatusWorld()
    account = world.account(f"o {name}", f"p {name}", f"a {name}")
    world.fails(world.calendar(account, f"c {name}"), 2, f"Kind{name}: words of a stranger")
    page = show(world, status_names=True)
    assert not page.xpath("//script | //img | //*[@onerror]")
    assert len(page.xpath("//h1")) == 1
    assert "words of a stranger" not in page.text_content()
    names = [each.text for each in page.xpath("//bdi")]
    assert len(names) == 4
    assert all(len(each) <= 80 for each in names)
    seen = "".join("\ufffd" if ord(each) < 32 else "?" if each == "\ud800" else each for each in name)
    assert all(f"{letter} {seen}"[:79] in names[place] for place, letter in enumerate("paco"))


def test_whoever_does_not_see_the_charts_has_their_numbers() -> None:
    world = StatusWorld()
    world.day(world.office())
    page = show(world)
    charts = page.xpath("//*[local-name()='svg']")
    assert len(charts) == 3
    for chart in charts:
        named = [page.get_element_by_id(key) for key in chart.get("aria-labelledby").split()]
        assert [each.tag for each in named] == ["title", "desc"]
        assert chart.get("role") == "img"
        assert all(each.text for each in named)
        assert chart.getparent().xpath(".//table/caption | .//ul[@class='legend']")
    columns = page.xpath("//section[@aria-labelledby='requests']//tbody/tr")
    total = sum(int(cell.text) for row in columns for cell in row.findall("td"))
    assert str(total) in page.xpath("string(//section[@aria-labelledby='requests']//figcaption)")


def test_it_is_made_for_everybody() -> None:
    world = StatusWorld()
    world.day(world.office())
    page = show(world)
    assert page.getroottree().getroot().get("lang") == "en"
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert [each.tag for each in page.xpath("//body/*")] == ["header", "main"]
    assert [each.tag for each in page.xpath("//h1 | //h2")] == ["h1", *["h2"] * 6]
    for section in page.xpath("//section"):
        assert page.get_element_by_id(section.get("aria-labelledby")).tag == "h2"
    for table in page.xpath("//table"):
        assert table.find("caption").text
        assert {each.get("scope") for each in table.xpath(".//th")} == {"col", "row"}
    for each in page.xpath("//time"):
        assert datetime.fromisoformat(each.get("datetime")).utcoffset() == timedelta()
        assert each.get("title").endswith(" UTC")
    assert not page.xpath("//@style | //@onclick | //script | //@src")


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_everything_can_be_made_out(colours: Mapping[str, str]) -> None:
    """WCAG 2.2: 4.5 to 1 for text (1.4.3), 3 to 1 for what a chart is drawn with (1.4.11)."""
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    for ground in (colours["page"], colours["card"]):
        for name in ("text", "soft", "link", "good", "warn", "bad"):
            assert _contrast(colours[name], ground) >= 4.5, name
    for name in ("reads", "writes", "rest", "good", "warn", "bad"):
        assert _contrast(colours[name], colours["card"]) >= 3, name


# -- large installations, and sick ones ------------------------------------------------------------------------------


def _many(world: StatusWorld, count: int) -> None:
    account = world.account("many", "google", "many")
    for number in range(count):
        world.calendar(account, f"c{number}")


def test_a_page_shows_fifty_calendars_and_the_way_to_the_others() -> None:
    world = StatusWorld()
    _many(world, 120)
    keys = [calendar.key for calendar in world.store.load_calendars()]
    world.pushes(world.store.load_calendar(keys[100]), PushState.SUSPENDED, failures=12)
    shown, links = [], []
    for query in ("", "page=2", "page=3"):
        page = show(world, query)
        shown += [int(row[0].split()[0]) for row in rows(page, "calendars")]
        links.append([link.get("href") for link in page.xpath("//nav/a")])
    assert shown == [keys[100], *keys[:100], *keys[101:]]
    assert links == [["?page=2#calendars"], ["?page=1#calendars", "?page=3#calendars"], ["?page=2#calendars"]]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        *(("page=0", 1), ("page=-1", 1), ("page=x", 1), ("page=²", 1), ("page=", 1), ("page=4", 3)),
        *((f"page={'9' * 9}", 3), (f"page={'9' * 99}", 1), ("&".join(f"a{n}=1" for n in range(99)), 1)),
        ("page=2&page=3", 2),
    ],
)
def test_any_page_can_be_asked_for(query: str, number: int) -> None:
    world = StatusWorld()
    _many(world, 120)
    assert f"Page {number} of 3" in show(world, query).xpath("string(//nav)")


def test_what_it_costs_does_not_depend_on_how_many_calendars_there_are(tmp_path: Path) -> None:
    costs = []
    for count in (60, 240):
        world = StatusWorld(store=SQLStore(f"sqlite:///{tmp_path}/{count}.db"))
        _many(world, count)
        show(world, "page=2")  # imports, connections and statements are made once
        costs.append(calls(lambda world=world: show(world, "page=1")))  # type: ignore[misc]  # a default binds it
    assert costs[1] <= costs[0] * 1.02


def test_refreshing_asks_for_the_runs_once_in_five_seconds() -> None:
    desk = Desk()
    receiver = Receiver(desk.engine, status=everybody)
    for _ in range(5):
        assert receiver.answer(Received("GET", "/status")).status == 200
    assert desk.store.looks == 1
    desk.clock.advance(timedelta(seconds=5))
    receiver.answer(Received("GET", "/status"))
    assert desk.store.looks == 2


def test_a_store_that_is_away_has_a_page_as_well() -> None:
    desk = Desk()
    receiver = Receiver(desk.engine, status=everybody)
    desk.store.sick = StoreError(secret("of the database"))
    reply = receiver.answer(Received("GET", "/status"))
    assert reply.status == 503
    assert _header(reply, "Content-Type") == "text/html; charset=utf-8"
    page = html.document_fromstring(reply.body.decode())
    assert "Nothing more can be told now: StoreError." in page.text_content()
    assert "Unhealthy" in page.xpath("string(//*[@role='status'])")


def test_a_thread_that_died_is_told() -> None:
    receiver = Receiver(Desk().engine, drain=True, status=everybody)
    receiver.start()
    receiver._drain._worker.stop(10)  # type: ignore[union-attr]  # it has one
    page = html.document_fromstring(receiver.answer(Received("GET", "/status")).body.decode())
    receiver.stop()
    assert "Unhealthy" in page.xpath("string(//*[@role='status'])")
    assert "has died" in page.xpath("string(//ul[@class='reasons'])")


def test_a_push_that_waits_is_told() -> None:
    desk = Desk()
    receiver = Receiver(desk.engine, status=everybody)
    assert receiver.answer(Received("POST", "/google", headers=desk.push())).status == 202
    said = []
    for minutes in (0, 3, 14):
        desk.clock.advance(timedelta(minutes=minutes))
        page = html.document_fromstring(receiver.answer(Received("GET", "/status")).body.decode())
        said.append((page.xpath("string(//*[@role='status'])"), page.xpath("string(//ul[@class='reasons'])")))
    assert said == [
        ("● Healthy", "What comes in is worked off, and no calendar fails."),
        ("▲ Degraded", "A push has been due for 3 min."),
        ("■ Unhealthy", "A push has been due for 17 min: does anything work the inbox off?"),
    ]


def _header(reply: Reply, name: str) -> str:
    return dict(reply.headers)[name]


# -- figures and markup ----------------------------------------------------------------------------------------------


def _run(ended: float, reads: int = 1, writes: int = 0, waited: float | None = None) -> SyncReport:
    """One that ended so many seconds ago."""
    at = NOW - timedelta(seconds=ended)
    pushed = None if waited is None else at - timedelta(seconds=waited)
    report = SyncReport(SyncType.WEBHOOK, at, at, reading_calls=reads, api_calls=reads + writes, notified_at=pushed)
    return evolve(report, busy_blocks_created=writes)


RUNS = st.lists(st.builds(_run, st.floats(0, 200_000), st.integers(0, 9), st.integers(0, 9)), max_size=40)


@given(RUNS)
def test_every_request_of_the_day_is_in_one_column(given_runs: list[SyncReport]) -> None:
    recent = lately(given_runs, NOW)
    shown = activity(recent, NOW, whole=True)
    assert shown.requests == sum(run.api_calls for run in recent)
    assert shown.step == timedelta(hours=1)
    assert len(shown.columns) in {24, 25}


@given(RUNS)
def test_the_latest_runs_fill_what_they_cover(given_runs: list[SyncReport]) -> None:
    recent = lately(given_runs, NOW)
    shown = activity(recent, NOW, whole=False)
    starts = [column.start for column in shown.columns]
    assert 1 <= len(starts) <= 30
    assert starts == [starts[0] + number * shown.step for number in range(len(starts))]
    assert starts[-1] <= NOW < starts[-1] + shown.step
    covered = [run for run in recent if run.finished_at is not None and run.finished_at >= starts[0]]
    assert shown.requests == sum(run.api_calls for run in covered)


def test_the_step_follows_how_far_back_the_runs_reach() -> None:
    steps = [activity([_run(minutes * 60)], NOW, whole=False).step for minutes in (5, 27, 56, 300, 840, 1_400)]
    assert [step.total_seconds() / 60 for step in steps] == [1, 1, 2, 15, 30, 60]


def test_one_push_is_not_called_pushes() -> None:
    given = [Bar("", "≤ 1 s", (Part("reads", "Pushes", number, one="Push"),)) for number in (1, 2)]
    drawn = html.fragment_fromstring(bars("latency", "Pushes", "", given))
    assert [title.text_content() for title in drawn.findall(".//g/title")] == ["≤ 1 s: 1 push", "≤ 1 s: 2 pushes"]


def test_latency_is_counted_where_it_belongs() -> None:
    waits = [0.5, 1, 1.01, 299, 300, 301]
    found = latency([*(_run(9, writes=1, waited=each) for each in waits), _run(9, waited=4), _run(9, writes=1)])
    assert found.counts == ((1, 2), (2, 1), (5, 0), (10, 0), (30, 0), (60, 0), (300, 2), (None, 1))
    assert (found.pushes, found.quantiles["p50"], found.quantiles["p95"]) == (6, 1.01, 301)
    assert (latency([]).pushes, latency([]).quantiles) == (0, {})


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_text_comes_out_as_it_went_in(text: str) -> None:
    page = html.fragment_fromstring(element("p", text, title=text))
    assert (page.text or "", page.get("title"), page.getchildren()) == (text, text, [])


def test_attributes_and_children_are_put_together() -> None:
    parts = [element("td", 1), None, ["<", element("b", "x")]]
    made = element("tr", parts, class_="a", aria_label='"', hidden=True, lang=None, draggable=False, x=0, y=1 / 3)
    assert made == '<tr class="a" aria-label="&quot;" hidden x="0" y="0.333333"><td>1</td>&lt;<b>x</b></tr>'
    assert short("x" * 81) == f"<bdi>{'x' * 79}…</bdi>"
