"""Calendars that requests make and delete."""

from __future__ import annotations

from graph_world import ANA, GraphWorld, code, timed


def test_a_calendar_is_made_used_and_deleted(world: GraphWorld) -> None:
    made = world.client.post("me/calendars", json={"name": "Trips"})
    assert made.status_code == 201
    calendar = made.json()["id"]
    assert [made.json()[name] for name in ("name", "isDefaultCalendar", "canEdit")] == ["Trips", False, True]
    assert calendar in world.simulator.calendars(ANA)
    booked = world.client.post(
        f"me/calendars/{calendar}/events", json=timed("2026-03-02T10:00:00", "2026-03-02T11:00:00")
    )
    assert booked.status_code == 201
    assert world.client.delete(f"me/calendars/{calendar}").status_code == 204
    assert calendar not in world.simulator.calendars(ANA)
    for path in (f"me/calendars/{calendar}", f"me/events/{booked.json()['id']}"):
        assert world.client.get(path).status_code == 404
    assert world.client.delete(f"me/calendars/{calendar}").status_code == 404


def test_what_can_not_be_made_or_deleted(world: GraphWorld) -> None:
    assert world.client.post("me/calendars", json={"name": " "}).status_code == 400
    assert world.client.post("me/calendars", json={"name": "Trips"}).status_code == 201
    again = world.client.post("me/calendars", json={"name": "trips"})
    assert (again.status_code, code(again)) == (409, "ErrorFolderExists")
    assert world.client.delete(f"me/calendars/{world.calendar}").status_code == 403
    reader = world.login(ANA, scopes=["Calendars.Read"])
    assert reader.post("me/calendars", json={"name": "Other"}).status_code == 403
