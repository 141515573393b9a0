"""The status page: values in, HTML out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

from attrs import frozen

from calsync_core.core.vitality import LATE, STUCK, Vitality
from calsync_core.models import CalendarHealth, PushState, SyncReport, Vitals
from calsync_core.web.markup import Content, Markup, document, element
from calsync_core.web.status import tables
from calsync_core.web.status.charts import Bar, Part, bars, strip
from calsync_core.web.status.figures import EDGES, Activity, Latency
from calsync_core.web.status.style import LIGHT, STYLE
from calsync_core.web.status.wording import NOTHING, ago, count, spell, wall

__all__ = ["View", "page", "unavailable"]

_VERDICTS = {
    Vitality.HEALTHY: ("good", "●", "Healthy"),
    Vitality.DEGRADED: ("warn", "▲", "Degraded"),
    Vitality.UNHEALTHY: ("bad", "■", "Unhealthy"),
}
"""A colour, a sign that does without it, and the word."""
_LONGEST = EDGES[-1]


@frozen
class View:
    """All that the page shows.

    Attributes:
        now: When it was found out; aware.
        drain: ``off``, ``running`` or ``stopped``: the thread of this process that works the inbox off.
        calendars: This page's, those in trouble first.
        number: Which page of calendars that is, from 1.
        pages: How many there are.
        runs: The last ones, newest first.
        names: Show the names of calendars and accounts.
    """

    now: datetime
    verdict: Vitality
    drain: str
    vitals: Vitals
    activity: Activity
    latency: Latency
    calendars: Sequence[CalendarHealth] = ()
    number: int = 1
    pages: int = 1
    runs: Sequence[SyncReport] = ()
    names: bool = False


def page(view: View) -> str:
    """The whole document."""
    colour, sign, word = _VERDICTS[view.verdict]
    head = element(
        "header",
        element("h1", "calsync"),
        element("p", element("span", sign, aria_hidden="true"), f" {word}", class_=f"verdict {colour}", role="status"),
        element("ul", [element("li", reason) for reason in _reasons(view)], class_="reasons"),
        element("p", "As of ", wall(view.now), " UTC, from the store; no provider was asked.", class_="soft"),
    )
    main = element(
        "main",
        _section("now", "Now", _tiles(view)),
        element("div", _requests(view.activity), _latency(view.latency), class_="pair"),
        _section("push", "Push", _push(view.vitals)),
        _section("calendars", "Calendars", _calendars(view)),
        _section("runs", "Last runs", tables.runs(view.runs, view.now)),
    )
    return _document(f"calsync: {word}", colour, head, main)


def unavailable(now: datetime, kind: str) -> str:
    """The document where nothing can be told, as where the store can't be asked."""
    head = element(
        "header",
        element("h1", "calsync"),
        element("p", element("span", "■", aria_hidden="true"), " Unhealthy", class_="verdict bad", role="status"),
        element("p", f"Nothing more can be told now: {kind}. The log says where."),
        element("p", "As of ", wall(now), " UTC.", class_="soft"),
    )
    return _document("calsync: Unhealthy", "bad", head, element("main"))


def _icon(colour: str) -> str:
    """A dot in the verdict's colour, which tells of it among many tabs."""
    dot = element("circle", cx=8, cy=8, r=7, fill=LIGHT[colour])
    return element("svg", dot, xmlns="http://www.w3.org/2000/svg", viewBox="0 0 16 16")


def _document(title: str, colour: str, *body: Content) -> str:
    head = (
        element("meta", name="robots", content="noindex"),
        # Without one, browsers ask the host for its own.
        element("link", rel="icon", href=f"data:image/svg+xml,{quote(_icon(colour))}"),
    )
    return document(title, STYLE, body, *head)


def _section(key: str, title: str, *content: Content) -> Markup:
    return element("section", element("h2", title, id=key), *content, aria_labelledby=key)


def _reasons(view: View) -> Iterable[str]:
    vitals = view.vitals
    reasons = []
    waited = timedelta() if vitals.backlog_since is None else view.now - vitals.backlog_since
    if view.drain == "stopped":
        reasons.append("The thread of this process that works the inbox off has died: start the process again.")
    if waited > STUCK:
        reasons.append(f"A push has been due for {spell(waited.total_seconds())}: does anything work the inbox off?")
    elif waited > LATE:
        reasons.append(f"A push has been due for {spell(waited.total_seconds())}.")
    if vitals.failing:
        reasons.append(f"{count(vitals.failing, 'calendar')} could not be read, or the login is refused.")
    silent = sum(vitals.push.get(state, 0) for state in (PushState.FAILING, PushState.SUSPENDED))
    if silent:
        reasons.append(f"Push fails for {count(silent, 'calendar')}: polling stands in.")
    return reasons or ["What comes in is worked off, and no calendar fails."]


