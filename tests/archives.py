"""Looks through what is published: the sdist and the wheel that was built from it.

``python tests/archives.py FOLDER``, in a checkout; the folder holds one of each.
"""

from __future__ import annotations

import sys
import tarfile
import tomllib
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent
BUILT = {"__pycache__", "_build", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
WITH_NAMES = {"LICENSE", "METADATA", "RECORD", "WHEEL", "entry_points.txt"}


def files(folder: str) -> Iterator[str]:
    """What a checkout has in it, without what was built or cached there."""
    for path in (ROOT / folder).rglob("*"):
        if path.is_file() and not BUILT & set(path.parts):
            yield path.relative_to(ROOT).as_posix()


def differences(what: str, wanted: Iterable[str], found: Iterable[str]) -> Iterator[str]:
    """A line for each file that is missing or has no business there."""
    wanted, found = set(wanted), set(found)
    yield from (f"{what} lacks {name}" for name in sorted(wanted - found))
    yield from (f"{what} has {name}, and should not" for name in sorted(found - wanted))


def look_at_wheel(path: Path, project: dict[str, object]) -> Iterator[str]:
    """The package with its migrations, its typing mark and the demo's calendars; no test."""
    about = f"calsync_core-{project['version']}.dist-info"
    with ZipFile(path) as wheel:
        found = wheel.namelist()
        metadata = Parser().parsestr(wheel.read(f"{about}/METADATA").decode("utf-8"))
    code = {name.removeprefix("src/") for name in files("src")}
    calendars = {name.replace("examples", "calsync_core/cli/demo", 1) for name in files("examples/calendars")}
    assert {"calsync_core/py.typed", "calsync_core/stores/sql/migrations/script.py.mako"} <= code
    assert calendars
    licence = f"{about}/licenses/LICENSE"
    yield from differences(
        path.name,
        {*code, *calendars, licence, *(f"{about}/{name}" for name in WITH_NAMES - {"LICENSE"})},
        found,
    )
    yield from look_at_metadata(metadata, project)


def look_at_metadata(metadata: Message, project: dict[str, object]) -> Iterator[str]:
    """What an index shows."""
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)
    wanted: dict[str, object] = {
        "Name": [project["name"]],
        "Version": [project["version"]],
        "Requires-Python": [project["requires-python"]],
        "License-Expression": [project["license"]],
        "License-File": ["LICENSE"],
        "Description-Content-Type": ["text/markdown"],
        "Classifier": project["classifiers"],
        "Provides-Extra": sorted(extras),
    }
    for field, value in wanted.items():
        if sorted(metadata.get_all(field, [])) != sorted(value):  # type: ignore[call-overload]  # all are lists
            yield f"METADATA: {field} is {metadata.get_all(field)}, not {value}"
    if str(metadata.get_payload()).strip() != (ROOT / "README.md").read_text("utf-8").strip():
        yield "METADATA: its description is not README.md"


def look_at_sdist(path: Path, project: dict[str, object]) -> Iterator[str]:
    """Everything that is needed to build, test and document what is in it."""
    folder = f"calsync_core-{project['version']}"
    with tarfile.open(path) as sdist:
        found = {entry.name.removeprefix(f"{folder}/") for entry in sdist if entry.isfile()}
    folders = ("src", "tests", "live", "benchmarks", "docs", "examples", "changelog.d", ".ci")
    single = ("README.md", "LICENSE", "CONTRIBUTING.md", "noxfile.py", "pyproject.toml", ".gitignore", "PKG-INFO")
    yield from differences(path.name, {*single, *(name for each in folders for name in files(each))}, found)


def main(folder: Path) -> int:
    """Returns 1 if anything is wrong, and says what."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    wrong = [*look_at_sdist(sdist, project), *look_at_wheel(wheel, project)]
    if f"calsync_core-{project['version']}-py3-none-any.whl" != wheel.name:
        wrong.append(f"{wheel.name}: it should fit every Python on every machine")
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
