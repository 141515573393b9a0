"""Calendars made and deleted by requests ("user-post-calendars", "calendar-delete")."""

from __future__ import annotations

from calsync_core.testing.simulators.graph.calls import WRITE, Call, Place, denied
from calsync_core.testing.simulators.graph.errors import GraphError, bad_property
from calsync_core.testing.simulators.graph.rendering import calendar_json
from calsync_core.testing.simulators.graph.state import Folder
from calsync_core.testing.simulators.messages import Response

__all__ = ["create_calendar", "delete_calendar"]


def create_calendar(call: Call) -> Response:
    """``POST /me/calendars``: a secondary calendar. Raises GraphError."""
    call.need(WRITE)
    name = str(call.body().get("name") or "").strip()
    if not name:
        raise bad_property("name is needed")
    if any(folder.name.casefold() == name.casefold() for folder in call.mailbox.folders.values()):
        raise GraphError(409, "ErrorFolderExists", "A folder with the specified name already exists.")
    state = call.state
    made = f"AAMkAGI2TGuLAAA{state.dice.getrandbits(160):040X}{state.next_number():06d}-Cal="
    folder = Folder(made, call.mailbox, name)
    call.mailbox.folders[made] = folder
    return call.answer({"@odata.context": f"{call.root}/calendars/$entity"} | calendar_json(folder), 201)


def delete_calendar(call: Call, place: Place) -> Response:
    """``DELETE /me/calendars/{id}``: what is in it goes to the deleted items. Raises GraphError."""
    call.need(WRITE, place)
    folder = place.folder
    if folder.default or place.share is not None:
        raise denied()
    for entry in list(folder.items.values()):
        call.state.move(entry, None)
    del call.mailbox.folders[folder.id]
    return Response(204)
