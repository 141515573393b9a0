"""Django is ready before a test's module imports its models."""

from __future__ import annotations

import django_bench  # noqa: F401  (configures it)
