"""Settings of the example: what comes from the environment is what differs from one installation to the next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent
PUBLIC_URL = os.environ.get("PLANNER_URL", "http://127.0.0.1:8000")

SECRET_KEY = os.environ["PLANNER_SECRET_KEY"]
DEBUG = os.environ.get("PLANNER_DEBUG") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", urlsplit(PUBLIC_URL).hostname, *os.environ.get("PLANNER_HOSTS", "").split()]
# What a proxy has taken off by then, browsers still see.
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https:")
ROOT_URLCONF = "planner.urls"
WSGI_APPLICATION = "planner.wsgi.application"
LOGIN_REDIRECT_URL = "calendars"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static"
USE_TZ = True
TIME_ZONE = "Europe/Berlin"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "calsync_core.contrib.django",
    "planner",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("PLANNER_DATABASE", BASE_DIR / "planner.db"),
        # Readers and a writer side by side.
        "OPTIONS": {"init_command": "PRAGMA journal_mode = WAL", "transaction_mode": "IMMEDIATE"},
    }
}

CALSYNC: dict[str, Any] = {
    "secret": os.environ["CALSYNC_SECRET"],
    "encryption_key": os.environ["CALSYNC_KEY"],
    "public_url": f"{PUBLIC_URL}/calsync",
    "providers": ["google", "microsoft", "icloud", "caldav"],
    "connect": {
        "clients": {
            name: {
                "client_id": os.environ[f"{name.upper()}_CLIENT_ID"],
                "client_secret": os.environ[f"{name.upper()}_CLIENT_SECRET"],
            }
            for name in ("google", "microsoft")
            if f"{name.upper()}_CLIENT_ID" in os.environ
        },
        "done": "calendars",
    },
}
