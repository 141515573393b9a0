"""Where things are."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

from planner.views import calendars

urlpatterns = [
    path("", calendars, name="calendars"),
    path("calsync/", include("calsync_core.contrib.django.urls")),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
    *staticfiles_urlpatterns(),  # the admin's style, as long as PLANNER_DEBUG is on
]
