"""How long a change takes to the other calendar while many people change many calendars at once.

``calsync run`` works in a process of its own, over SQLite, for people with a calendar at Google and one at Microsoft;
both are simulated here and reached over HTTP, and their pushes travel over HTTP too. Each change books another hour, so
that the block it leads to can be told; what is measured is from the moment it stands on the one calendar to the moment
its block stands on the other, by the clock of this process.

Run it with ``python benchmarks/push_load.py [--calendars 200] [--rate 50] [--seconds 60]``; it prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import define, field

from calsync_core.system import SystemClock
from calsync_core.testing import GoogleSimulator, GraphSimulator
from calsync_core.testing.simulators.pushes import Outbox

CALSYNC = str(Path(sys.executable).with_name("calsync"))

HEAD = """
[installation]
secret = "a secret for this measurement"
[store]
url = "sqlite:///calsync.db"
[webhooks]
public_url = "http://127.0.0.1:{port}"
[policy]
horizon_days = 700
"""
ACCOUNT = """
[[accounts]]
name = "{owner}-{provider}"
owner = "{owner}"
provider = "{provider}"
base_url = "{base_url}"
auth = {{ type = "bearer", token = "{token}" }}
"""


@define
class Town:
    """The services, whose calendars stand there, and when what was booked and blocked."""

    google: GoogleSimulator
    graph: GraphSimulator
    calendars: list[tuple[str, str]] = field(factory=list)
    booked: dict[datetime, float] = field(factory=dict)
    blocked: dict[datetime, float] = field(factory=dict)
    lock: threading.Lock = field(factory=threading.Lock)
    hour: datetime = field(factory=lambda: datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=1))

    def book(self, dice: random.Random) -> None:
        """Another hour on one of the calendars."""
        kind, calendar = dice.choice(self.calendars)
        with self.lock:
            self.hour += timedelta(minutes=5)
            start = self.hour
            self.booked[start] = time.monotonic()
        end = start + timedelta(minutes=4)
        if kind == "google":
            edges = {name: {"dateTime": at.isoformat()} for name, at in (("start", start), ("end", end))}
            self.google.put_event(calendar, {"summary": "Meeting", **edges})
        else:
            edges = {
                name: {"dateTime": at.replace(tzinfo=None).isoformat(), "timeZone": "UTC"}
                for name, at in (("start", start), ("end", end))
            }
            self.graph.put_event(calendar, {"subject": "Meeting", **edges})

    def look(self) -> None:
        """Note which blocks stand by now."""
        now = time.monotonic()
        starts = {one for kind, calendar in self.calendars for one in self._starts(kind, calendar)}
        with self.lock:
            for start in starts:
                if start in self.booked:
                    self.blocked.setdefault(start, now)

    def _starts(self, kind: str, calendar: str) -> Iterator[datetime]:
        if kind == "google":
            for event in self.google.events(calendar):
                if "extendedProperties" in event:
                    yield datetime.fromisoformat(event["start"]["dateTime"]).astimezone(UTC)
        else:
            for event in self.graph.events(calendar):
                if event.get("transactionId"):
                    yield datetime.fromisoformat(event["start"]["dateTime"][:19]).replace(tzinfo=UTC)


@contextmanager
def delivering(outbox: Callable[[], Outbox], threads: int = 4) -> Iterator[None]:
    """Post what a service has to tell, as it comes."""
    over = threading.Event()

    def post() -> None:
        while not over.wait(0.02):
            outbox().deliver()

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(threads):
            pool.submit(post)
        try:
            yield
        finally:
            over.set()


def people(town: Town, count: int) -> str:
    """Accounts for so many calendars, two for each person."""
    text = ""
    for number in range(count // 2):
        owner = f"p{number:03d}"
        mail, upn = f"{owner}@example.com", f"{owner}@contoso.example"
        town.google.add_user(mail)
        town.graph.add_user(upn)
        tokens = {"google": town.google.issue_token(mail, life=timedelta(days=1))}
        tokens["microsoft"] = town.graph.token(upn, lifetime=86_400)
        town.calendars += [("google", mail), ("microsoft", town.graph.calendars(upn)[0])]
        for provider, service in (("google", town.google), ("microsoft", town.graph)):
            text += ACCOUNT.format(owner=owner, provider=provider, base_url=service.base_url, token=tokens[provider])
    return text


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(calendars: int, rate: float, seconds: float) -> dict[str, Any]:
    """Everything, once."""
    dice = random.Random(1)
    with GoogleSimulator(SystemClock()) as google, GraphSimulator() as graph, tempfile.TemporaryDirectory() as folder:
        town, port = Town(google, graph), free_port()
        config = Path(folder) / "calsync.toml"
        config.write_text(HEAD.format(port=port) + people(town, calendars), encoding="utf-8")
        command = [CALSYNC, "--config", str(config), "run", "--port", str(port)]
        with (
            (Path(folder) / "log").open("wb") as log,
            delivering(lambda: google.outbox),
            delivering(lambda: graph.outbox),
        ):
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                figures = {"calendars": calendars, **_while_it_runs(town, dice, rate, seconds)}
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
            # Before any other child has run: what calsync took, and what the services and this measurement did.
            took = {"cpu": _cpu(resource.RUSAGE_CHILDREN), "cpu_of_services": _cpu(resource.RUSAGE_SELF)}
            return {**figures, **took, **_told(config)}


def _while_it_runs(town: Town, dice: random.Random, rate: float, seconds: float) -> dict[str, Any]:
    began = time.monotonic()
    while len(town.google.channels) + len(town.graph.subscriptions) < len(town.calendars):
        time.sleep(0.5)
        if time.monotonic() - began > 600:
            raise SystemExit("calsync run did not subscribe to every calendar; see its log")
    subscribed = time.monotonic() - began
    time.sleep(10)
    sent = len(town.google.log) + len(town.graph.log)
    start, next_look = time.monotonic(), 0.0
    while (passed := time.monotonic() - start) < seconds:
        if len(town.booked) < passed * rate:
            town.book(dice)
        elif passed > next_look:
            town.look()
            next_look = passed + 1
        else:
            time.sleep(0.002)
    booked_in = time.monotonic() - start
    while len(town.blocked) < len(town.booked) and time.monotonic() - start < seconds + 300:
        town.look()
        time.sleep(0.5)
    requests = len(town.google.log) + len(town.graph.log) - sent
    waited = sorted(town.blocked[hour] - at for hour, at in town.booked.items() if hour in town.blocked)
    return {
        "changes": len(town.booked),
        "changes_per_second": round(len(town.booked) / booked_in, 1),
        "missing": len(town.booked) - len(waited),
        **{f"p{share}": round(waited[math.ceil(len(waited) * share / 100) - 1], 1) for share in (50, 95, 99)},
        "requests_per_change": round(requests / len(town.booked), 2),
        "subscribed_after": round(subscribed, 1),
    }


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return round(used.ru_utime + used.ru_stime, 1)


def _told(config: Path) -> dict[str, Any]:
    """What the installation says of itself."""
    command = [CALSYNC, "--config", str(config), "status", "--json", "--hours", "1"]
    status = subprocess.run(command, capture_output=True, check=True)
    metrics = json.loads(status.stdout)["metrics"]
    return {name: metrics[name] for name in ("webhook_share", "reads", "latency")}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calendars", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    print(json.dumps(measure(given.calendars, given.rate, given.seconds)), flush=True)


if __name__ == "__main__":
    main()
