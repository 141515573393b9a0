"""Include these where ``CALSYNC["public_url"]`` points to.

::

    path("calsync/", include("calsync_core.contrib.django.urls"))

    POST google, microsoft, microsoft/lifecycle     what providers push
    GET  health, metrics, status                    for probes and people; see ``calsync_core.web.receiver``
    connect/…                                       where people connect their accounts; see ``CALSYNC["connect"]``
"""

from __future__ import annotations

from django.urls import re_path

from calsync_core.contrib.django.views import connect, webhook

__all__ = ["urlpatterns"]

app_name = "calsync"
urlpatterns = [
    re_path(r"^connect/(?P<route>.*)$", connect, name="connect"),
    re_path(r"^(?P<route>.*)$", webhook, name="webhook"),
]
