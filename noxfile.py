"""Everything CI checks. ``nox`` runs it all on this interpreter; ``nox -s tests_on`` runs the tests on each Python.

Each session makes its own environment under ``.nox`` and keeps it for the next run.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.error_on_external_run = True
nox.options.reuse_venv = "yes"
# The tests come last, so that their summary is the last thing one reads.
nox.options.sessions = ["lint", "imports", "typing", "docs", "package", "bare_import", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
EXTRAS = sorted(PROJECT["project"]["optional-dependencies"])

# They wait for servers, disks and other processes at least as much as they compute.
WORKERS = str(2 * (os.cpu_count() or 1))

DIST = Path(".nox/dist").resolve()
_built: list[Path] = []


def _group(*names: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(PROJECT, *names)


def _build(session: nox.Session) -> Path:
    """What is published: the wheel that is built from the sdist, once in each run of nox."""
    if not _built:
        shutil.rmtree(DIST, ignore_errors=True)
        session.install(*_group("package"))
        session.run("python", "-m", "build", "--outdir", str(DIST), silent=True)
        _built.extend(DIST.glob("*.whl"))
    return _built[0]


def _install_wheel(session: nox.Session, extra: str | None = None, *others: str) -> None:
    wheel = _build(session)
    # pip takes another wheel of the same version for the one that is installed.
    session.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "calsync-core", silent=True)
    session.install(str(wheel) if extra is None else f"{wheel}[{extra}]", *others)


@nox.session
def lint(session: nox.Session) -> None:
    """Style: ruff's rules and its formatting."""
    session.install(*(requirement for requirement in _group("lint") if requirement.startswith("ruff")))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def imports(session: nox.Session) -> None:
    """Architecture: who may import whom (``[tool.importlinter]``)."""
    session.install(*(requirement for requirement in _group("lint") if requirement.startswith("import-linter")))
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": "src"})


@nox.session
def typing(session: nox.Session) -> None:
    """Types: mypy in strict mode and pyright, over the library, its tests and a file that uses the public API."""
    session.install("-e", ".[all]", *_group("tests", "typing"))
    # Each works on one core only.
    with ThreadPoolExecutor() as pool:
        for checked in [pool.submit(session.run, checker) for checker in ("mypy", "pyright")]:
            checked.result()


@nox.session
def docs(session: nox.Session) -> None:
    """Documentation builds without a single warning, every cross-reference resolved."""
    session.install("-e", ".[all]", *_group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def package(session: nox.Session) -> None:
    """What is in the sdist, and in the wheel that is built from it."""
    _build(session)
    session.run("python", "tests/archives.py", str(DIST))


@nox.session
def bare_import(session: nox.Session) -> None:
    """The built wheel with no extra at all: it imports, and the README's embedding example runs."""
    _install_wheel(session)
    readme, runner = Path("README.md").resolve(), Path("tests/documented.py").resolve()
    session.chdir(session.create_tmp())
    session.run("python", "-W", "error", str(runner), str(readme))


def _run_tests(session: nox.Session) -> None:
    # Microsoft's own client is large: installed where nothing may be skipped, as in CI.
    official = os.environ.get("CALSYNC_REQUIRE_SERVERS", "0") not in {"", "0"}
    built = ("mysqlclient",) if shutil.which("mariadb_config") else ()
    _install_wheel(session, "all", *_group("tests", *built), *(_group("official") if official else ()))
    session.run("pytest", "-n", WORKERS, "--dist", "worksteal", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, against the built wheel."""
    _run_tests(session)


@nox.session(python=PYTHONS, default=False)
def tests_on(session: nox.Session) -> None:
    """The tests on every Python that the classifiers name and this machine has."""
    _run_tests(session)


@nox.session(default=False)
@nox.parametrize("extra", EXTRAS)
def extras(session: nox.Session, extra: str) -> None:
    """Each extra by itself: the wheel with it alone does what it promises, and needs no other."""
    _install_wheel(session, extra)
    promise = Path("tests/extra.py").resolve()
    session.chdir(session.create_tmp())
    session.run("python", "-W", "error", str(promise), extra)


@nox.session(default=False)
def lowest(session: nox.Session) -> None:
    """The quick tests with the lowest versions of everything that the library says it works with."""
    session.install(*_group("lowest"))
    lowest = str(Path(session.create_tmp(), "lowest.txt"))
    session.run(
        *("uv", "pip", "compile", "--quiet", "--resolution", "lowest-direct", "--extra", "all", "pyproject.toml"),
        *("--python", session.virtualenv.location, "--output-file", lowest),
    )
    _install_wheel(session, "all", "--constraint", lowest, *_group("tests"))
    slow = ("engine", "processes", "hostile", "contrib", "simulators", "benchmarks", "test_live.py", "test_docs.py")
    session.run(
        *("pytest", "-n", WORKERS, "--dist", "worksteal", *(f"--ignore=tests/{name}" for name in slow)),
        # Its judge is the table of a newer icalendar.
        "--deselect=tests/core/test_zones.py::test_every_windows_name_means_what_cldr_says",
        *session.posargs,
    )


@nox.session(default=False)
def torture(session: nox.Session) -> None:
    """A long search: random histories, deaths at every boundary, killed processes and enemies. Takes hours."""
    _install_wheel(session, "all", *_group("tests"))
    session.run(
        *("pytest", "-n", "auto", "-rP", "--timeout", "0"),
        *("tests/engine", "tests/processes", "tests/contrib", "tests/hostile", "tests/stores/test_differential.py"),
        *session.posargs,
        env={"HYPOTHESIS_PROFILE": os.environ.get("HYPOTHESIS_PROFILE", "search")},
    )


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """What it costs: beside vdirsyncer and the classic way, on real CalDAV servers, under load, and as it grows."""
    _install_wheel(session, "all", *_group("tests"))
    calsync = _apart(session, "calsync", f"{_build(session)}[caldav,cli,sql]")
    vdirsyncer = _apart(session, "vdirsyncer", *_group("vdirsyncer"))
    session.run("python", "-m", "benchmarks.versus_vdirsyncer", "--calsync", calsync, "--vdirsyncer", vdirsyncer)
    session.run("python", "-m", "benchmarks.growth")
    session.run("python", "benchmarks/startup.py")
    session.run("python", "-m", "benchmarks.requests_per_change")
    session.run("python", "-m", "benchmarks.scale", "--measure")
    session.run("python", "-m", "benchmarks.throughput", "--keep")
    session.run("python", "benchmarks/push_load.py", *session.posargs)


def _apart(session: nox.Session, command: str, *requirements: str) -> str:
    """A command in an environment of its own: what else is installed takes part in its start."""
    place = Path(session.create_tmp()).resolve() / command
    session.run("python", "-m", "venv", "--clear", str(place))
    session.run(str(place / "bin" / "python"), "-m", "pip", "install", "-q", *requirements, external=True)
    return str(place / "bin" / command)


@nox.session(default=False)
def live(session: nox.Session) -> None:
    """Real services, with the accounts that the environment has; see ``docs/live-run.md``."""
    session.install("-e", ".[all]", *_group("tests"))
    session.run(
        *("python", "-m", "pytest", "live", "-q", "-o", "console_output_style=classic"),
        *session.posargs,
        # Interrupted, it removes its scratch calendars first; nox alone would give it a third of a second.
        interrupt_timeout=120.0,
        terminate_timeout=120.0,
    )
