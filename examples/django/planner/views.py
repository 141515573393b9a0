"""The one page."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from calsync_core.contrib.django import engine, owner_of


@login_required
def calendars(request: HttpRequest) -> HttpResponse:
    """The user's calendars, and when they are busy in the next two weeks. From the database, without a request."""
    owner, now = owner_of(request.user), timezone.now()
    return render(
        request,
        "planner/calendars.html",
        {
            "calendars": engine().health(owner).calendars,
            "busy": engine().busy(owner, now, now + timedelta(days=14)),
        },
    )
