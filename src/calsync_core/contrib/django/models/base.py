"""What the models share: how columns are declared, and that rows are for looking."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from attrs import evolve
from django.db import models

from calsync_core.contrib.django.fields import InstantField
from calsync_core.stores.sql.codec import decode

__all__ = [
    "LOOKED_AT",
    "Stored",
    "belongs_to",
    "big_number",
    "counted",
    "flag",
    "hash_of",
    "instant",
    "name_of",
    "number",
    "one_of",
    "status_of",
    "text",
]

T = TypeVar("T")

LOOKED_AT = ("view", "change")
"""Permissions, where there is an admin page; to change is to have the engine do something."""


class Stored(models.Model):
    """A row of the store's."""

    class Meta:
        abstract = True
        default_permissions: tuple[str, ...] = ()

    def save(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        raise TypeError(f"{type(self).__name__}: rows of calsync-core are read-only here; the engine changes them")

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        self.save()

    def decoded(self, kind: type[T], **known: Any) -> T:
        """What ``value`` says, and what is in columns."""
        found: Any = decode(kind, self.value)  # type: ignore[attr-defined]  # who asks has one
        complete: T = evolve(found, **known)
        return complete


def counted() -> models.BigAutoField[Any, Any]:
    """An id that the database gives."""
    return models.BigAutoField(primary_key=True)


def name_of(length: int = 255, **options: Any) -> models.CharField[Any, Any]:
    """The project's own words."""
    return models.CharField(max_length=length, **options)


def hash_of(**options: Any) -> models.CharField[Any, Any]:
    """Hexadecimal digits that stand for a text of any length."""
    return models.CharField(max_length=64, **options)


def status_of(**options: Any) -> models.CharField[Any, Any]:
    """One of a few words."""
    return models.CharField(max_length=32, **options)


def text(**options: Any) -> models.TextField[Any, Any]:
    """Of any length: JSON, or a provider's words in ASCII."""
    return models.TextField(**options)


def number(**options: Any) -> models.IntegerField[Any, Any]:
    """Small."""
    return models.IntegerField(**options)


def big_number(**options: Any) -> models.BigIntegerField[Any, Any]:
    """Large, or an id that is no foreign key."""
    return models.BigIntegerField(**options)


def flag(**options: Any) -> models.BooleanField[Any, Any]:
    """Yes or no."""
    return models.BooleanField(**options)


def instant(**options: Any) -> InstantField:
    """See there."""
    return InstantField(**options)


def belongs_to(model: str, related_name: str, **options: Any) -> models.ForeignKey[Any, Any]:
    """Another row, with which this one goes: the database cascades."""
    return models.ForeignKey(f"calsync.{model}", models.DO_NOTHING, related_name=related_name, **options)


def one_of(model: str, related_name: str) -> models.OneToOneField[Any, Any]:
    """Another row, with which this one goes, and which has no second one."""
    return models.OneToOneField(f"calsync.{model}", models.DO_NOTHING, primary_key=True, related_name=related_name)
