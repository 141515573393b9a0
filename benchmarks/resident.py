"""Calls a command line again and again inside one process, so that its start is paid once and not measured.

``python benchmarks/resident.py MODULE:FUNCTION`` reads one JSON list of arguments per line, and answers each with the
wall and processor seconds of the call and its exit code. It runs in the environment of what is measured, so it imports
nothing else.
"""

import importlib
import json
import os
import sys
import time


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    # Whatever the command prints is nobody's answer.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    module, _, name = sys.argv[1].partition(":")
    command = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        began, cpu, code = time.perf_counter(), time.process_time(), 0
        try:
            command(json.loads(line))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        told = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "code": code}
        print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    main()
