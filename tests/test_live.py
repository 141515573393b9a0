"""The live run is right before it meets a real account: here it meets the simulators and a real Radicale."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from live.caldav.facts import CALDAV_PROBES, ICLOUD_PROBES
from live.environment import Missing, Setup, read_setup
from live.findings import Probe, Seen, Unanswered
from live.google.facts import PROBES as GOOGLE_PROBES
from live.google.service import GoogleService
from live.microsoft.facts import PROBES as GRAPH_PROBES
from live.scratch import Scratch
from live.summary import Redaction
from live.wire import wait_until

from calsync_core.models import BearerToken, OAuthGrant, Password
from calsync_core.testing import GoogleSimulator, VirtualClock
from calsync_core.testing.servers import RadicaleServer
from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.graph import GraphSimulator
from calsync_core.testing.simulators.messages import Response

ROOT = Path(__file__).resolve().parents[1]
ANA = "ana.live@contoso.example"
OWN = ("Zahnarzt", "Therapie")
"""A title and a calendar's name in the account; neither is the run's business."""

LINE = re.compile(r"^\[(holds|does not hold|unclear)\] ([A-Z]-[A-Z-]+) .+ — .+$", re.MULTILINE)


@frozen
class Account:
    """A service with an account, and what its run may not print."""

    service: str
    environment: Mapping[str, str]
    secrets: tuple[str, ...]


def start(folder: str, environment: Mapping[str, str], *further: str) -> subprocess.Popen[str]:
    """The run as its session starts it, without this process's own settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CALSYNC_LIVE", "PYTEST"))}
    command = [sys.executable, "-m", "pytest", folder, "-q", "-o", "console_output_style=classic"]
    # No plugin that takes seconds to load, and is of no use to it.
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest", *further]
    return subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def google() -> Iterator[GoogleSimulator]:
    """Ana's account, with an event and a calendar of her own."""
    made = GoogleSimulator()
    made.add_user(ANA)
    made.add_calendar(ANA, OWN[1])
    at = {"dateTime": "2026-03-02T10:00:00Z"}
    made.put_event(ANA, {"summary": OWN[0], "start": at, "end": {"dateTime": "2026-03-02T11:00:00Z"}})
    with made:
        yield made


@pytest.fixture
def graph() -> Iterator[GraphSimulator]:
    """The same at Microsoft; its endpoint shakes hands."""
    made = GraphSimulator()
    made.add_user(ANA)
    made.add_calendar(ANA, OWN[1])
    made.knock = lambda _url, token, _seconds: (200, "text/plain", token)
    with made:
        yield made


@pytest.fixture
def radicale() -> Iterator[RadicaleServer]:
    """The same on a real CalDAV server."""
    with RadicaleServer({"ana.live": "a right password"}) as made:
        made.add_calendar("ana.live", "own", name=OWN[1])
        yield made


def at_google(google: GoogleSimulator) -> Account:
    grant = google.grant(ANA)
    environment = {
        "CLIENT_ID": google.client_id,
        "CLIENT_SECRET": google.client_secret,
        "REFRESH_TOKEN": grant,
        "TOKEN_URL": google.token_url,
        "BASE_URL": google.base_url,
        "WEBHOOK": "https://host.example.com/google",
    }
    return Account("google", _named("GOOGLE", environment), (google.client_secret, grant))


def at_microsoft(graph: GraphSimulator) -> Account:
    token = graph.token(ANA, lifetime=10**6)
    environment = {"TOKEN": token, "BASE_URL": graph.base_url, "WEBHOOK": "https://host.example.com/graph"}
    return Account("microsoft", _named("MICROSOFT", environment), (token,))


def at_radicale(radicale: RadicaleServer) -> Account:
    environment = {"URL": radicale.base_url, "USERNAME": "ana.live", "PASSWORD": "a right password"}
    return Account("caldav", _named("CALDAV", environment), ("a right password", "ana.live"))


def at_icloud(radicale: RadicaleServer) -> dict[str, str]:
    own = {"BASE_URL": radicale.base_url, "USERNAME": "ana.live", "PASSWORD": "a right password"}
    return _named("ICLOUD", own)


def _named(service: str, values: Mapping[str, str]) -> dict[str, str]:
    return {f"CALSYNC_LIVE_{service}_{name}": value for name, value in values.items()}


def calendars_of(google: GoogleSimulator) -> set[str]:
    """Names on Ana's list."""
    state = google._state.calendars.values()
    return {one.summary for one in state if one.roles.get(ANA, "none") != "none"}


def left_over(age: timedelta) -> str:
    return f"calsync-live-{datetime.now(UTC) - age:%Y%m%dT%H%M%SZ}-0a1b2c-1"


