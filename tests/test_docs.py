"""The documentation is true: its examples run, its commands exist, its configurations are accepted."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import click
import pytest
import yaml
from examples.two_servers import two_servers
from prometheus_client.parser import text_string_to_metric_families

import django_bench  # noqa: F401  (Django's page is of a project that is configured)
from calsync_core import InvalidValue, NoticeKind, SyncPolicy
from calsync_core.cli.application import calsync
from calsync_core.cli.config import load_config
from calsync_core.credentials import new_key
from calsync_core.models import Metrics, Vitals
from calsync_core.web.exposition import expose
from documented import Block, find_blocks, run_page

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NEEDS_SERVERS = {"quickstart.md"}
QUICK = [page for page in PAGES if page.name not in NEEDS_SERVERS and find_blocks(page, "python")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def each_block(language: str) -> list[Block]:
    return [block for page in PAGES for block in find_blocks(page, language)]


def place(block: Block) -> str:
    return f"{named(block.path)}:{block.line}"


@pytest.mark.parametrize("page", QUICK, ids=named)
def test_the_python_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_page(page) > 0


@pytest.mark.server
def test_the_quickstart_runs_against_real_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with two_servers() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert run_page(ROOT / "docs" / "quickstart.md") > 0


def test_every_page_with_python_is_run_by_one_of_the_tests_above() -> None:
    with_python = {page.name for page in PAGES if find_blocks(page, "python")}
    assert with_python == {page.name for page in QUICK} | NEEDS_SERVERS


@pytest.mark.parametrize("block", each_block("toml"), ids=place)
def test_every_configuration_is_accepted(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r'"env:(\w+)"', block.text):
        monkeypatch.setenv(name, new_key() if name.endswith("_KEY") else f"a long enough value of {name}")
    for name in re.findall(r'"file:([^"]+)"', block.text):
        key_file = '{"client_email": "bot@example.com", "private_key": "…"}'
        (tmp_path / name).write_text(key_file if name.endswith(".json") else "from a file", "utf-8")
    path = tmp_path / "calsync.toml"
    path.write_text(block.text, "utf-8")
    assert load_config(path).accounts


def test_the_policy_shown_as_default_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = next(block for block in each_block("toml") if "these are the defaults" in block.text)
    for name in re.findall(r'"env:(\w+)"', block.text):
        monkeypatch.setenv(name, new_key() if name.endswith("_KEY") else "a secret of 16 letters or more")
    full, bare = tmp_path / "full.toml", tmp_path / "bare.toml"
    full.write_text(block.text, "utf-8")
    bare.write_text('[installation]\nsecret = "a secret of 16 letters or more"\n[store]\nurl = "sqlite://"\n', "utf-8")
    assert load_config(full).policy == load_config(bare).policy
    shown = set(tomllib.loads(block.text)["policy"])
    assert shown == {attribute.name for attribute in attrs.fields(SyncPolicy)}


def test_the_table_of_the_policy_is_the_policy() -> None:
    page = (ROOT / "docs" / "rules.md").read_text("utf-8").partition("## Policy")[2]
    rows = [
        [cell.strip().strip("`") for cell in line.split("|")] for line in page.splitlines() if line.startswith("| `")
    ]
    defaults = {field.name: str(field.default) for field in attrs.fields(SyncPolicy)}
    assert {row[1]: row[2] for row in rows} == defaults
    for _, name, _, allowed, *_ in rows:
        for limit in re.findall(r"[\d.]+", allowed):
            SyncPolicy(**{name: json.loads(limit)})
        for low in re.findall(r"^([\d.]+) …", allowed):
            with pytest.raises(InvalidValue):
                SyncPolicy(**{name: json.loads(low) - 1})


def test_the_table_of_notices_has_every_kind() -> None:
    page = (ROOT / "docs" / "write-a-notifier.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    assert [kind.strip("`") for kind, *_ in rows] == [str(kind) for kind in NoticeKind]
    assert all(when and needs for _, when, needs, _ in rows)


def test_the_manifests_hang_together() -> None:
    kinds = {}
    for block in each_block("yaml"):
        manifest = yaml.safe_load(block.text)
        if "kind" not in manifest:
            continue
        kinds[manifest["kind"]] = manifest["spec"]
        [pod] = [template["spec"] for template in _found(manifest, "template")]
        [container] = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert kinds["CronJob"]["concurrencyPolicy"] == "Forbid"
    assert kinds["Deployment"]["selector"]["matchLabels"] == kinds["Deployment"]["template"]["metadata"]["labels"]


def test_the_alerts_ask_for_what_is_measured() -> None:
    [rules] = [
        group["rules"] for block in each_block("yaml") for group in (yaml.safe_load(block.text).get("groups") or [])
    ]
    now = datetime(2026, 11, 24, tzinfo=UTC)
    totals = Metrics(24, latency={"p50": 1.0, "p95": 2.0, "p99": 3.0}, success_rate=1.0).as_dict()
    families = text_string_to_metric_families(expose(Vitals(), totals, now))
    samples = [sample for family in families for sample in family.samples]
    measured = {sample.name for sample in samples}
    labelled = {(sample.name, *label) for sample in samples for label in sample.labels.items()}
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule
        assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["alert"])
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "action"}
        asked = re.findall(r"(calsync_\w+)(?:\{([^}]*)\})?", rule["expr"])
        assert asked
        assert {name for name, _ in asked} <= measured, rule["alert"]
        for name, selector in asked:
            for label, _, values in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', selector):
                assert {(name, label, value) for value in values.split("|")} <= labelled, rule["alert"]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8


def _found(value: Any, name: str) -> list[Any]:
    """What stands under this name, however deep."""
    if not isinstance(value, dict):
        return []
    return [value[name]] if name in value else [found for inner in value.values() for found in _found(inner, name)]


def calsync_commands() -> list[tuple[str, list[str]]]:
    """Every ``calsync …`` line in a console block, and every one that a manifest runs."""
    found: list[tuple[str, list[str]]] = []
    for block in each_block("yaml"):
        for command in re.findall(r"command: (\[.*\])", block.text):
            found.append((place(block), yaml.safe_load(command)[1:]))
    for block in each_block("console"):
        for offset, line in enumerate(block.text.splitlines()):
            for part in re.split(r"&&|\|\|?|;|>.*", line.removeprefix("$ ")):
                words = shlex.split(part, comments=True)
                if words and Path(words[0]).name == "calsync":
                    found.append((f"{named(block.path)}:{block.line + offset}", words[1:]))
    return found


@pytest.mark.parametrize(("where", "arguments"), calsync_commands())
def test_every_command_shown_exists_and_takes_what_it_is_given(where: str, arguments: list[str]) -> None:
    context = calsync.make_context("calsync", list(arguments), resilient_parsing=False)
    while isinstance(context.command, click.Group):
        # A group's first word is apart from the others until click 9.
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None, f"{where}: no command {name}"
        context = command.make_context(name, rest, parent=context)


def test_the_command_table_lists_exactly_the_commands_there_are() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    first_cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert {word for cell in first_cells for word in re.findall(r"`([a-z]+)", cell)} == set(calsync.commands)


@pytest.mark.parametrize("purpose", ["demo", "tests"])
def test_the_readme_sets_everything_up_in_one_command(purpose: str) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    block = re.search(rf"<!-- set-up: {purpose} -->\n```console\n(.*?)\n```", readme, re.DOTALL)
    assert block is not None
    assert len(block[1].splitlines()) == 1
    wanted = re.findall(r"'\.\[([\w,]+)\]'", block[1])
    assert {extra for group in wanted for extra in group.split(",")} <= set(PROJECT["project"]["optional-dependencies"])


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_to_other_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_to_the_world_are_whole_and_encrypted(page: Path) -> None:
    """Nobody is asked whether the other end is there: that is for a person who writes "as of"."""
    prose = re.sub(r"^```\w*\n.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\((\w+://[^)]*)\)|<(https?://[^>]*)>", prose)
    for link in filter(None, (part for pair in links for part in pair)):
        parts = urlsplit(link)
        assert parts.scheme == "https", link
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), link
        assert re.fullmatch(r"[!-~]+", link), link
        assert not re.search(r"example\.|localhost", link), link


def test_what_depends_on_the_day_says_which() -> None:
    """Consoles change. A page that walks through one says as of when."""
    for name in ("google", "microsoft", "icloud", "caldav"):
        assert re.search(r"[Aa]s of\s+\w+ 20\d\d", (ROOT / "docs" / f"{name}.md").read_text("utf-8")), name


def test_every_number_that_code_cites_is_explained() -> None:
    pages = (ROOT / "docs" / "invariants.md").read_text("utf-8"), (ROOT / "docs" / "decisions.md").read_text("utf-8")
    invariants = set(re.findall(r"^I-(\d\d)$", pages[0], re.MULTILINE)) | {f"{number}" for number in range(26, 33)}
    decisions = set(re.findall(r"^(\d+)\. \*\*", pages[1], re.MULTILINE))
    unexplained = [
        f"{path.relative_to(ROOT)}: {cited[0]}"
        for folder in ("src", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for cited in re.finditer(r"\bI-(\d\d)\b|\bdecision (\d+)\b", path.read_text("utf-8"))
        if (cited[1] or "") not in invariants | {""} or (cited[2] or "") not in decisions | {""}
    ]
    assert unexplained == []


def test_every_invariant_has_a_test_that_tries_to_break_it() -> None:
    page = (ROOT / "docs" / "invariants.md").read_text("utf-8")
    tests = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "src" / "calsync_core" / "testing").rglob("*.py")]
    cited = {number for path in tests for number in re.findall(r"\bI-\d\d\b", path.read_text("utf-8"))}
    assert sorted(set(re.findall(r"^I-\d\d$", page, re.MULTILINE)) - cited) == []


def test_changelog_fragments_are_named_as_their_readme_says() -> None:
    names = {path.name for path in (ROOT / "changelog.d").iterdir()} - {"README.md"}
    kinds = "added|changed|fixed|removed|security"
    assert [name for name in names if not re.fullmatch(rf"[a-z0-9-]+\.({kinds})\.md", name)] == []


NAMED_TESTS = sorted({name for page in PAGES for name in re.findall(r"tests/[\w/]+\.py::\w+", page.read_text("utf-8"))})


def test_every_test_that_a_page_names_is_there() -> None:
    assert len(NAMED_TESTS) > 20
    for named_test in NAMED_TESTS:
        module, _, name = named_test.partition("::")
        assert f"def {name}(" in (ROOT / module).read_text("utf-8"), named_test