def _tiles(view: View) -> Markup:
    vitals, last = view.vitals, next((run.finished_at for run in view.runs if run.finished_at), None)
    since = "not due yet" if vitals.backlog else ""
    if vitals.backlog_since is not None:
        since = f"due for {spell((view.now - vitals.backlog_since).total_seconds())}"
    given: list[tuple[str, Content, Content]] = [
        ("Calendars", f"{vitals.calendars:,}", f"{vitals.failing:,} failing" if vitals.failing else "none failing"),
        ("Last run", ago(last, view.now), "a quiet poll leaves none"),
        ("Pushes waiting", f"{vitals.backlog:,}", since),
        ("Writes waiting", f"{vitals.open_intents:,}", "decided, not yet known as done" if vitals.open_intents else ""),
        ("Deletions held", f"{vitals.held:,}", "yours to decide: calsync held list" if vitals.held else ""),
        ("Notices waiting", f"{vitals.notices:,}", "the host has not taken them" if vitals.notices else ""),
    ]
    return element(
        "dl",
        [
            element("div", element("dt", name), element("dd", element("b", value), element("span", note)))
            for name, value, note in given
        ],
    )


def _requests(activity: Activity) -> Markup:
    given = [
        Bar(
            "",
            wall(column.start, "%a %H:%M"),
            (Part("reads", "Reading", column.reads), Part("writes", "Writing", column.writes)),
        )
        for column in activity.columns
    ]
    minutes = int(activity.step.total_seconds() // 60)
    each = "hour" if minutes == 60 else "minute" if minutes == 1 else f"{minutes} minutes"
    span = "in the last 24 hours" if activity.whole else "in the latest runs, all that were looked at"
    first, middle = activity.columns[0].start, activity.columns[len(activity.columns) // 2].start
    chart = bars(
        "requests-chart",
        f"Requests to providers, per {each}",
        f"{count(activity.requests, 'request')} {span}.",
        given,
        ticks=[f"{first:%a %H:%M}", f"{middle:%H:%M}", "now"],
    )
    return _section("requests", f"Requests per {each}", chart)


def _latency(latency: Latency) -> Markup:
    given = [
        Bar(_edge(edge), _edge(edge), (Part("reads", "Pushes", number, one="Push"),)) for edge, number in latency.counts
    ]
    half, most = latency.quantiles.get("p50"), latency.quantiles.get("p95")
    told = "No push has led to a write yet."
    if half is not None and most is not None:
        told = (
            f"Half of {count(latency.pushes, 'push', 'pushes')} within {spell(half)}, 95 in 100 within {spell(most)}."
        )
    return _section(
        "latency", "From push to last block", bars("latency-chart", "Pushes by how long they took", told, given)
    )


def _edge(seconds: int | None) -> str:
    if seconds is None:
        return f"> {_LONGEST // 60} min"
    return f"≤ {seconds // 60} min" if seconds >= 60 else f"≤ {seconds} s"


def _push(vitals: Vitals) -> Markup:
    pushed = [vitals.push.get(state, 0) for state in (PushState.ACTIVE, PushState.FAILING, PushState.SUSPENDED)]
    parts = (
        Part("good", "Active", pushed[0]),
        Part("warn", "Failing, polled meanwhile", pushed[1]),
        Part("bad", "Given up, polled", pushed[2]),
        Part("rest", "Without push, polled", max(0, vitals.calendars - sum(pushed))),
    )
    told = ", ".join(f"{part.count:,} {part.name.lower()}" for part in parts)
    return strip("push-chart", "Enabled calendars by the state of their push", f"{told}.", parts)


def _calendars(view: View) -> list[Content]:
    if not view.calendars:
        return [element("p", "No calendar takes part yet." if view.number == 1 else NOTHING)]
    links: list[Content] = []
    if view.number > 1:
        links.append(element("a", "← Previous", href=f"?page={view.number - 1}#calendars", rel="prev"))
    if view.number < view.pages:
        links.append(element("a", "Next →", href=f"?page={view.number + 1}#calendars", rel="next"))
    here = element("span", f"Page {view.number:,} of {view.pages:,}", class_="soft")
    nav = element("nav", here, links, aria_label="Pages of calendars") if view.pages > 1 else None
    return [tables.calendars(view.calendars, view.now, names=view.names), nav]