NOT_HOLDING = {
    "google": {"G-FLOATING", "G-SYNC-WINDOW", "G-PUSH-REFUSED", "G-RETRY-AFTER"},
    "microsoft": {"M-REPLAY", "M-REPLAY-ID", "M-INVALID-GRANT", "M-RETRY-AFTER"},
    "caldav": {"D-BYTES", "D-SYNC-TOMBSTONES", "D-SCHEDULE-TAG", "D-WEBDAV-PUSH"},
}
"""What the simulators decide against the belief, or can't be asked; and what is known of Radicale."""

PROBED: dict[str, Sequence[Probe[Any]]] = {
    "google": GOOGLE_PROBES,
    "microsoft": GRAPH_PROBES,
    "caldav": CALDAV_PROBES,
}


@pytest.mark.server
def test_a_whole_run(google: GoogleSimulator, graph: GraphSimulator, radicale: RadicaleServer) -> None:
    old, young = left_over(timedelta(hours=3)), left_over(timedelta(minutes=5))
    for name in (old, young, "calsync-live plans"):
        google.add_calendar(ANA, name)
    accounts = (at_google(google), at_microsoft(graph), at_radicale(radicale))
    runs = [(one, start(f"live/{one.service}", one.environment)) for one in accounts]
    # What is believed of iCloud is asked of the same server: it is the questions that are tested here.
    apple = start("live/caldav/test_icloud.py", at_icloud(radicale), "-k", "test_fact or test_series")
    for account, run in runs:
        told = run.communicate(timeout=200)[0]
        assert run.returncode == 0, told
        check_output(account, told)
    told = apple.communicate(timeout=200)[0]
    assert apple.returncode == 0, told
    assert [fact for _, fact in LINE.findall(told)] == [probe.id for probe in ICLOUD_PROBES]
    # Nothing stays but what others made.
    assert calendars_of(google) == {ANA, OWN[1], young, "calsync-live plans"}
    assert len(graph.calendars(ANA)) == 2
    assert graph.subscriptions == []
    assert google.channels == ()
    assert [path.name for path in radicale.folder.rglob("calsync-live-*")] == []
    # The account's own event was neither touched nor copied, and nobody was written to.
    assert [one["summary"] for one in google.events(ANA)] == [OWN[0]]
    assert google.mails == ()
    assert graph.mails == ()


def check_output(account: Account, told: str) -> None:
    lines = [(verdict, fact) for verdict, fact in LINE.findall(told)]
    assert [fact for _, fact in lines] == [probe.id for probe in PROBED[account.service]]
    assert {fact for verdict, fact in lines if verdict != "holds"} == NOT_HOLDING[account.service]
    passed = int(re.search(r"(\d+) passed", told)[1])  # type: ignore[index]  # None would fail the test
    assert passed >= len(lines) + 40, "the contract ran as well"
    summary = re.search(rf"^{account.service}: (\d+) facts .*; (\d+) requests sent; ", told, re.MULTILINE)
    assert summary is not None
    assert int(summary[1]) == len(lines)
    assert 100 < int(summary[2]) < 700, "a few hundred requests, no more"
    for secret in (*account.secrets, *OWN, ANA, "@contoso"):
        assert secret not in told


def test_without_credentials_it_skips_by_name() -> None:
    run = start("live", {"CALSYNC_LIVE_GOOGLE_CLIENT_ID": "half-an-account"})
    told = run.communicate(timeout=60)[0]
    assert run.returncode == 0, told
    for service in ("google", "microsoft", "icloud", "caldav"):
        assert len(re.findall(rf"^SKIPPED .*: {service}: no credentials: set CALSYNC_LIVE_", told, re.MULTILINE)) == 1
    assert "4 skipped" in told
    assert "half-an-account" not in told


def test_interrupted_it_cleans_up(google: GoogleSimulator) -> None:
    run = start("live/google", at_google(google).environment)
    limit = time.monotonic() + 60
    while len(google.log) < 40 and run.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    assert any(name.startswith("calsync-live-") for name in calendars_of(google))
    run.send_signal(signal.SIGINT)
    told = run.communicate(timeout=60)[0]
    assert run.returncode == 2, told
    assert calendars_of(google) == {ANA, OWN[1]}


def test_a_failure_says_where_and_not_what(google: GoogleSimulator) -> None:
    environment = {**at_google(google).environment, "CALSYNC_LIVE_GOOGLE_TOKEN": "a-refused-token"}
    run = start("live/google", environment, "-x")
    told = run.communicate(timeout=60)[0]
    assert run.returncode == 1, told
    assert "Unanswered: GET gave 401" in told
    assert "a-refused-token" not in told
    assert calendars_of(google) == {ANA, OWN[1]}


