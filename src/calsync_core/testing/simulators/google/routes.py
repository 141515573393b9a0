"""Which method is answered by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from calsync_core.testing.simulators.google.access import Call
from calsync_core.testing.simulators.google.api import EventMethods
from calsync_core.testing.simulators.google.calendars import Calendars
from calsync_core.testing.simulators.google.channels import Channels
from calsync_core.testing.simulators.google.listing import EventLists
from calsync_core.testing.simulators.messages import Response

__all__ = ["routes"]


def routes(
    events: EventMethods, lists: EventLists, calendars: Calendars, channels: Channels
) -> Mapping[str, Callable[[Call], Response]]:
    """By the method's name in the discovery document."""
    return {
        "calendarList.list": calendars.entries,
        "calendarList.watch": channels.watch_list,
        "calendarList.get": calendars.entry,
        "calendars.insert": calendars.insert,
        "calendars.get": calendars.get,
        "calendars.delete": calendars.delete,
        "settings.list": calendars.settings,
        "settings.get": calendars.setting,
        "freebusy.query": calendars.free_busy,
        "events.list": lists.events,
        "events.insert": events.insert,
        "events.import": events.bring_in,
        "events.watch": channels.watch_events,
        "events.get": events.get,
        "events.update": events.update,
        "events.patch": events.patch,
        "events.delete": events.delete,
        "events.instances": lists.instances,
        "events.move": events.move,
        "channels.stop": channels.stop,
    }
