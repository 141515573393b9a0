"""``calsync credentials login``: a person types a code in elsewhere, and the database keeps what comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from calsync_core.cli.application import calsync
from calsync_core.credentials import new_key
from calsync_core.testing.simulators.graph import GraphSimulator
from calsync_core.testing.simulators.messages import Request, Response
from household import noon
from planted import LUNCH

ANA, ALSO = "ana@contoso.example", "ana@fabrikam.example"


class Attended(GraphSimulator):
    """Somebody sits beside it and types every code in at once."""

    who = ANA

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        if request.path.endswith("/devicecode"):
            self.approve_device(response.json()["user_code"], self.who)
        return response


@pytest.fixture
def graph() -> Iterator[Attended]:
    with Attended() as simulator:
        simulator.add_app("cli")
        for user in (ANA, ALSO):
            simulator.add_user(user)
        yield simulator


def write(folder: Path, graph: Attended, *, key: bool = True) -> Path:
    """Ana's two mailboxes, both to be logged in to by hand."""
    head = '[installation]\nsecret = "the-secret-of-this-test"\n[store]\nurl = "sqlite:///calsync.db"\n'
    head += f'encryption_key = "{new_key()}"\n' if key else ""
    accounts = (
        f'[[accounts]]\nname = "{name}"\nowner = "ana"\nprovider = "microsoft"\nbase_url = "{graph.base_url}"\n'
        f'auth = {{ type = "device", client_id = "cli", token_url = "{graph.authority}/oauth2/v2.0/token" }}\n'
        for name in ("contoso", "fabrikam")
    )
    path = folder / "calsync.toml"
    path.write_text(head + "".join(accounts), encoding="utf-8")
    return path


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(calsync, ["--config", str(config), *words])


def as_json(result: Result) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(result.stdout)
    return values


def test_logged_in_once_it_goes_on_by_itself(tmp_path: Path, graph: Attended) -> None:  # I-36, I-39
    config = write(tmp_path, graph)
    waiting = run(config, "sync", "--json")
    assert waiting.exit_code == 1
    assert {each["message"] for each in as_json(waiting)["errors"]} == {
        "nobody is logged in: calsync credentials login contoso",
        "nobody is logged in: calsync credentials login fabrikam",
    }
    for name, graph.who in (("contoso", ANA), ("fabrikam", ALSO)):
        done = run(config, "credentials", "login", name, "--json")
        assert done.exit_code == 0, done.output
        assert as_json(done) == {"connected": name}
        assert "enter the code" in done.stderr
    start, end = noon(1), noon(2)
    times = {
        name: {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}
        for name, at in (("start", start), ("end", end))
    }
    graph.put_event(graph.calendars(ANA)[0], {"subject": LUNCH, **times})
    synced = as_json(run(config, "sync", "--json"))
    assert (synced["errors"], synced["busy_blocks_created"]) == ([], 1)
    assert as_json(run(config, "audit", "--json"))["ok"]


def test_a_login_that_would_be_lost_is_not_begun(tmp_path: Path, graph: Attended) -> None:  # I-44
    config = write(tmp_path, graph, key=False)
    result = run(config, "credentials", "login", "contoso")
    assert result.exit_code == 2
    assert "encryption_key: is missing" in result.stderr
    assert graph.log == ()


def test_only_accounts_of_that_kind_can_be_logged_in_to(tmp_path: Path, graph: Attended) -> None:  # I-44
    result = run(write(tmp_path, graph), "credentials", "login", "work")
    assert result.exit_code == 2
    assert '"work" has no auth of the type "device" (those that have: contoso, fabrikam)' in result.stderr


def test_a_mailbox_at_another_address_is_logged_in_to_anew(tmp_path: Path, graph: Attended) -> None:  # I-38
    """What was kept for one server is shown to no other."""
    config = write(tmp_path, graph)
    assert run(config, "credentials", "login", "contoso").exit_code == 0
    with Attended() as other:
        config.write_text(config.read_text("utf-8").replace(graph.base_url, other.base_url), encoding="utf-8")
        result = as_json(run(config, "sync", "--json"))
        assert "nobody is logged in: calsync credentials login contoso" in {one["message"] for one in result["errors"]}
        assert other.log == ()
