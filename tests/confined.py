"""Work done in processes with limits: a hang or a blow-up there is a failure here, and no absolute time is asserted."""

from __future__ import annotations

import json
import os
import resource
import runpy
import subprocess
import sys
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

__all__ = ["confined"]

CPU_SECONDS = 60
"""Many times what any of it takes, and a fraction of what an attack would."""

TESTS = Path(__file__).parent


def confined(module: str, function: str, names: Collection[str], *, megabytes: int) -> dict[str, str]:
    """Call a function of a test module with each of the names, each time in a process of its own.

    Args:
        module: By its path below ``tests``.
        function: Takes a name, returns a text.
        names: What it is called with.
        megabytes: Address space that each process may take, the interpreter and its libraries included.

    Returns:
        By name, what came back, or how the process ended.
    """
    done = subprocess.run(
        (sys.executable, __file__, module, function, str(megabytes)),
        input=json.dumps(list(names)),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", "")))},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    told: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return told


def _alone(work: Callable[[], str], megabytes: int) -> str:
    """The text in a forked process: nothing is imported twice, and nothing is shared that an attack could break."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        try:
            text = work()
        except BaseException as error:  # noqa: BLE001  (whatever it is: the parent wants to hear of it)
            text = f"raised {error!r}"
        os.write(writing, text.encode("utf-8", "replace")[:2_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return f"killed by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else text


def _main() -> None:
    module, function, megabytes = sys.argv[1:]
    work = runpy.run_path(str(TESTS / module))[function]
    told = {name: _alone(partial(work, name), int(megabytes)) for name in json.load(sys.stdin)}
    print(json.dumps(told))  # noqa: T201  (read by ``confined``)


if __name__ == "__main__":
    _main()
