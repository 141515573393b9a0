"""The examples of extensions are what they say: they keep the shipped contracts, and are found once installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from attrs import evolve
from calsync_ics_feed import IcsFeedProvider
from calsync_sealed_titles import SealedTitles, sealed
from click.testing import CliRunner
from test_ics_feed import FeedServer, TestIcsFeed, server
from test_sealed_titles import TestSealedTitles

from calsync_core import Account, BearerToken, ConfigurationError, InvalidValue, StoreError, SyncEngine
from calsync_core.cli.application import calsync
from calsync_core.credentials import new_key
from calsync_core.errors import IdentityChanged
from calsync_core.extensions import known_providers, load_provider, load_store
from calsync_core.models import CalendarRole, Event, MirrorRule, Password, RemoteCalendar, Span
from calsync_core.protocols import Provider, PublishingProvider, Session
from calsync_core.providers.memory import MemoryProvider, MemoryService
from calsync_core.stores import MemoryStore
from calsync_core.testing import GoogleSimulator, VirtualClock
from planted import LUNCH, PASSWORD

__all__ = ["TestIcsFeed", "TestSealedTitles", "server"]  # the kits' tests are collected here

ROOT = Path(__file__).resolve().parents[1]
SECRET = "a secret of 16 letters or more"
ADDRESS = "ana@example.com"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both examples, installed as any package is, in a folder of their own."""
    for part in ("pip", "hatchling"):
        if find_spec(part) is None:
            pytest.skip(f"{part} is not installed")
    target = tmp_path_factory.mktemp("installed")
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    examples = [str(ROOT / "examples" / name) for name in ("ics_feed", "sealed_titles")]
    command = [sys.executable, "-m", "pip", "install", "-q", *offline, "--target", str(target), *examples]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return target


def noon(days: int = 1) -> datetime:
    return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=days)


def lunch(uid: str = "lunch", days: int = 1) -> Event:
    return Event(uid, uid, Span(noon(days), noon(days) + timedelta(hours=1)), title=LUNCH)


