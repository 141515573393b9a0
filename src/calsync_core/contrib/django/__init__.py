"""For Django projects. Needs the extra ``django``.

::

    INSTALLED_APPS = [..., "calsync_core.contrib.django"]
    CALSYNC = {"secret": ..., "encryption_key": ..., "providers": ["google", "microsoft"], "public_url": ...}

    path("calsync/", include("calsync_core.contrib.django.urls"))     # where public_url points to

    from calsync_core.contrib.django import engine, owner_of
    engine().busy(owner_of(request.user), start, end)

Everything is kept in the project's own database, in tables that ``manage.py migrate`` makes, and ``manage.py
run_scheduler`` keeps the calendars in step. What the settings mean: ``calsync_core.contrib.django.configuration``.
"""

from calsync_core.contrib.django.installation import engine, owner_of
from calsync_core.contrib.django.store import DjangoStore

__all__ = ["DjangoStore", "engine", "owner_of"]
