"""What there are admin pages for, or what they show."""

from __future__ import annotations

from django.db import models

from calsync_core import models as values
from calsync_core.contrib.django.models.base import (
    LOOKED_AT,
    Stored,
    belongs_to,
    big_number,
    counted,
    flag,
    hash_of,
    instant,
    name_of,
    number,
    one_of,
    status_of,
    text,
)

__all__ = ["Account", "Block", "Calendar", "HeldDeletion", "Notification", "ReadState", "Run", "Subscription", "Watch"]


class Account(Stored):
    """One authorised login at a provider."""

    id = counted()
    owner = name_of()
    name = name_of()
    value = text()
    status = status_of(verbose_name="account")

    class Meta(Stored.Meta):
        db_table = "calsync_accounts"
        constraints = (models.UniqueConstraint(fields=("owner", "name"), name="uq_calsync_accounts_owner_name"),)

    def __str__(self) -> str:
        return f"{self.owner} / {self.name}"

    @property
    def stored(self) -> values.Account:
        """As the engine knows it."""
        return self.decoded(values.Account, id=self.pk)


class Calendar(Stored):
    """A calendar that an account offers."""

    id = counted()
    account = belongs_to("Account", "calendars")
    owner = name_of()
    remote_hash = hash_of()
    enabled = flag()
    value = text()

    class Meta(Stored.Meta):
        db_table = "calsync_calendars"
        default_permissions = LOOKED_AT
        constraints = (
            models.UniqueConstraint(
                fields=("account", "remote_hash"), name="uq_calsync_calendars_account_id_remote_hash"
            ),
        )

    def __str__(self) -> str:
        return self.stored.name

    @property
    def stored(self) -> values.Calendar:
        """As the engine knows it."""
        return self.decoded(values.Calendar, id=self.pk)


class ReadState(Stored):
    """How far a calendar is read."""

    calendar = one_of("Calendar", "read_state")
    due_at = instant(null=True)
    value = text()
    failures = number()

    class Meta(Stored.Meta):
        db_table = "calsync_read_states"

    @property
    def stored(self) -> values.ReadState:
        """As the engine knows it."""
        return self.decoded(values.ReadState)


class Watch(Stored):
    """How a calendar's push is doing."""

    calendar = one_of("Calendar", "watch")
    due_at = instant(null=True)
    check_at = instant(null=True)
    pushed_at = instant(null=True)
    called = number(null=True)
    state = status_of(null=True, verbose_name="push")
    value = text(null=True)

    class Meta(Stored.Meta):
        db_table = "calsync_watches"
        default_permissions = LOOKED_AT
        verbose_name = "push health"
        verbose_name_plural = "push health"

    def __str__(self) -> str:
        return f"push of calendar {self.pk}"

    @property
    def stored(self) -> values.Watch:
        """As the engine knows it."""
        if self.value is None:
            return values.Watch(pushed_at=self.pushed_at)
        return self.decoded(values.Watch, due_at=self.due_at, check_at=self.check_at, pushed_at=self.pushed_at)


class Subscription(Stored):
    """A provider's promise to push."""

    id = counted()
    calendar = belongs_to("Calendar", "subscriptions")
    name_hash = hash_of(unique=True)
    value = text()

    class Meta(Stored.Meta):
        db_table = "calsync_subscriptions"

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def stored(self) -> values.StoredSubscription:
        """As the engine knows it."""
        return self.decoded(values.StoredSubscription, id=self.pk)


class Notification(Stored):
    """A push that came."""

    id = counted()
    calendar = belongs_to("Calendar", "notifications")
    message_hash = hash_of(null=True, unique=True)
    status = status_of()
    received_at = instant()
    due_at = instant()
    finished_at = instant(null=True)
    value = text()

    class Meta(Stored.Meta):
        db_table = "calsync_notifications"
        default_permissions = LOOKED_AT

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def stored(self) -> values.Notification:
        """As the engine knows it."""
        return self.decoded(values.Notification, id=self.pk, status=values.NotificationStatus(self.status))


class Run(Stored):
    """A recorded sync."""

    id = counted()
    finished_at = instant(null=True)
    value = text()

    class Meta(Stored.Meta):
        db_table = "calsync_runs"
        default_permissions = LOOKED_AT

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def stored(self) -> values.SyncReport:
        """As the engine knows it."""
        return self.decoded(values.SyncReport, id=self.pk)


class Block(Stored):
    """A busy block of ours."""

    ref = name_of(191, primary_key=True)
    key = name_of(191)
    owner = name_of()
    # No key: a block outlives its forgotten source.
    source_id = big_number()
    target = belongs_to("Calendar", "blocks")
    uid_hash = hash_of()
    native_hash = hash_of()
    state = status_of()
    held_since = instant(null=True)
    changed_at = instant(null=True)
    slot_end = instant()
    value = text()

    class Meta(Stored.Meta):
        db_table = "calsync_blocks"

    def __str__(self) -> str:
        return str(self.ref)

    @property
    def stored(self) -> values.Block:
        """As the engine knows it."""
        return self.decoded(values.Block)


class _Held(models.Manager["HeldDeletion"]):
    def get_queryset(self) -> models.QuerySet[HeldDeletion]:
        return super().get_queryset().filter(held_since__isnull=False)


class HeldDeletion(Block):
    """A block whose deletion the guard holds until somebody decides."""

    objects = _Held()

    class Meta(Stored.Meta):  # pyright: ignore[reportIncompatibleVariableOverride]  # what Django inherits are options
        proxy = True
        default_permissions = LOOKED_AT
