"""Everything CI checks. ``nox`` runs it all on this interpreter; ``nox -s tests_on`` runs the tests on each Python.

Each session makes its own environment under ``.nox`` and keeps it for the next run.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.error_on_external_run = True
nox.options.reuse_venv = "yes"
# The tests come last, so that their summary is the last thing one reads.
nox.options.sessions = ["lint", "imports", "typing", "docs", "bare_import", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)


def _group(*names: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(PROJECT, *names)


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
    session.run("mypy")
    session.run("pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """Documentation builds without a single warning, every cross-reference resolved."""
    session.install("-e", ".[all]", *_group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def bare_import(session: nox.Session) -> None:
    """The built wheel with no extra at all: it imports, and the README's embedding example runs."""
    session.install(".")
    readme, runner = Path("README.md").resolve(), Path("tests/documented.py").resolve()
    session.chdir(session.create_tmp())
    session.run("python", "-W", "error", str(runner), str(readme))


def _run_tests(session: nox.Session) -> None:
    # Microsoft's own client is large: installed where nothing may be skipped, as in CI.
    official = os.environ.get("CALSYNC_REQUIRE_SERVERS", "0") not in {"", "0"}
    session.install(".[all]", *_group("tests"), *(_group("official") if official else ()))
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, against the built wheel."""
    _run_tests(session)


@nox.session(python=PYTHONS, default=False)
def tests_on(session: nox.Session) -> None:
    """The tests on every Python that the classifiers name and this machine has."""
    _run_tests(session)


@nox.session(default=False)
def torture(session: nox.Session) -> None:
    """A long search: random histories, deaths at every boundary, killed processes and enemies. Takes hours."""
    session.install(".[all]", *_group("tests"))
    session.run(
        *("pytest", "-n", "auto", "-rP", "--timeout", "0"),
        *("tests/engine", "tests/processes", "tests/hostile", "tests/stores/test_differential.py"),
        *session.posargs,
        env={"HYPOTHESIS_PROFILE": os.environ.get("HYPOTHESIS_PROFILE", "search")},
    )


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """What it costs: beside vdirsyncer and the classic way, on real CalDAV servers, under load, and as it grows."""
    session.install(".[all]", *_group("tests"))
    # In an environment of its own: it is measured, not used, and brings another HTTP client.
    other = Path(session.create_tmp()) / "vdirsyncer"
    session.run("python", "-m", "venv", "--clear", str(other))
    session.run(str(other / "bin" / "python"), "-m", "pip", "install", "-q", *_group("vdirsyncer"), external=True)
    session.run("python", "-m", "benchmarks.versus_vdirsyncer", "--vdirsyncer", str(other / "bin" / "vdirsyncer"))
    session.run("python", "-m", "benchmarks.growth")
    session.run("python", "-m", "benchmarks.requests_per_change")
    session.run("python", "-m", "benchmarks.scale", "--measure")
    session.run("python", "-m", "benchmarks.throughput", "--keep")
    for server in ("radicale", "xandikos"):
        session.run("python", "benchmarks/two_servers.py", "--server", server)
    session.run("python", "benchmarks/push_load.py", *session.posargs)


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
