"""What ``calsync --version`` says: what somebody who helps asks first."""

from __future__ import annotations

import sys
from importlib.metadata import version

__all__ = ["version_lines"]


def version_lines() -> str:
    """The library's version; Python's, and the revision to which databases are brought, if they can be used."""
    python = ".".join(str(number) for number in sys.version_info[:3])
    revision = _newest_revision()
    database = "no SQL database: the extra 'sql' is not installed" if revision is None else f"database {revision}"
    return f"calsync, version {version('calsync-core')}\nPython {python}, {database}"


def _newest_revision() -> str | None:
    try:
        from calsync_core.stores.sql.schema import REVISION  # noqa: PLC0415  (needs its extra)
    except ModuleNotFoundError:
        return None
    return REVISION
