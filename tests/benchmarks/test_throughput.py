"""The rates and their yardsticks can all be measured. How fast anything is, no test says: machines differ."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_every_rate_is_measured_beside_a_yardstick() -> None:
    """In a process of its own, which forks workers."""
    command = [sys.executable, "-m", "benchmarks.throughput", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    names = {(line["figure"], line["workers"]) for line in lines}
    parts = {"normalise", "store", "normalise + store", "expand", "plan", "receive", "drain"}
    assert names == {(name, 1) for name in parts} | {("drain", 2)}
    for line in lines:
        assert line["per_second"] > 0, line
        assert line["yardsticks"], line
        assert all(one["per_second"] > 0 for one in line["yardsticks"].values()), line
    assert all(line["figure"] in run.stderr for line in lines)
