"""What a host may rely on: the names, what importing them costs, and that they are explained."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import calsync_core
import django_bench  # noqa: F401  (Django's models can be imported only where Django is configured)
import extra
from calsync_core import errors
from calsync_core.credentials import KeptLogin
from calsync_core.models import Login

PACKAGE = Path(inspect.getfile(calsync_core)).parent

PUBLIC = {
    # the engine and its words
    *("SyncEngine", "SyncPolicy", "MirrorRule", "Account", "Calendar", "Plan", "Notice", "NoticeKind", "Progress"),
    "Mode",
    # what it answers
    *("SyncReport", "SyncType", "SyncFailure", "AuditReport", "PurgeReport", "HeldDeletion", "BusyTime"),
    *("Explanation", "HealthReport", "InboxReport", "Metrics", "PushReceipt", "SubscriptionReport", "Vitals"),
    *("Observation", "UndoReport"),
    # what it is given
    *("Password", "BearerToken", "OAuthClient", "OAuthGrant", "ServiceAccountGrant", "StaticTokens", "SystemClock"),
    # what it raises
    *("CalsyncError", "UsageError", "InvalidValue", "ConfigurationError", "UnknownAccount", "UnknownCalendar"),
    *("StoreError", "ProviderError", "AuthExpired", "IdentityChanged", "Unavailable", "UnknownRun"),
    "__version__",
}
"""Written out, so that adding or losing a public name is a decision somebody makes here."""

EXTRAS = {
    "alembic",
    "click",
    "cryptography",
    "django",
    "google",
    "icalendar",
    "lxml",
    "msal",
    "rich",
    "sqlalchemy",
}
LEAVES = {"cli", "contrib", "notifiers", "providers", "stores", "testing", "web"}


def loaded_without_extras(statement: str) -> list[str]:
    """Every module that is loaded after this statement, in a fresh interpreter in which all extras are missing."""
    code = f"""
        import sys

        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {EXTRAS!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

        sys.meta_path.insert(0, Missing())
        {statement}
        print(*sorted(sys.modules))
    """
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def modules(package: str = "calsync_core") -> Iterator[ModuleType]:
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not found.name.endswith("__main__") and ".migrations." not in found.name:
            yield importlib.import_module(found.name)


def error_classes() -> set[type]:
    return {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}


def public_things() -> Iterator[tuple[str, object]]:
    """Every public module, class, function, method and property of the library, each once."""
    for module in modules():
        if any(part.startswith("_") for part in module.__name__.split(".")):
            continue
        yield module.__name__, module
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if not (inspect.isclass(value) or inspect.isfunction(value)) or value.__module__ != module.__name__:
                continue
            yield f"{module.__name__}.{name}", value
            if inspect.isclass(value):
                for member, inner in vars(value).items():
                    if not member.startswith("_") and (inspect.isfunction(inner) or isinstance(inner, property)):
                        yield f"{module.__name__}.{name}.{member}", inner


def test_the_public_names_are_the_ones_written_down_here() -> None:
    assert set(calsync_core.__all__) == PUBLIC
    assert list(calsync_core.__all__) == sorted(calsync_core.__all__)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(calsync_core, name) is not None


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"calsync_core.*no_such_name"):
        calsync_core.no_such_name  # type: ignore[attr-defined]  # noqa: B018  (the access is the test; checkers see it)


def test_the_version_is_the_installed_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", calsync_core.__version__)


def test_every_module_says_what_it_exports() -> None:
    unsaid = [
        module.__name__
        for module in modules()
        if not hasattr(module, "__all__") and any(not name.startswith("_") for name in own_definitions(module))
    ]
    assert unsaid == []


def own_definitions(module: ModuleType) -> list[str]:
    tree = ast.parse(inspect.getsource(module))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def test_what_a_module_exports_is_there() -> None:
    absent = [
        f"{module.__name__}.{name}"
        for module in modules()
        for name in getattr(module, "__all__", ())
        if not hasattr(module, name)
    ]
    assert absent == []


def test_importing_the_library_needs_no_extra_and_loads_no_leaf() -> None:
    loaded = loaded_without_extras("from calsync_core import *")
    assert "calsync_core.engine" in loaded
    assert [name for name in loaded if name.startswith("calsync_core.") and name.split(".")[1] in LEAVES] == []


@pytest.mark.parametrize(
    "statement",
    [
        "from calsync_core.stores import MemoryStore",
        "from calsync_core.providers.memory import MemoryProvider",
        "import calsync_core.notifiers",
        "import calsync_core.cli",
    ],
)
def test_what_needs_no_extra_works_without_any(statement: str) -> None:
    assert loaded_without_extras(statement)


def test_every_error_is_in_the_tree_that_the_docstring_draws() -> None:
    drawn = re.findall(r"^\s*[│├└─ ]*([A-Z]\w+)(?: {2,}|$)", errors.__doc__ or "", re.MULTILINE)
    assert sorted(drawn) == sorted(each.__name__ for each in error_classes())
    assert sorted(errors.__all__) == sorted(drawn)


def test_the_tree_is_drawn_as_it_is() -> None:
    depths: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^ {4}([│├└─ ]*)([A-Z]\w+)(?: {2,}|$)", line)
        if not found:
            continue
        depth, name = len(found[1]) // 4, found[2]
        parent = next((above for level, above in reversed(depths) if level < depth), None)
        if parent is not None:
            assert issubclass(getattr(errors, name), getattr(errors, parent)), f"{name} is drawn under {parent}"
        depths.append((depth, name))
    assert len(depths) == len(error_classes())


def test_one_except_clause_catches_everything() -> None:
    assert all(issubclass(each, calsync_core.CalsyncError) for each in error_classes())


def test_no_package_offers_an_error_that_is_not_in_the_tree() -> None:
    """A host that knows the tree knows every error. Inner signals stay in their modules; test kits have their own."""
    elsewhere = [
        f"{module.__name__}.{name}"
        for module in modules()
        if hasattr(module, "__path__") and not module.__name__.startswith("calsync_core.testing")
        for name in getattr(module, "__all__", ())
        if isinstance(value := getattr(module, name), type)
        and issubclass(value, Exception)
        and value.__module__ != errors.__name__
    ]
    assert elsewhere == []


def test_nine_in_ten_public_things_are_explained() -> None:
    things = list(public_things())
    unexplained = [name for name, thing in things if not inspect.getdoc(thing)]
    assert len(unexplained) <= len(things) / 10, unexplained


def test_the_core_never_asks_the_time_nor_opens_anything() -> None:
    """Import contracts can't see ``datetime.now``: it comes with a type the core needs."""
    forbidden = {"now", "utcnow", "today", "fromtimestamp", "open", "print", "input", "localtime"}
    found: list[str] = []
    for path in sorted((PACKAGE / "core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called in forbidden:
                    found.append(f"{path.name}:{node.lineno} {called}")
    assert found == []


def test_every_value_and_credential_keeps_its_secret_out_of_its_repr() -> None:  # I-39
    secret = "correct horse battery staple"
    logins: tuple[Login, ...] = (
        calsync_core.Password("ana", secret),
        calsync_core.BearerToken(secret),
        calsync_core.OAuthGrant("app", secret, secret, access_token=secret, cache=secret),
        calsync_core.ServiceAccountGrant(secret, secret, access_token=secret),
    )
    for value in (*logins, calsync_core.StaticTokens(calsync_core.BearerToken(secret)), *map(KeptLogin.of, logins)):
        assert secret not in f"{value!r} {value}"


def test_without_the_extra_a_key_is_refused_and_all_else_works() -> None:  # I-44
    statement = (
        "from calsync_core import ConfigurationError, SyncEngine; from calsync_core.stores import MemoryStore;"
        "from calsync_core.credentials import new_key;"
        "engine = SyncEngine(store=MemoryStore(), providers={}, secret='x' * 16);"
        "build = lambda: SyncEngine(store=MemoryStore(), providers={}, secret='x' * 16, encryption_key=new_key());"
        "import contextlib, io; told = io.StringIO();"
        "exec('try: build()\\nexcept ConfigurationError as error: told.write(str(error))');"
        "assert 'calsync-core[credentials]' in told.getvalue(), told.getvalue()"
    )
    assert "calsync_core.credentials.vault" in loaded_without_extras(statement)


def test_each_extra_has_a_promise_that_is_tried_with_it_alone() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extra.PROMISES) == set(project["optional-dependencies"])
