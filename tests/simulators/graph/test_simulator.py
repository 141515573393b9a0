"""The simulator as a service: its example, real HTTP, faults, and that it does the same thing every time."""

from __future__ import annotations

import inspect
import random
import textwrap
from typing import Any

import httpx
import pytest

from calsync_core.testing.simulators.faults import HttpFault, HttpFaultKind
from calsync_core.testing.simulators.graph import GraphSimulator, error_response
from graph_world import ANA, GraphWorld, series, timed

_EVENT = timed("2026-03-03T09:00:00", "2026-03-03T10:00:00", transactionId="t-1")


def test_the_example_in_its_docstring() -> None:
    _, _, rest = (inspect.getdoc(GraphSimulator) or "").partition("::\n\n")
    code = textwrap.dedent("\n".join(line for line in rest.splitlines() if line.startswith("    ") or not line))
    names: dict[str, Any] = {"GraphSimulator": GraphSimulator, "httpx": httpx}
    exec(code.split("\n\n")[0], names)  # noqa: S102  (our own docstring)
    assert [item["subject"] for item in names["page"]["value"]] == ["Planning"]
    assert names["answer"].status_code == 410


def test_links_lead_back_to_where_it_is_served(world: GraphWorld) -> None:
    for _ in range(15):
        world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))
    headers = {"Authorization": f"Bearer {world.simulator.token(ANA)}"}
    with world.simulator, httpx.Client(base_url=world.simulator.base_url, headers=headers) as client:
        page = client.get("me/events").json()
        assert page["@odata.nextLink"].startswith(f"{world.simulator.origin}/v1.0/me/events?")
        assert len(client.get(page["@odata.nextLink"]).json()["value"]) == 5
        assert world.simulator.authority.startswith(world.simulator.origin)


def test_a_prefer_header_in_two_lines_means_both(world: GraphWorld) -> None:
    """RFC 9110, 5.2: lines of one name are one list; Graph's clients send them either way."""
    event = world.put(timed("2026-07-03T09:00:00", "2026-07-03T10:00:00"))
    token = world.simulator.token(ANA)
    lines = [("Prefer", 'IdType="ImmutableId"'), ("Prefer", 'outlook.timezone="Tokyo Standard Time"')]
    with world.simulator, httpx.Client(base_url=world.simulator.base_url) as client:
        found = client.get(f"me/events/{event}", headers=[*lines, ("Authorization", f"Bearer {token}")]).json()
    assert (found["id"], found["start"]["dateTime"][:16]) == (event, "2026-07-03T18:00")


@pytest.mark.parametrize(
    ("kind", "stored"),
    [(HttpFaultKind.REFUSED, 0), (HttpFaultKind.LOST_ANSWER, 1), (HttpFaultKind.GARBLED, 1), (HttpFaultKind.ANSWER, 0)],
)
@pytest.mark.parametrize("served", [False, True])
def test_requests_fail_before_or_after_they_are_carried_out(
    world: GraphWorld, kind: HttpFaultKind, stored: int, *, served: bool
) -> None:
    """I-04 and I-05 need each of them; a create is then replayed under its transaction id."""
    world.simulator.fail(HttpFault(kind, error_response(503, "serviceNotAvailable"), method="POST"))
    if served:
        world.simulator.start()
        headers = dict(world.client.headers)
        world.client = httpx.Client(base_url=world.simulator.base_url, headers=headers)
    try:
        if kind is HttpFaultKind.GARBLED:
            with pytest.raises(ValueError, match=r"line 1|Unterminated|Expecting"):
                world.client.post("me/events", json=_EVENT).json()
        elif kind is HttpFaultKind.ANSWER:
            assert world.client.post("me/events", json=_EVENT).status_code == 503
        else:
            with pytest.raises(httpx.TransportError):
                world.client.post("me/events", json=_EVENT)
    finally:
        world.client.close()
        world.simulator.stop()
    assert len(world.simulator.events(world.calendar)) == stored


def test_the_log_says_what_was_asked_and_how_it_ended(world: GraphWorld) -> None:
    world.client.get("me/events/nonsense")
    (logged,) = world.simulator.log
    assert (logged.method, logged.path, logged.status, logged.note) == (
        "GET",
        "/v1.0/me/events/nonsense",
        400,
        "ErrorInvalidIdMalformed",
    )


def _story(seed: int) -> list[Any]:
    world = GraphWorld(seed=seed)
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", {"type": "daily"}))
    told: list[Any] = []
    link = None
    dice = random.Random(1)
    for number in range(8):
        world.simulator.patch_event(master, {"subject": f"Name {dice.random()}"})
        found = world.round(link, size=7) if link else world.first_round(size=7)
        link = found.link
        told += [number, link, found.pages]
    return told


def test_the_same_seed_tells_the_same_story() -> None:
    """A failure that a test found by seed can be looked at again."""
    assert _story(3) == _story(3)
    assert _story(3) != _story(4)
