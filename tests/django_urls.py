"""Where things are in the project of the tests."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("calsync/", include("calsync_core.contrib.django.urls")),
    path("admin/", admin.site.urls),
]
