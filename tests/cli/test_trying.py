"""A household that is only observed, and one whose last sync was a mistake, on a real CalDAV server and SQLite."""

from __future__ import annotations

from datetime import timedelta

import pytest

from calsync_core.models import MirrorRule, Mode
from calsync_core.stores.sql import SQLStore
from household import Household, event, noon

pytestmark = pytest.mark.server

OBSERVED = '[owners.ana]\nmode = "observe"\n'
WRITTEN_FOR = '[owners.ana]\nmode = "write"\n'


def write(household: Household, owners: str = "", policy: str = "") -> None:
    """The configuration, with what it says of owners."""
    accounts = (household.account("office", "Work"), household.account("private", "Home"))
    household.write(*accounts, policy=f"{policy}\n{owners}")


@pytest.fixture
def home(household: Household) -> Household:
    """Two events at work, one at home: three blocks."""
    household.put("Work", "a.ics", event("a@test", noon(2)))
    household.put("Work", "b.ics", event("b@test", noon(3)))
    household.put("Home", "c.ics", event("c@test", noon(4)))
    write(household)
    return household


def names(household: Household) -> dict[str, list[str]]:
    return {name: sorted(household.names(name)) for name in ("Work", "Home")}


def test_an_observed_owner_is_told_what_would_be_written(home: Household) -> None:
    write(home, OBSERVED)
    before = names(home)
    for _ in range(2):
        report = home.json("sync")
        assert (report["busy_blocks_created"], report["observed"]["owners"], report["ok"]) == (0, ["ana"], True)
        assert sum(each["create"] for each in report["observed"]["calendars"]) == 3
        assert len(report["observed"]["operations"]) == 3
    text = home.call("sync").stdout
    assert "Nothing written" in text
    assert "3 writes would be due" in text
    assert "ana is only observed" in " ".join(text.split())
    assert "3 writes are due" in home.call("plan").stdout
    status = home.call("status").stdout
    assert "ana is only observed" in " ".join(status.split())
    assert "0, 3 observed" in status
    assert {each["mode"] for each in home.json("status")["calendars"]} == {"observe"}
    assert home.json("audit", code=1)["missing"] == 3
    assert names(home) == before
    write(home)
    assert home.json("sync")["busy_blocks_created"] == 3
    assert home.json("audit")["ok"]


def test_a_repairing_audit_writes_nothing_for_an_observed_owner(home: Household) -> None:
    write(home, OBSERVED)
    before = names(home)
    assert home.json("audit", "--repair", code=1)["repaired"] == 0
    assert names(home) == before


def test_a_run_is_undone(home: Household) -> None:  # create, update and delete, over CalDAV
    home.json("sync")
    stood = {name: spans(home, name) for name in ("Work", "Home")}
    home.put("Work", "a.ics", event("a@test", noon(2) + timedelta(hours=3)))
    home.server.delete(home.calendars["Work"], "b.ics")
    home.put("Work", "d.ics", event("d@test", noon(5)))
    wrong = home.json("sync")
    kinds = ("created", "updated", "deleted")
    assert [wrong[f"busy_blocks_{kind}"] for kind in kinds] == [1, 1, 1]
    write(home, OBSERVED)
    report = home.json("undo", str(wrong["id"]))
    assert (report["deleted"], report["reverted"], report["remade"], report["ok"]) == (1, 1, 1, True)
    assert spans(home, "Home") == stood["Home"]
    again = home.call("undo", str(wrong["id"]))
    assert (again.exit_code, again.stdout.strip()) == (0, "Nothing to undo.")
    assert f"undo of {wrong['id']}" in " ".join(home.call("status").stdout.split())
    assert home.json("sync")["observed"]["calendars"] != []
    assert spans(home, "Home") == stood["Home"]
    write(home, WRITTEN_FOR)
    redone = home.json("sync")
    assert [redone[f"busy_blocks_{kind}"] for kind in kinds] == [1, 1, 1]
    assert home.json("audit")["ok"]


def test_an_undo_wants_its_owners_observed(home: Household) -> None:  # I-44
    run = home.json("sync")["id"]
    for owners in ("", WRITTEN_FOR):
        write(home, owners)
        refused = home.json("undo", str(run), code=2)
        assert '[owners.ana]: mode: must be "observe", or the next sync writes again what is undone' in refused["error"]
    assert len(home.names("Home")) == 3
    assert home.json("undo", "4711", code=2)["kind"] == "UnknownRun"


def test_an_undo_names_what_it_left(home: Household) -> None:
    run = home.json("sync")["id"]
    mine = next(name for name in home.names("Work") if name not in {"a.ics", "b.ics"})
    text = home.server.read(home.calendars["Work"], mine)
    home.server.put(
        home.calendars["Work"], mine, text.replace("END:VEVENT", "ATTENDEE:mailto:x@example.com\r\nEND:VEVENT")
    )
    write(home, OBSERVED)
    shown = home.call("undo", str(run))
    assert shown.exit_code == 0, shown.output
    assert "somebody made it theirs" in " ".join(shown.stdout.split())
    assert "2 deleted, 0 reverted, 0 made again" in " ".join(shown.stdout.split())
    assert mine in home.names("Work")


def test_the_file_decides_at_the_beginning_of_a_command(home: Household) -> None:
    home.json("sync")
    store = SQLStore(f"sqlite:///{home.folder}/calsync.db")
    store.save_mode("ana", Mode.OBSERVE)
    store.save_rules("ana", [MirrorRule(title="Away")])
    assert home.json("plan")["counts"] == {"update": 3}
    assert store.load_mode("ana") is Mode.OBSERVE
    assert home.json("sync")["busy_blocks_updated"] == 3
    assert store.load_mode("ana") is Mode.WRITE
    store.close()


def spans(household: Household, calendar: str) -> list[str]:
    """When what stands on a calendar is."""
    texts = [household.server.read(household.calendars[calendar], name) for name in household.names(calendar)]
    return sorted(line for text in texts for line in text.splitlines() if line.startswith("DTSTART"))
