"""Admin pages: how calendars, push, notifications and runs are doing, and what waits for a decision.

They only look. What changes something is an action, which asks the engine, and needs the permission to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.formats import localize
from django.utils.text import capfirst
from django.utils.timesince import timesince
from django.utils.timezone import localtime

from calsync_core import models as values
from calsync_core.contrib.django.installation import engine, installation
from calsync_core.contrib.django.models import Calendar, HeldDeletion, Notification, ReadState, Run, Watch
from calsync_core.contrib.django.views import never_atomic
from calsync_core.core import watching
from calsync_core.errors import CalsyncError
from calsync_core.models import SyncFailure
from calsync_core.steps.overview import state_of
from calsync_core.stores.sql.codec import decode

__all__ = ["CalendarAdmin", "HeldDeletionAdmin", "NotificationAdmin", "RunAdmin", "WatchAdmin"]


class _Looking(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in its stubs only
    """Rows to look at, in the store's own database."""

    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """From where the store is."""
        return super().get_queryset(request).using(installation().configuration.database)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Not in what a row is made of: it has titles, which could be guessed letter by letter (I-39)."""
        return not lookup.startswith("value") and super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  (Django's signature)
        """Nobody has."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  (Django's signature)
        """Nobody has."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By actions, which ask without an object; a row itself is read-only."""
        return obj is None and super().has_change_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002  (Django's signature)
        """All."""
        return self.fields or ()

    @never_atomic
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The engine works outside transactions, also where ``ATOMIC_REQUESTS`` is on."""
        named = {"title": capfirst(self.opts.verbose_name_plural), **(extra_context or {})}
        return super().changelist_view(request, named)

    def _each(
        self,
        request: HttpRequest,
        rows: Iterable[Any],
        done: str,
        work: Callable[[Any], Any],
        count_in: Callable[[Any], int] = lambda _: 1,
    ) -> None:
        """Have the engine do it for each row, and say how that went."""
        count = 0
        for row in rows:
            try:
                report = work(row)
            except CalsyncError as error:
                self.message_user(request, f"{row}: {error}", messages.ERROR)
                continue
            failures: tuple[SyncFailure, ...] = report.errors
            for each in failures:
                self.message_user(request, f"{row}: {each.kind}: {each.message}", messages.ERROR)
            here = 0 if failures else count_in(report)
            if here:
                self.log_change(request, row, done)
            count += here
        self.message_user(request, f"{count} {done}", messages.SUCCESS if count else messages.WARNING)


def _name(calendar: Calendar) -> str:
    return calendar.stored.name


def _when(moment: values.Moment | None) -> str:
    """In the project's own time zone, as the rest of the page has it."""
    if not isinstance(moment, datetime):
        return "" if moment is None else str(localize(moment))
    return str(localize(localtime(moment) if settings.USE_TZ else moment))


def _ago(moment: datetime | None) -> str:
    return "never" if moment is None else f"{timesince(moment, depth=1)} ago"


class _Renewing(_Looking):
    """Rows that go by their calendar's id."""

    @admin.action(description="Renew subscription", permissions=["change"])
    def renew(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """A new one with a new secret."""
        self._each(
            request,
            queryset,
            "subscriptions renewed",
            lambda row: engine().replace_subscriptions(row.pk),
            lambda report: report.created,
        )


_WITH_A_CALENDAR = ("account", "read_state", "watch")


@admin.register(Calendar)
class CalendarAdmin(_Renewing):
    """Every calendar that accounts offer."""

    list_display = ("name", "state", "push", "last_read", "account", "direction")
    list_filter = ("enabled", "account__status", "watch__state")
    list_select_related = _WITH_A_CALENDAR
    search_fields = ("owner", "account__name")
    ordering = ("owner", "pk")
    actions = ("sync_now", "renew")
    fields = (*list_display, "last_error", "next_read")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what the page of one row shows, too."""
        return super().get_queryset(request).select_related(*_WITH_A_CALENDAR)

    @admin.display(ordering="pk")
    def name(self, row: Calendar) -> str:
        """The provider's."""
        return row.stored.name

    @admin.display
    def direction(self, row: Calendar) -> str:
        """What it takes part in."""
        calendar = row.stored
        return " and ".join(
            word for word, so in (("publishes", calendar.publish), ("receives", calendar.receive)) if so
        )

    @admin.display
    def state(self, row: Calendar) -> str:
        """As ``engine.health`` has it."""
        if not row.enabled:
            return "off"
        account: values.Account = row.account.stored
        return state_of(account, row.stored, _read_state(row))

    @admin.display
    def push(self, row: Calendar) -> str:
        """How far it can be relied on."""
        watch: Watch | None = getattr(row, "watch", None)
        return "none" if watch is None else str(watching.state_of(watch.stored, datetime.now(UTC)))

    @admin.display
    def last_read(self, row: Calendar) -> str:
        """How long ago."""
        return _ago(_read_state(row).read_at)

    @admin.display
    def last_error(self, row: Calendar) -> str:
        """Kind and message."""
        return _read_state(row).last_error or ""

    @admin.display
    def next_read(self, row: Calendar) -> str:
        """At the latest, without a push."""
        watch: Watch | None = getattr(row, "watch", None)
        return _when(None if watch is None else watch.stored.due_at)

    @admin.action(description="Sync now", permissions=["change"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """In this request."""
        self._each(request, queryset, "calendars synced", lambda row: engine().sync_calendar(row.pk))


def _read_state(row: Calendar) -> values.ReadState:
    found: ReadState | None = getattr(row, "read_state", None)
    return values.ReadState() if found is None else found.stored


@admin.register(Watch)
class WatchAdmin(_Renewing):
    """How push is doing for each calendar."""

    list_display = ("name", "owner", "now", "subscription_ends", "last_push", "failures", "last_error")
    list_filter = ("state", "calendar__enabled")
    list_select_related = ("calendar",)
    search_fields = ("calendar__owner",)
    ordering = ("calendar__owner", "pk")
    actions = ("renew",)
    fields = (*list_display, "next_look", "doubted")

    @admin.display(description="calendar", ordering="pk")
    def name(self, row: Watch) -> str:
        """The calendar's."""
        return _name(row.calendar)

    @admin.display(ordering="calendar__owner")
    def owner(self, row: Watch) -> str:
        """Whose."""
        return str(row.calendar.owner)

    @admin.display(description="push", ordering="state")
    def now(self, row: Watch) -> str:
        """How far it can be relied on now."""
        return str(watching.state_of(row.stored, datetime.now(UTC)))

    @admin.display
    def subscription_ends(self, row: Watch) -> str:
        """Empty: there is none."""
        return _when(row.stored.expires_at)

    @admin.display(ordering="pushed_at")
    def last_push(self, row: Watch) -> str:
        """How long ago."""
        return _ago(row.pushed_at)

    @admin.display
    def failures(self, row: Watch) -> int:
        """In a row."""
        return row.stored.failures

    @admin.display
    def last_error(self, row: Watch) -> str:
        """Its kind."""
        return row.stored.last_error or ""

    @admin.display
    def next_look(self, row: Watch) -> str:
        """When the subscription is looked after."""
        return _when(row.stored.check_at)

    @admin.display
    def doubted(self, row: Watch) -> str:
        """Since when."""
        return _when(row.stored.doubted_at)


@admin.register(Notification)
class NotificationAdmin(_Looking):
    """The inbox."""

    list_display = ("id", "calendar_name", "kind", "status", "received_at", "finished_at", "attempts", "error")
    list_filter = ("status",)
    list_select_related = ("calendar",)
    ordering = ("-pk",)
    fields = (*list_display, "due_at", "seconds")

    @admin.display(description="calendar", ordering="calendar")
    def calendar_name(self, row: Notification) -> str:
        """What it tells of."""
        return _name(row.calendar)

    @admin.display
    def kind(self, row: Notification) -> str:
        """What it says."""
        return str(row.stored.kind)

    @admin.display
    def attempts(self, row: Notification) -> int:
        """Failed ones."""
        return row.stored.attempts

    @admin.display
    def seconds(self, row: Notification) -> float | None:
        """How long its processing took."""
        return row.stored.seconds

    @admin.display
    def error(self, row: Notification) -> str:
        """Kind of the last failure."""
        return row.stored.error or ""


@admin.register(Run)
class RunAdmin(_Looking):
    """What was done."""

    list_display = ("id", "finished_at", "woken_by", "owner", "summary", "failed")
    ordering = ("-pk",)
    fields = (*list_display, "started_at", "errors")

    @admin.display
    def woken_by(self, row: Run) -> str:
        """Push, timer or emergency."""
        return str(row.stored.sync_type)

    @admin.display
    def owner(self, row: Run) -> str:
        """Whose; empty: everybody's."""
        return row.stored.owner or ""

    @admin.display
    def started_at(self, row: Run) -> str:
        """When."""
        return _when(row.stored.started_at)

    @admin.display
    def summary(self, row: Run) -> str:
        """In a line."""
        return row.stored.summary

    @admin.display
    def failed(self, row: Run) -> int:
        """How many accounts and calendars."""
        return len(row.stored.errors)

    @admin.display
    def errors(self, row: Run) -> str:
        """What failed."""
        return "\n".join(
            f"{each.account}{'' if each.calendar is None else f' / {each.calendar}'}: {each.kind}: {each.message}"
            for each in row.stored.errors
        )


@admin.register(HeldDeletion)
class HeldDeletionAdmin(_Looking):
    """Deletions that looked like a mistake. A block is shown by its times, never by its title."""

    list_display = ("starts", "ends", "owner", "source", "on", "held_since", "approved")
    search_fields = ("owner",)
    ordering = ("held_since", "pk")
    actions = ("approve", "drop")
    list_select_related = ("target",)
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the source, if it is still known."""
        sources = Calendar.objects.filter(pk=OuterRef("source_id")).values("value")
        return super().get_queryset(request).annotate(source_value=Subquery(sources[:1]))

    @admin.display(description="block starts")
    def starts(self, row: HeldDeletion) -> str:
        """An instant, or a date."""
        return _when(row.stored.content.span.start)

    @admin.display(description="block ends")
    def ends(self, row: HeldDeletion) -> str:
        """An instant, or a date."""
        return _when(row.stored.content.span.end)

    @admin.display(description="because of")
    def source(self, row: Any) -> str:
        """The calendar whose event went."""
        return "forgotten" if row.source_value is None else decode(values.Calendar, row.source_value).name

    @admin.display
    def on(self, row: HeldDeletion) -> str:
        """The calendar that the block stands on."""
        return _name(row.target)

    @admin.display(boolean=True)
    def approved(self, row: HeldDeletion) -> bool:
        """The next sync deletes it."""
        return row.stored.approved

    @admin.action(description="Approve: let the next sync delete these blocks", permissions=["change"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Unless they are wanted again by then."""
        self._decide(request, queryset, "deletions approved", engine().approve)

    @admin.action(description="Drop: keep these blocks until they are past", permissions=["change"])
    def drop(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """They stay."""
        self._decide(request, queryset, "deletions dropped", engine().drop)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[Any], done: str, decide: Callable[[list[str]], int]
    ) -> None:
        rows = list(queryset)
        try:
            count = decide([row.ref for row in rows])
        except CalsyncError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        for row in rows:
            self.log_change(request, row, done)
        self.message_user(request, f"{count} {done}", messages.SUCCESS)
