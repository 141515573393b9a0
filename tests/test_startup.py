"""What is loaded before anything is done. Times are ``benchmarks/startup.py``'s; here is what makes them."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from calsync_core.cli.loading import uncollected

COMMAND_LINE = "import sys; sys.argv = ['calsync', {words}]; from calsync_core.cli import main; main()"
HEAVY = {"asyncio", "email", "multiprocessing", "ssl", "subprocess", "unittest", "xml"}
"""Parts of the standard library that take long to import."""


def loaded(statement: str, **environment: str) -> set[str]:
    """The modules that a fresh interpreter has after this statement, and had not before it."""
    code = (
        "import atexit, sys; before = set(sys.modules);"
        "atexit.register(lambda: sys.stderr.write(' '.join(sys.modules.keys() - before)));"
        f"{statement}"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return set(run.stderr.split())


def packages(modules: set[str]) -> set[str]:
    """Those of other projects, or heavy ones of the standard library."""
    tops = {name.partition(".")[0] for name in modules}
    return {name for name in tops if name in HEAVY or (name not in sys.stdlib_module_names and name[0] != "_")}


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "calsync_core"}


def test_importing_the_library_imports_nothing_else() -> None:
    modules = loaded("import calsync_core")
    assert ours(modules) == {"calsync_core"}
    assert packages(modules) == {"calsync_core"}


def test_catching_an_error_loads_no_engine() -> None:
    modules = loaded("from calsync_core import AuthExpired, CalsyncError")
    assert ours(modules) == {"calsync_core", "calsync_core.errors"}


def test_a_value_loads_no_engine() -> None:
    modules = loaded("from calsync_core import Account, MirrorRule, SyncPolicy")
    assert {name.split(".")[1] for name in ours(modules) - {"calsync_core"}} == {"errors", "models"}
    assert packages(modules) <= {"calsync_core", "attr", "attrs"}


@pytest.mark.parametrize(
    "statement",
    [
        "from calsync_core import SyncEngine",
        "from calsync_core.stores import MemoryStore",
        "from calsync_core.scheduler import Scheduler",
        "from calsync_core.notifiers import CallbackNotifier, StructlogNotifier",
        "from calsync_core.web.wsgi import webhook_app",
    ],
)
def test_what_is_there_for_requests_and_log_lines_is_loaded_with_the_first(statement: str) -> None:
    """What sends requests comes with the providers, structlog with the first line."""
    assert packages(loaded(statement)) <= {"calsync_core", "attr", "attrs"}


def test_a_database_that_is_up_to_date_is_opened_without_what_upgrades_it(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="the SQL store needs its extra")
    opened = f"from calsync_core.stores.sql import SQLStore; SQLStore('sqlite:///{tmp_path}/a.db').load_accounts()"
    assert "alembic" in packages(loaded(opened))
    assert "alembic" not in packages(loaded(opened))


def test_the_first_line_is_logged_as_the_host_says() -> None:
    statement = (
        "from calsync_core.log import Logger; log = Logger('calsync_core.web'); named = [];"
        "import structlog;"
        "structlog.configure(logger_factory=lambda *names: named.append(names) or structlog.ReturnLogger(),"
        " processors=[lambda logger, method, values: str((method, values))]);"
        "told = log.warning('told', calendar=3);"
        "assert named == [('calsync_core.web',)], named;"
        "assert told == str(('warning', {'calendar': 3, 'event': 'told'})), told"
    )
    assert "structlog" in loaded(statement)


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        ("'--help'", {}),
        ("", {"_CALSYNC_COMPLETE": "bash_complete", "COMP_WORDS": "calsync su", "COMP_CWORD": "1"}),
    ],
    ids=["help", "completion"],
)
def test_the_commands_are_listed_without_loading_any(words: str, environment: dict[str, str]) -> None:
    pytest.importorskip("click", reason="the command line needs its extra")
    modules = loaded(COMMAND_LINE.format(words=words), **environment)
    assert {name for name in ours(modules) if not name.startswith("calsync_core.cli")} == {
        "calsync_core",
        "calsync_core.errors",
    }
    assert not any(name.startswith("calsync_core.cli.commands") for name in modules)
    assert packages(modules) == {"calsync_core", "click"}


def test_what_is_shipped_is_found_without_asking_what_other_packages_offer(tmp_path: Path) -> None:
    """That is written in a file of each package that is installed."""
    pytest.importorskip("lxml", reason="the CalDAV provider needs its extra")
    used = f"has_provider('icloud'); load_provider('caldav'); load_store('sqlite+pysqlite:///{tmp_path}/a.db').close()"
    shut = "import sys; import calsync_core.extensions as it; it.entry_points = lambda **_: sys.exit('asked')"
    loaded(f"{shut}; from calsync_core.extensions import *; {used}")


def test_modules_are_loaded_without_looking_for_garbage_and_work_is_done_with_it() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
