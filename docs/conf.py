"""Sphinx: how the documentation is built."""

from __future__ import annotations

from enum import Enum
from importlib.metadata import version as installed_version
from typing import Any

from sphinx.util.logging import getLogger

from calsync_core.engine import SyncEngine
from calsync_core.testing import GoogleSimulator, GraphSimulator

project = "calsync-core"
author = "calsync-core maintainers"
release = version = installed_version("calsync-core")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "imported-members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# References to other projects are text: the build needs no network.
nitpick_ignore_regex = [("py:.*", r"(?!calsync_core\b).*")]

html_theme = "furo"
html_title = "calsync-core"
html_show_sourcelink = False
html_show_copyright = False


def _keep_enum_members(
    _app: object,
    _what: str,
    _name: str,
    member: object,
    _skip: bool,  # noqa: FBT001  (Sphinx calls it so)
    _options: object,
) -> bool | None:
    """Show every member of an enumeration, also one whose name says it all."""
    return False if isinstance(member, Enum) else None


CALLED_BY_HOSTS = (SyncEngine, GoogleSimulator, GraphSimulator)


def _miss_nothing(_app: object, environment: Any) -> None:
    """Warn of what hosts may call and the reference leaves out, as it does with what is inherited unless told."""
    shown = {tuple(name.split(".")[-2:]) for name in environment.get_domain("py").objects}
    for host_class in CALLED_BY_HOSTS:
        lineage = [each.__name__ for each in host_class.__mro__]
        for name in dir(host_class):
            if not name.startswith("_") and not shown.intersection((each, name) for each in lineage):
                getLogger(__name__).warning("%s.%s is not in the reference", host_class.__name__, name)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-skip-member", _keep_enum_members)
    app.connect("env-check-consistency", _miss_nothing)
