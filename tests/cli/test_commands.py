"""The commands on a real CalDAV server and SQLite: exit codes, the one JSON object, and what they say."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from calsync_core.cli.application import calsync
from calsync_core.cli.config import load_config
from calsync_core.credentials import check_keys
from calsync_core.testing.servers import CalDAVServer, RadicaleServer
from household import Household, event, noon
from planted import GUEST, LUNCH, PASSWORD

pytestmark = pytest.mark.server


def fill(household: Household) -> None:
    """Two events at work, one at home, one at the club: eight blocks on three calendars."""
    household.put("Work", "a.ics", event("a@test", noon(2)))
    household.put("Work", "b.ics", event("b@test", noon(3)))
    household.put("Home", "c.ics", event("c@test", noon(4)))
    household.put("Club", "d.ics", event("d@test", noon(5), "STATUS:TENTATIVE"))


# -- sync and plan ------------------------------------------------------------------------------------------------


def test_sync_writes_blocks_and_a_second_one_nothing(household: Household) -> None:  # I-01, I-03
    fill(household)
    first = household.json("sync")
    assert (first["busy_blocks_created"], first["errors"], first["ok"]) == (8, [], True)
    assert first["sync_type"] == "polling"
    assert {name: len(household.names(name)) for name in household.calendars} == {"Work": 4, "Home": 4, "Club": 4}
    second = household.json("sync")
    assert (second["busy_blocks_created"], second["busy_blocks_updated"], second["busy_blocks_deleted"]) == (0, 0, 0)
    assert second["api_calls"] <= 3
    audited = household.json("audit")
    assert (audited["ok"], audited["missing"], audited["extra"], audited["wrong"]) == (True, 0, 0, 0)


def test_a_full_sync_finds_everything_right(household: Household) -> None:  # I-03
    fill(household)
    household.json("sync")
    full = household.json("sync", "--mode", "full")
    assert full["sync_type"] == "full"
    assert (full["busy_blocks_created"], full["busy_blocks_updated"], full["busy_blocks_deleted"]) == (0, 0, 0)


def test_plan_says_what_sync_would_write_and_writes_nothing(household: Household) -> None:
    fill(household)
    planned = household.json("plan")
    assert planned["counts"] == {"create": 8}
    assert {operation["reason"] for operation in planned["operations"]} == {"booked"}
    assert {name: len(household.names(name)) for name in household.calendars} == {"Work": 2, "Home": 1, "Club": 1}
    text = household.call("plan").stdout
    assert "8 writes are due" in text
    assert "booked" in text
    household.json("sync")
    assert household.json("plan")["operations"] == []
    assert "Nothing is due" in household.call("plan").stdout


def test_sync_tells_a_person_what_it_wrote_and_why(household: Household) -> None:
    fill(household)
    text = household.call("sync").stdout
    assert "8 blocks written" in text
    assert "office / Work" in text
    assert "booked" in text
    assert "Nothing to write" in household.call("sync").stdout
    assert "Lunch" not in text


def test_one_calendar_can_be_synced_by_its_id(household: Household) -> None:
    fill(household)
    household.json("sync")
    household.put("Home", "e.ics", event("e@test", noon(6)))
    home = next(each for each in household.json("status")["calendars"] if each["name"].startswith("Home"))
    assert household.json("sync", "--calendar", str(home["calendar"]))["busy_blocks_created"] == 2
    assert "4711" in household.json("sync", "--calendar", "4711", code=2)["error"]
    household.json("sync", "--calendar", str(home["calendar"]), "--mode", "full", code=2)


def test_owners_are_synced_apart(household: Household) -> None:
    fill(household)
    household.write(
        household.account("office", "Work"),
        household.account("private", "Home"),
        household.account("club", "Club", owner='"ben"'),
    )
    synced = household.json("sync", "--owner", "ana")
    assert synced["busy_blocks_created"] == 3
    assert len(household.names("Club")) == 1
    refused = household.json("sync", "--owner", "carla", code=2)
    assert refused["error"] == 'owner: there is no "carla" (known: ana, ben)'


# -- failures: one clear error, the rest goes on ------------------------------------------------------------------


def test_a_wrong_password_fails_its_account_and_no_other(household: Household) -> None:  # I-37, I-39
    fill(household)
    wrong = '{ type = "password", username = "ana", password = "not-the-password" }'
    household.write(
        household.account("office", "Work"),
        household.account("private", "Home"),
        household.account("club", "Club", auth=wrong),
    )
    result = household.call("sync", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [(each["account"], each["kind"]) for each in report["errors"]] == [("club", "AuthExpired")]
    assert report["busy_blocks_created"] == 3
    assert "not-the-password" not in result.output
    told = household.call("sync")
    assert told.exit_code == 1
    assert "club: AuthExpired" in told.stdout
    assert household.json("status")["healthy"] is False
    household.write(
        *(household.account(*names) for names in (("office", "Work"), ("private", "Home"), ("club", "Club")))
    )
    assert household.json("sync")["errors"] == []
    assert household.json("audit")["ok"] is True


def test_a_login_refused_later_keeps_what_was_written(household: Household) -> None:  # I-35, I-37
    fill(household)
    household.json("sync")
    wrong = '{ type = "password", username = "ana", password = "was-changed-meanwhile" }'
    household.write(household.account("office", "Work"), household.account("private", "Home", "Club", auth=wrong))
    household.put("Work", "e.ics", event("e@test", noon(6)))
    report = household.json("sync", code=1)
    assert {each["account"] for each in report["errors"]} == {"private"}
    assert {each["kind"] for each in report["errors"]} == {"AuthExpired"}
    assert len(household.names("Home")) == 4
    accounts = {each["name"]: each["status"] for each in household.json("status")["accounts"]}
    assert accounts == {"office": "active", "private": "auth_expired"}
    planned = household.json("plan", code=1)
    assert [(each["account"], each["kind"]) for each in planned["errors"]] == [("private", "AuthExpired")]
    household.write(household.account("office", "Work"), household.account("private", "Home", "Club"))
    assert household.json("sync")["ok"] is True
    assert household.json("audit")["ok"] is True


def test_a_server_that_is_down_fails_its_account_and_no_other(household: Household) -> None:  # I-37
    fill(household)
    gone = RadicaleServer()
    gone.start()
    dead = gone.base_url
    gone.stop()
    household.write(
        household.account("office", "Work"),
        household.account("private", "Home"),
        household.account("attic", base_url=f'"{dead}"', calendars='["*"]'),
    )
    report = household.json("sync", code=1)
    assert [(each["account"], each["kind"]) for each in report["errors"]] == [("attic", "Unreachable")]
    assert report["busy_blocks_created"] == 3


def test_a_new_login_is_not_tried_at_the_old_address(household: Household) -> None:  # I-38
    """The account moves to a server that does not answer yet: the old one is not asked in the meantime."""
    fill(household)
    household.json("sync")
    gone = RadicaleServer()
    gone.start()
    dead = gone.base_url
    gone.stop()
    moved = '{ type = "password", username = "ana", password = "for-the-new-server-only" }'
    club = household.account("club", "Club", base_url=f'"{dead}"', auth=moved)
    kept = household.account("office", "Work"), household.account("private", "Home")
    household.write(*kept, household.account("club", "Club"))
    household.json("sync")
    household.write(*kept, club)
    for _ in range(2):
        report = household.json("sync", code=1)
        assert [(each["account"], each["kind"]) for each in report["errors"]] == [("club", "Unreachable")]
        assert report["calendars_processed"] == 2
    household.write(*kept, household.account("club", "Club"))
    assert household.json("sync")["calendars_processed"] == 3
    assert household.json("audit")["ok"] is True


def test_a_server_that_goes_down_later_loses_nothing(household: Household) -> None:  # I-07
    fill(household)
    with RadicaleServer({"ana": PASSWORD}) as other:
        url = other.add_calendar("ana", "attic", name="Attic")
        other.put(url, "x.ics", event("x@test", noon(7)))
        attic = household.account("attic", base_url=f'"{other.base_url}"', calendars='["Attic"]')
        household.write(household.account("office", "Work"), household.account("private", "Home"), attic)
        household.json("sync")
    before = household.names("Work")
    report = household.json("sync", code=1)
    assert [(each["account"], each["kind"]) for each in report["errors"]] == [("attic", "Unreachable")]
    assert report["busy_blocks_deleted"] == 0
    assert household.names("Work") == before
    planned = household.json("plan", code=1)
    assert planned["errors"][0]["account"] == "attic"
    assert household.json("audit", code=1)["ok"] is False


def test_an_event_in_an_unknown_zone_is_named_and_blocks_nothing(household: Household) -> None:  # I-24, I-37
    fill(household)
    odd = event("odd@test", noon(3)).replace("Z\r\n", "\r\n").replace("DTSTART:", "DTSTART;TZID=Mars/Olympus:")
    household.put("Work", "odd.ics", odd)
    report = household.json("sync")
    assert report["busy_blocks_created"] == 8
    (parked,) = report["parked"]
    assert "odd.ics" in parked["event"]
    assert "Mars/Olympus" in parked["reason"]
    assert household.json("sync")["busy_blocks_created"] == 0
    assert household.json("audit")["ok"] is True


def test_a_broken_ics_among_good_ones_is_named_and_the_rest_is_synced(xandikos: CalDAVServer, tmp_path: Path) -> None:
    household = Household(xandikos, tmp_path)  # I-07, I-37
    for name in ("Work", "Home"):
        household.add_calendar(name)
    household.write(household.account("private", "Work", "Home"))
    household.put("Work", "good.ics", event("good@test", noon(2)))
    household.put("Home", "fine.ics", event("fine@test", noon(4)))
    household.put("Work", "broken.ics", event("broken@test", noon(3)).replace("DTEND:", "DTEND:1"))
    report = household.json("sync", code=1)
    assert report["busy_blocks_created"] == 2
    (error,) = report["errors"]
    assert (error["account"], error["kind"]) == ("private", "Unreadable")
    assert error["calendar"].startswith("Work")
    assert "broken.ics" in error["message"]
    assert "Lunch" not in error["message"]
    household.server.delete(household.calendars["Work"], "broken.ics")
    household.put("Work", "mended.ics", event("broken@test", noon(3)))
    mended = household.json("sync")
    assert (mended["busy_blocks_created"], mended["errors"]) == (1, [])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("the-secret-of-installation-", "s-", "[installation]: secret: needs at least 16 characters"),
        ('provider = "caldav"', 'provider = "caldva"', 'accounts[0] "office": provider: unknown provider "caldva"'),
        (f'"{PASSWORD}"', '"env:ANA_PW"', 'accounts[0] "office": auth.password: environment variable ANA_PW is not'),
        ("sqlite:///calsync.db", "nosuchdb://x/y", "calsync.toml: [store]: url: not a database URL"),
        ("sqlite:///calsync.db", "sqlite:///no/such/folder/x.db", "calsync.toml: [store]: url: this file can't be"),
        ("[policy]", "[policy", "is not valid TOML"),
    ],
)
def test_a_bad_configuration_is_one_error_before_any_request(  # I-44
    household: Household, old: str, new: str, message: str
) -> None:
    fill(household)
    text = household.config.read_text()
    assert old in text
    household.config.write_text(text.replace(old, new))
    for command in ("sync", "plan", "status", "audit"):
        result = household.call(command, "--json")
        assert result.exit_code == 2, result.output
        assert message in json.loads(result.stdout)["error"]
        plain = household.call(command)
        assert (plain.exit_code, plain.stdout) == (2, "")
        assert message in plain.stderr.replace("\n", " ")
    assert not (household.folder / "calsync.db").exists()


def test_calendars_that_are_not_there_are_named_with_those_that_are(household: Household) -> None:  # I-44
    fill(household)
    household.write(household.account("office", "Work"), household.account("private", calendars='["Hoem"]'))
    error = household.json("sync", code=2)["error"]
    assert 'accounts[1] "private": calendars: "Hoem" is not there (it has: ' in error
    assert '"Home ' in error
    household.write(household.account("office", "Work").replace("calendars", "#"))
    assert "nothing says which one is meant; name some (it has: " in household.json("sync", code=2)["error"]
    assert {name: len(household.names(name)) for name in household.calendars} == {"Work": 2, "Home": 1, "Club": 1}


def test_a_configuration_without_accounts_says_so(household: Household) -> None:
    household.write()
    assert "accounts: there are none" in household.json("sync", code=2)["error"]


# -- accounts that come, go and change ----------------------------------------------------------------------------


def test_an_account_missing_from_the_file_is_paused_and_comes_back(household: Household) -> None:
    fill(household)
    household.json("sync")
    household.write(household.account("office", "Work"))
    household.put("Work", "e.ics", event("e@test", noon(6)))
    result = household.call("sync", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["busy_blocks_deleted"] == 0
    assert "account_paused" in result.stderr
    assert len(household.names("Home")) == 4
    assert {each["name"]: each["status"] for each in household.json("status")["accounts"]}["private"] == "paused"
    household.write(household.account("office", "Work"), household.account("private", "Home", "Club"))
    assert household.json("sync")["busy_blocks_created"] == 2
    assert household.json("audit")["ok"] is True


def test_a_changed_selection_switches_calendars_on_and_off(household: Household) -> None:  # decision 18
    fill(household)
    household.json("sync")
    household.write(household.account("office", "Work"), household.account("private", "Home"))
    household.json("sync")
    assert {name: len(household.names(name)) for name in household.calendars} == {"Work": 3, "Home": 3, "Club": 1}
    household.write(household.account("office", "Work"), household.account("private", "Home", receive="false"))
    household.json("sync")
    assert {name: len(household.names(name)) for name in household.calendars} == {"Work": 3, "Home": 1, "Club": 1}


def test_an_account_keeps_its_owner(household: Household) -> None:
    household.json("sync")
    household.write(household.account("office", "Work", owner='"ben"'), household.account("private", "Home", "Club"))
    error = household.json("sync", code=2)["error"]
    assert 'accounts[0] "office": owner: was "ana" when this account was connected' in error


# -- held ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def emptied(household: Household) -> Household:
    """A calendar of six events that lists empty all of a sudden; more than three deletions are held."""
    household.write(household.account("office", "Work"), household.account("private", "Home"), policy="guard_max = 3")
    for number in range(6):
        household.put("Work", f"{number}.ics", event(f"{number}@test", noon(2) + timedelta(days=number)))
    household.json("sync")
    for number in range(6):
        household.server.delete(household.calendars["Work"], f"{number}.ics")
    return household


def test_a_source_that_lists_empty_leaves_the_blocks_standing(
    emptied: Household, monkeypatch: pytest.MonkeyPatch
) -> None:  # I-08
    report = emptied.json("sync")
    assert (report["held"], report["busy_blocks_deleted"], report["ok"]) == (6, 0, True)
    assert len(emptied.names("Home")) == 6
    listed = emptied.json("held", "list")
    assert listed["count"] == 6
    monkeypatch.setenv("COLUMNS", "60")
    shown = emptied.call("held", "list").stdout
    assert "held approve" in shown
    assert all(each["ref"][:12] in shown for each in listed["held"])  # in one piece, also on a narrow terminal
    audited = emptied.json("audit")
    assert (audited["ok"], audited["excepted"]) == (True, 6)


def test_approved_deletions_happen_and_dropped_ones_do_not(emptied: Household) -> None:  # I-08
    emptied.json("sync")
    refs = [each["ref"] for each in emptied.json("held", "list")["held"]]
    assert emptied.json("held", "drop", refs[0])["dropped"] == 1
    assert emptied.json("held", "approve", "--all")["approved"] == 5
    assert emptied.json("sync")["busy_blocks_deleted"] == 5
    assert len(emptied.names("Home")) == 1
    assert emptied.json("held", "list")["count"] == 0
    assert emptied.json("sync")["busy_blocks_deleted"] == 0


def test_held_wants_to_know_exactly_which(emptied: Household) -> None:  # I-44
    emptied.json("sync")
    assert "is not held" in emptied.json("held", "approve", "nothing-like-it", code=2)["error"]
    assert "say --all" in emptied.json("held", "approve", code=2)["error"]
    assert emptied.json("held", "list")["count"] == 6


# -- audit, explain, status, purge ----------------------------------------------------------------------------------


def test_an_audit_finds_what_was_tampered_with_and_repairs_it(household: Household) -> None:  # I-01
    household.write(
        household.account("office", "Work"), household.account("private", "Home"), policy="grace_seconds = 0"
    )
    fill(household)
    household.json("sync")
    victim = next(name for name in household.names("Home") if name != "c.ics")
    household.server.delete(household.calendars["Home"], victim)
    found = household.json("audit", code=1)
    assert (found["ok"], found["missing"]) == (False, 1)
    assert "not as it should be" in household.call("audit").stdout
    repaired = household.json("audit", "--repair")
    assert (repaired["ok"], repaired["repaired"]) == (True, 1)
    assert len(household.names("Home")) == 3
    assert "all is as it should be" in household.call("audit").stdout


def test_explain_says_why(household: Household) -> None:
    fill(household)
    household.json("sync")
    instant = noon(2) + timedelta(minutes=30)
    told = household.json("explain", "ana", instant.isoformat())
    assert [each["blocked"] for each in told["calendars"]] == [True, True, True]
    assert all(each["because"] for each in told["calendars"])
    local = instant.replace(tzinfo=None).isoformat()
    assert household.json("explain", "ana", local, "--timezone", "UTC")["instant"] == told["instant"]
    free = household.json("explain", "ana", (instant + timedelta(hours=5)).isoformat())
    assert not any(each["blocked"] for each in free["calendars"])
    text = household.call("explain", "ana", instant.isoformat()).stdout
    assert "blocked" in text
    assert "Lunch" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ana", "2026-11-30T09:15"), "has no offset; add one"),
        (("ana", "2026-11-30"), "has no offset; add one"),
        (("ana", "tomorrow"), "is not ISO 8601"),
        (("ana", "2026-11-30T09:15", "--timezone", "Berlin"), "is not an IANA time zone name"),
        (("nobody", "2026-11-30T09:15Z"), 'there is no "nobody"'),
    ],
)
def test_explain_refuses_what_it_cannot_understand(household: Household, words: tuple[str, ...], message: str) -> None:
    assert message in household.json("explain", *words, code=2)["error"]


def test_status_needs_no_request_and_names_what_is_wrong(household: Household) -> None:
    fresh = household.json("status")
    assert fresh["calendars"] == []
    assert {each["status"] for each in fresh["accounts"]} == {"not_connected"}
    fill(household)
    household.json("sync")
    status = household.json("status")
    assert status["healthy"] is True
    assert sorted(each["blocks"] for each in status["calendars"]) == [2, 3, 3]
    assert len(status["runs"]) == 1
    assert status["metrics"]["blocks_written"] == 8
    text = household.call("status").stdout
    assert "office / Work" in text
    assert "8 blocks written" in text


def test_purge_leaves_nothing_of_ours_and_all_of_theirs(household: Household) -> None:  # I-43, I-02
    fill(household)
    household.json("sync")
    assert "say --yes" in household.json("purge", code=2)["error"]
    assert household.call("purge").exit_code == 2
    purged = household.json("purge", "--yes")
    assert (purged["ok"], purged["removed"], purged["residue"]) == (True, 8, [])
    assert {name: household.names(name) for name in household.calendars} == {
        "Work": ["a.ics", "b.ics"],
        "Home": ["c.ics"],
        "Club": ["d.ics"],
    }


def test_purge_of_one_account_takes_its_blocks_back_everywhere(household: Household) -> None:  # I-43
    fill(household)
    household.json("sync")
    assert "there is no" in household.json("purge", "--account", "nobody", "--yes", code=2)["error"]
    household.json("purge", "--account", "office", "--yes")
    assert {name: len(household.names(name)) for name in household.calendars} == {"Work": 2, "Home": 2, "Club": 2}


def test_purge_finds_blocks_after_the_database_was_lost(household: Household) -> None:  # I-43, I-49
    fill(household)
    household.json("sync")
    for file in household.folder.glob("calsync.db*"):
        file.unlink()
    purged = household.json("purge", "--yes")
    assert (purged["ok"], purged["removed"]) == (True, 8)
    assert household.names("Home") == ["c.ics"]


# -- init, help, processes ------------------------------------------------------------------------------------------


def test_init_writes_a_private_file_that_loads_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "calsync.toml"
    first = CliRunner().invoke(calsync, ["--config", str(path), "init"])
    assert first.exit_code == 0, first.output
    text = path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = tomllib.loads(text)["installation"]["secret"]
    key = tomllib.loads(text)["store"]["encryption_key"]
    assert len(secret) >= 32
    assert check_keys(key) == (key,)
    assert secret not in first.output
    assert key not in first.output
    again = CliRunner().invoke(calsync, ["--config", str(path), "init", "--json"])
    assert again.exit_code == 2
    assert "exists already" in json.loads(again.stdout)["error"]
    assert path.read_text(encoding="utf-8") == text
    other = CliRunner().invoke(calsync, ["--config", str(tmp_path / "other.toml"), "init"])
    assert other.exit_code == 0
    assert secret not in (tmp_path / "other.toml").read_text(encoding="utf-8")
    assert key not in (tmp_path / "other.toml").read_text(encoding="utf-8")
    missing = CliRunner().invoke(calsync, ["--config", str(tmp_path / "no" / "calsync.toml"), "init"])
    assert missing.exit_code == 2


def test_what_init_comments_out_is_valid_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "calsync.toml"
    CliRunner().invoke(calsync, ["--config", str(path), "init"])
    for name in ("ANA_ICLOUD_PASSWORD", "GOOGLE_SECRET", "ANA_GOOGLE"):
        monkeypatch.setenv(name, "a-secret-one")
    (tmp_path / "office-password").write_text("x")
    lines = path.read_text(encoding="utf-8").splitlines()
    settings = [line[2:] if line.startswith("# ") and (" = " in line or line[2:3] == "[") else line for line in lines]
    path.write_text("\n".join(settings), encoding="utf-8")
    config = load_config(path)
    assert [each.account.name for each in config.accounts] == ["ana-icloud", "ana-office", "ana-google"]
    assert config.public_url is not None


def test_the_example_configuration_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[2] / "examples" / "calsync.toml"
    for name in ("CALSYNC_SECRET", "ANA_ICLOUD_PASSWORD", "ANA_OFFICE_PASSWORD", "ANA_CLUB_PASSWORD", "BEN_PASSWORD"):
        monkeypatch.setenv(name, "long-enough-for-anything")
    assert len(load_config(path).accounts) == 4


def run(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """``calsync`` as a process of its own."""
    command = [sys.executable, "-c", "import sys; from calsync_core.cli import main; sys.exit(main())", *words]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_exit_codes_and_streams_of_real_processes(household: Household) -> None:
    fill(household)
    good = run("sync", "--json", cwd=household.folder)
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["busy_blocks_created"] == 8
    assert "step_finished" in good.stderr
    assert "Lunch" not in good.stderr + good.stdout
    assert run("audit", cwd=household.folder).returncode == 0
    version = run("--version", cwd=household.folder)
    assert (version.returncode, version.stdout.startswith("calsync, version ")) == (0, True)
    bad = run("sync", "--json", "--mode", "sometimes", cwd=household.folder)
    assert bad.returncode == 2
    assert "sometimes" in json.loads(bad.stdout)["error"]
    nowhere = run("--config", "nowhere.toml", "status", cwd=household.folder)
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert nowhere.stderr == "calsync: nowhere.toml: no such file (calsync init writes one)\n"


def test_without_its_libraries_the_command_line_names_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys, importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda name, *rest: None if name == 'click' else find(name, *rest);"
        "from calsync_core.cli import main; sys.exit(main())"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "pip install 'calsync-core[cli]'" in ended.stderr


def test_no_log_of_a_run_carries_titles_or_secrets(household: Household) -> None:  # I-39
    household.put("Work", "a.ics", event("a@test", noon(2), f"ATTENDEE:mailto:{GUEST}"))
    result = household.call("sync", "--verbose")
    assert result.exit_code == 0
    for secret in (LUNCH, GUEST, PASSWORD, household.secret):
        assert secret not in result.output


def test_other_libraries_say_nothing(tmp_path: Path) -> None:  # I-39
    """They quote what servers send: msal warns of a wrong clock with all that an ID token says of a person."""
    # The walk looks into the tie to Django, which no command imports.
    code = (
        "import importlib, logging, pkgutil, calsync_core;"
        "skipped = ('.testing', '.migrations', '__main__', '.contrib.django');"
        "found = pkgutil.walk_packages(calsync_core.__path__, 'calsync_core.', lambda name: None);"
        "names = [each.name for each in found];"
        "[importlib.import_module(name) for name in names if not any(part in name for part in skipped)];"
        "import msal;"
        "from calsync_core.cli.output import configure_logging;"
        "configure_logging(verbose=True);"
        "known = {name.partition('.')[0] for name in logging.root.manager.loggerDict};"
        "known -= {'asyncio', 'concurrent', 'django'};"
        "print(len(known), [name for name in sorted(known) if logging.getLogger(name).isEnabledFor(logging.ERROR)])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    count, _, audible = ended.stdout.strip().partition(" ")
    assert int(count) >= 8
    assert audible == "[]"


def test_servers_are_asked_only_what_is_needed(household: Household, radicale: CalDAVServer) -> None:
    fill(household)
    household.json("sync")
    household.put("Work", "e.ics", event("e@test", noon(6)))
    report = household.json("sync")
    # one listing each, one fetch of what changed, one write on each of the two others, read back where no etag came
    assert report["busy_blocks_created"] == 2
    assert report["api_calls"] <= 3 + 1 + 2 * 2
    assert radicale.names(household.calendars["Work"])
