"""Calendars of one person at several services, with the hands of a ``MemoryService``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from attrs import evolve

from caldav_service import CalDAVService
from calsync_core.errors import InvalidValue
from calsync_core.models import CalendarRole, Event, EventKind
from calsync_core.providers.memory import MemoryService
from google_service import GoogleService
from graph_service import GraphService

__all__ = ["MixedService", "Service"]

Service: TypeAlias = MemoryService | GoogleService | GraphService | CalDAVService
"""What a world can stand on: they have the same hands."""


class MixedService:
    """Sends each hand to the service where the calendar is, or the user.

    A user is named after owner and calendar, ``ana-work``; an event is as RFC 5545 means it, and each service makes of
    it what it can.

    Args:
        places: The provider's name by the calendar's.
        homes: The services by provider's name.
    """

    shows_tentative = True
    renormalise_titles = False

    def __init__(self, places: Mapping[str, str], homes: Mapping[str, Service]) -> None:
        self.homes = dict(homes)
        self._places = dict(places)
        self._calendars: dict[str, Service] = {}

    event = staticmethod(MemoryService.event)
    exception = staticmethod(MemoryService.exception)

    def kind_of(self, name: str) -> str:
        """The provider of the calendars named so."""
        return self._places[name]

    def home_of(self, user: str) -> Service:
        """The service where this user is."""
        return self.homes[self.kind_of(user.rpartition("-")[2])]

    def add_user(self, user: str, password: str) -> None:
        self.home_of(user).add_user(user, password)

    def set_password(self, user: str, password: str) -> None:
        self.home_of(user).set_password(user, password)

    def add_calendar(self, user: str, name: str, *, timezone: str = "UTC", primary: bool = True) -> str:
        home = self.home_of(user)
        made = home.add_calendar(user, name, timezone=timezone, primary=primary)
        self._calendars[made] = home
        return made

    def put(self, calendar_id: str, *events: Event) -> str:
        if isinstance(self._calendars[calendar_id], GraphService):
            # Outlook knows one kind of event.
            events = tuple(evolve(event, kind=EventKind.DEFAULT) for event in events)
        return self._calendars[calendar_id].put(calendar_id, *events)

    def share(self, calendar_id: str, user: str, role: CalendarRole) -> None:
        with suppress(InvalidValue):  # not every server can
            self._calendars[calendar_id].share(calendar_id, user, role)

    def __getattr__(self, name: str) -> Any:
        """Every other hand is laid on one calendar."""

        def hand(calendar_id: str, *args: Any, **kwargs: Any) -> Any:
            return getattr(self._calendars[calendar_id], name)(calendar_id, *args, **kwargs)

        return hand