def test_calsync_finds_both_by_name(installed: Path, server: FeedServer, tmp_path: Path) -> None:
    """A feed blocks a calendar at Google, and the database has no title of it."""
    server.put(lunch())
    with GoogleSimulator() as google:
        google.add_user(ADDRESS)
        config = tmp_path / "calsync.toml"
        config.write_text(
            f"""
            [installation]
            secret = "{SECRET}"
            [store]
            url = "sealed+sqlite:///{tmp_path}/calsync.db"
            [[accounts]]
            name = "roster"
            owner = "ana"
            provider = "ics-feed"
            auth = {{ type = "bearer", token = "env:ROSTER" }}
            receive = false
            [[accounts]]
            name = "google"
            owner = "ana"
            provider = "google"
            base_url = "{google.base_url}"
            auth = {{ type = "bearer", token = "{google.issue_token(ADDRESS)}" }}
            """,
            "utf-8",
        )
        code = "from calsync_core.cli import main; raise SystemExit(main())"
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "PYTHONPATH": os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "CALSYNC_TITLE_KEY": new_key(),
            "ROSTER": server.address,
        }
        ended = subprocess.run(
            [sys.executable, "-c", code, "--config", str(config), "sync", "--json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["busy_blocks_created"] == 1
        assert [block["summary"] for block in google.events(ADDRESS)] == ["🔒 Busy"]
    kept = (tmp_path / "calsync.db").read_bytes()
    assert b"sealed:" in kept
    assert LUNCH.encode() not in kept
    assert server.address not in ended.stderr


def test_an_engine_is_given_what_was_found_by_name(
    installed: Path,
    server: FeedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(installed))
    assert "ics-feed" in known_providers()
    provider = load_provider("ics-feed")
    assert isinstance(provider, PublishingProvider)
    assert not isinstance(provider, Provider)
    assert type(provider).__name__ == IcsFeedProvider.__name__
    monkeypatch.setenv("CALSYNC_TITLE_KEY", new_key())
    store = load_store("sealed+sqlite://")
    engine = SyncEngine(store=store, providers={"ics-feed": provider}, secret=SECRET)
    account = engine.connect(Account(owner="ana", provider="ics-feed", name="roster"), BearerToken(server.address))
    [calendar] = engine.discover(account.key)
    assert calendar.name == "Roster"
    monkeypatch.delenv("CALSYNC_TITLE_KEY")
    with pytest.raises(ConfigurationError, match=r"^CALSYNC_TITLE_KEY: is missing"):
        load_store("sealed+sqlite://")


class Feeding:
    """An engine between a feed and a calendar in memory."""

    def __init__(self, server: FeedServer) -> None:
        self.server = server
        self.clock = VirtualClock(datetime.now(UTC))
        self.memory = MemoryService()
        self.memory.add_user("ana", PASSWORD)
        self.memory.add_calendar("ana", "Calendar", primary=True)
        self.store = MemoryStore()
        self.engine = SyncEngine(
            store=self.store,
            providers={"ics-feed": IcsFeedProvider(), "memory": MemoryProvider(self.memory)},
            secret=SECRET,
            clock=self.clock,
        )
        feed = self.engine.connect(
            Account(owner="ana", provider="ics-feed", name="roster"), BearerToken(server.address)
        )
        home = self.engine.connect(Account(owner="ana", provider="memory", name="home"), Password("ana", PASSWORD))
        self.account = feed
        [self.feed] = self.engine.discover(feed.key)
        [self.home] = self.engine.discover(home.key)
        self.engine.enable(self.feed.key, receive=False)
        self.engine.enable(self.home.key)

    def blocks(self) -> list[str]:
        report = self.engine.sync_calendars_needing_polling()
        assert report.ok, report.errors
        return [block.key for block in self.memory.blocks(self.home.remote_id)]


@pytest.fixture
def feeding(server: FeedServer) -> Feeding:
    server.put(lunch())
    return Feeding(server)


def test_a_feed_blocks_what_receives_and_is_never_written(feeding: Feeding) -> None:  # I-02, I-42
    assert len(feeding.blocks()) == 1
    with pytest.raises(InvalidValue, match=r"^receive: this login may not write to 'Roster'"):
        feeding.engine.enable(feeding.feed.key, receive=True)
    feeding.server.put(lunch("another", days=2))
    assert len(feeding.blocks()) == 2
    feeding.server.remove("lunch")
    assert len(feeding.blocks()) == 1
    assert feeding.engine.audit("ana").ok
    assert feeding.engine.purge("ana").ok


class Boasting(IcsFeedProvider):
    """Says of its calendar that it could be written to."""

    def list_calendars(self, session: Session) -> list[RemoteCalendar]:
        return [evolve(each, role=CalendarRole.OWNER) for each in super().list_calendars(session)]


def test_whoever_only_publishes_is_never_believed_to_receive(feeding: Feeding) -> None:  # I-42, I-44
    """Neither by what it says of itself, nor by what was stored when it was another provider."""
    boasting = SyncEngine(store=MemoryStore(), providers={"ics-feed": Boasting()}, secret=SECRET)
    roster = Account(owner="ana", provider="ics-feed", name="roster")
    account = boasting.connect(roster, BearerToken(feeding.server.address))
    assert [calendar.role for calendar in boasting.discover(account.key)] == [CalendarRole.READER]

    feeding.store.save_calendar(evolve(feeding.feed, enabled=True, receive=True, role=CalendarRole.OWNER))
    feeding.memory.put(feeding.home.remote_id, lunch("at home", days=3))
    [failure] = feeding.engine.sync_all_calendars().errors
    assert failure.kind == "ConfigurationError"
    assert failure.message == "provider: a calendar of 'roster' receives, and 'ics-feed' only publishes"


def test_an_answer_that_is_no_calendar_deletes_nothing(feeding: Feeding) -> None:  # I-07
    """An error page with status 200, and a text that was cut off in the middle."""
    assert len(feeding.blocks()) == 1
    whole = feeding.server.text()
    for wrong in ("<html>Sorry</html>", "", whole[: whole.index("END:VEVENT")]):
        feeding.server.instead = wrong
        feeding.clock.advance(timedelta(hours=2))
        report = feeding.engine.sync_calendars_needing_polling()
        assert [failure.kind for failure in report.errors] == ["UnreadableAnswer"]
        assert len(feeding.memory.blocks(feeding.home.remote_id)) == 1
    feeding.server.instead = None
    feeding.clock.advance(timedelta(hours=2))
    assert len(feeding.blocks()) == 1


def test_an_address_is_asked_for_as_it_is_and_its_host_is_all_that_is_said(feeding: Feeding) -> None:  # I-39
    """With its query and its escapes; that nothing of it is logged, the watch over all tests sees to."""
    feeding.server.path = "/roster%20of%20ana.ics?key=5f2b9c71&week=%C3%A4"
    feeding.engine.connect(feeding.account, BearerToken(feeding.server.address))
    assert len(feeding.blocks()) == 1
    feeding.server.stop()
    feeding.clock.advance(timedelta(hours=2))
    [failure] = feeding.engine.sync_calendars_needing_polling().errors
    assert failure.message == "GET to 127.0.0.1 failed: ConnectError"


def test_a_new_address_on_the_same_server_takes_the_old_ones_place(feeding: Feeding) -> None:  # I-35, I-46
    before = feeding.blocks()
    feeding.server.path = "/roster-another.ics"
    feeding.clock.advance(timedelta(hours=2))
    assert [failure.kind for failure in feeding.engine.sync_calendars_needing_polling().errors] == ["AuthExpired"]
    feeding.engine.connect(feeding.account, BearerToken(feeding.server.address))
    assert feeding.blocks() == before
    with pytest.raises(IdentityChanged):
        feeding.engine.connect(feeding.account, BearerToken(feeding.server.address.replace("127.0.0.1", "localhost")))


@pytest.mark.parametrize(
    ("login", "problem"),
    [
        (Password("ana", PASSWORD), "^credentials: a feed's login is a bearer token"),
        (BearerToken("ftp://example.com/x.ics"), "^token: a feed's address must be a URL that starts with https://"),
        (
            BearerToken("http://example.com/x.ics"),
            "^token: a feed's address plain http:// is accepted",
        ),
    ],
)
def test_what_is_no_address_is_told_before_any_request(login: Password | BearerToken, problem: str) -> None:  # I-44
    engine = SyncEngine(store=MemoryStore(), providers={"ics-feed": IcsFeedProvider()}, secret=SECRET)
    with pytest.raises(InvalidValue, match=problem):
        engine.connect(Account(owner="ana", provider="ics-feed", name="roster"), login)


def test_titles_come_back_with_their_key_and_with_no_other() -> None:
    inner, key = MemoryStore(), new_key()
    store = sealed(inner, key)
    store.save_rules("ana", [MirrorRule(title="Work: {title}")])
    assert store.load_rules("ana") == [MirrorRule(title="Work: {title}")]
    [kept] = inner.load_rules("ana")
    assert (kept.title or "").startswith("sealed:")
    with pytest.raises(StoreError, match="another key"):
        sealed(inner, new_key()).load_rules("ana")
    inner.save_rules("ana", [MirrorRule(title="from before")])
    assert store.load_rules("ana") == [MirrorRule(title="from before")]
    assert isinstance(store, SealedTitles)


BROKEN = {
    "absent": ("no_such_module:Thing", "can't be loaded: No module named 'no_such_module'"),
    "nameless": ("json:NoSuchThing", "can't be loaded: module 'json' has no attribute 'NoSuchThing'"),
    "failing": ("fractions:Fraction.from_float", "failed: TypeError"),
    "another": ("builtins:dict", "its entry point made a dict, not a provider"),
}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose entry points are all wrong, each in a way of its own."""
    folder = tmp_path / "site" / "broken-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", "utf-8")
    providers = "".join(f"{name} = {value}\n" for name, (value, _) in BROKEN.items())
    stores = "absent = no_such_module:Thing\nanother = builtins:str\n"
    text = f"[calsync_core.providers]\n{providers}[calsync_core.stores]\n{stores}"
    (folder / "entry_points.txt").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(folder.parent))


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_entry_point_is_one_clear_message(name: str) -> None:  # I-44
    assert name in known_providers()
    with pytest.raises(ConfigurationError) as told:
        load_provider(name)
    assert str(told.value).startswith(f'provider "{name}": ')
    assert BROKEN[name][1] in str(told.value)


@pytest.mark.usefixtures("broken")
def test_so_is_a_broken_store() -> None:  # I-44
    with pytest.raises(ConfigurationError, match=r'^url: store "absent": entry point no_such_module:Thing'):
        load_store("absent://x")
    with pytest.raises(ConfigurationError, match=r'^url: store "another": its entry point made a str, not a store'):
        load_store("another://x")


def test_what_nobody_installed_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r'^provider "nobodys": it is not installed'):
        load_provider("nobodys")


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(("store", "provider"), [("sqlite:///calsync.db", "absent"), ("absent://x", "caldav")])
def test_the_command_line_says_so_in_one_line(store: str, provider: str, tmp_path: Path) -> None:
    config = tmp_path / "calsync.toml"
    config.write_text(
        f"""
        [installation]
        secret = "{SECRET}"
        [store]
        url = "{store}"
        [[accounts]]
        name = "a"
        owner = "ana"
        provider = "{provider}"
        base_url = "https://dav.example.com/"
        auth = {{ type = "password", username = "ana", password = "x" }}
        """,
        "utf-8",
    )
    ended = CliRunner().invoke(calsync, ["--config", str(config), "sync"])
    assert ended.exit_code == 2
    [line] = ended.stderr.strip().splitlines()
    assert "can't be loaded: No module named 'no_such_module'" in line
