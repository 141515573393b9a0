"""Completion in real shells, and ``calsync --version``."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import calsync_core
from calsync_core.stores.sql import migrations

CALSYNC = "import sys; from calsync_core.cli import main; sys.exit(main())"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which ``calsync`` is a command."""
    script = tmp_path / "bin" / "calsync"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{CALSYNC}" "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}


def shell(name: str, code: str, environment: dict[str, str]) -> list[str]:
    """The lines that a shell prints."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name}")
    ended = subprocess.run([found, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.split("\n")[:-1]


BASH = """
source <(calsync completion bash)
complete -p calsync > /dev/null
COMP_WORDS=(calsync {words}) COMP_CWORD={place}
_calsync_completion calsync
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("su", ["subscriptions"]),
        ("held ''", ["approve", "drop", "list"]),
        ("sync --mode p", ["polling"]),
        ("purge --y", ["--yes"]),
        ("completion f", ["fish"]),
    ],
)
def test_bash_completes(words: str, completed: list[str], environment: dict[str, str]) -> None:
    assert shell("bash", BASH.format(words=words, place=len(words.split())), environment) == completed


def test_fish_completes(environment: dict[str, str]) -> None:
    code = "calsync completion fish | source; complete -C 'calsync cred'; complete -C 'calsync sync --mode f'"
    assert [line.split("\t")[0] for line in shell("fish", code, environment)] == ["credentials", "full"]


def test_zsh_takes_the_script(environment: dict[str, str]) -> None:
    code = (
        "autoload -U compinit; compinit -D; source <(calsync completion zsh); print ${_comps[calsync]};"
        "_describe() { print -l ${(P)3} };"
        "words=(calsync cred); CURRENT=2; _calsync_completion"
    )
    registered, completed = shell("zsh", code, environment)
    assert registered == "_calsync_completion"
    assert completed == "credentials:Logins that the database keeps, sealed."


def versions(prepared: str = "") -> list[str]:
    code = f"{prepared}import sys; sys.argv[1:] = ['--version']; {CALSYNC}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_version_names_python_and_the_database_s_revision() -> None:
    newest = max(path.name for path in (Path(migrations.__path__[0]) / "versions").glob("0*.py"))
    assert versions() == [
        f"calsync, version {calsync_core.__version__}",
        f"Python {platform.python_version()}, database {newest[:4]}",
    ]


def test_the_version_can_be_told_without_a_database() -> None:
    (_, second) = versions("import sys; sys.modules['sqlalchemy'] = None;")
    assert second == f"Python {platform.python_version()}, no SQL database: the extra 'sql' is not installed"
