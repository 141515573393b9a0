"""The ``calsync`` command line: one person, or a small household, without a host application.

Needs the extra ``cli`` (click and rich); ``calsync_core`` itself imports nothing of this.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> int:
    """Run ``calsync`` with the process's arguments.

    Returns:
        The exit code: 0 all well, 1 something failed, 2 bad usage or configuration.
    """
    missing = [name for name in ("click", "rich") if find_spec(name) is None]
    if missing:
        what = " and ".join(missing)
        sys.stderr.write(
            f"calsync: {what} not installed; the command line needs the extra 'cli': pip install 'calsync-core[cli]'\n"
        )
        return 2
    from calsync_core.cli.application import calsync  # noqa: PLC0415  (needs the extra just checked)

    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")  # a terminal without the letter shows "?" instead of ending the program
    calsync.main(prog_name="calsync")
    return 0