# -- its parts ----------------------------------------------------------------------------------------------------


def test_the_environment_is_read() -> None:
    token = read_setup("google", {"CALSYNC_LIVE_GOOGLE_TOKEN": "secret", "CALSYNC_LIVE_GOOGLE_WEBHOOK": "https://h/"})
    assert isinstance(token, Setup)
    assert (token.login, token.base_url, token.webhook) == (BearerToken("secret"), None, "https://h/")
    assert "secret" in token.secrets
    assert "secret" not in repr(token)
    public = _named("MICROSOFT", {"CLIENT_ID": "app", "REFRESH_TOKEN": "again"})
    grant = read_setup("microsoft", public)
    assert isinstance(grant, Setup)
    assert isinstance(grant.login, OAuthGrant)
    assert (grant.login.client_secret, grant.login.refresh_token) == (None, "again")
    apple = read_setup("icloud", _named("ICLOUD", {"USERNAME": "ana", "PASSWORD": "abcd-efgh"}))
    assert isinstance(apple, Setup)
    assert (apple.login, apple.base_url) == (Password("ana", "abcd-efgh"), None)
    for service, half in (("caldav", "USERNAME"), ("icloud", "PASSWORD"), ("google", "REFRESH_TOKEN")):
        assert isinstance(read_setup(service, _named(service.upper(), {half: "x"})), Missing)
        assert isinstance(read_setup(service, _named(service.upper(), {half: ""})), Missing)


def test_facts_have_names_of_their_own() -> None:
    for probes in (*PROBED.values(), ICLOUD_PROBES):
        names = [probe.id for probe in probes]
        assert len(set(names)) == len(names)
    assert len(ICLOUD_PROBES) == len(CALDAV_PROBES)


def test_a_denied_fact_holds_where_its_question_is_answered_with_no() -> None:
    def look(world: bool | None) -> Seen:
        return world, "seen"

    asked = Probe("X-A", "it is so", look)
    denied = asked.denied("X-B", "it is not so")
    assert [str(asked.look_into(world).verdict) for world in (True, False, None)] == [
        "holds",
        "does not hold",
        "unclear",
    ]
    assert [str(denied.look_into(world).verdict) for world in (True, False, None)] == [
        "does not hold",
        "holds",
        "unclear",
    ]
    assert denied.look_into(False).line == "[holds] X-B it is not so — seen"


def test_what_can_not_be_tried_is_unclear() -> None:
    def refused(_world: None) -> Seen:
        raise Unanswered("POST gave 403")

    line = Probe("X-A", "it is so", refused).look_into(None).line
    assert line == "[unclear] X-A it is so — could not be tried: POST gave 403"


def test_secrets_are_cut_out_of_every_line() -> None:
    redaction = Redaction()
    redaction.hide(["abc", "abcdef"])
    assert redaction.apply("token abcdef, abc") == "token …, …"


def test_the_poll_is_polite() -> None:
    clock = VirtualClock()
    asked: list[float] = []

    def never() -> bool:
        asked.append(clock.monotonic())
        return False

    assert wait_until(never, clock, patience=30) is None
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps == sorted(gaps)
    assert gaps[0] >= 0.5
    assert len(asked) <= 8
    assert asked[-1] - asked[0] <= 30
    assert wait_until(lambda: True, clock) == 0


@pytest.fixture
def service(google: GoogleSimulator) -> Iterator[GoogleService]:
    setup = read_setup("google", at_google(google).environment)
    assert isinstance(setup, Setup)
    made = GoogleService(setup, VirtualClock(datetime.now(UTC)))
    yield made
    made.wire.close()


def test_a_calendar_whose_making_was_not_answered_is_removed_too(
    google: GoogleSimulator, service: GoogleService
) -> None:
    scratch = Scratch(service, service.clock)
    scratch.new()
    google.fail(HttpFault(HttpFaultKind.LOST_ANSWER, method="POST", path="/calendars$"))
    with pytest.raises(Exception, match="disconnected"):
        scratch.new()
    assert len(calendars_of(google)) == 4
    scratch.remove_all()
    assert calendars_of(google) == {ANA, OWN[1]}


def test_limits_are_waited_out_and_remembered(google: GoogleSimulator, service: GoogleService) -> None:
    before = service.clock.now()
    limit = Response(429, {"Retry-After": "7"})
    google.fail(HttpFault(HttpFaultKind.ANSWER, limit, path="calendarList"))
    list(service.list_calendars())
    assert service.wire.limits == [(429, True)]
    assert service.clock.now() - before >= timedelta(seconds=7)
