"""Who owns what: accounts, calendars, rules and policy."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import Attribute, field, frozen, validators

from calsync_core.errors import InvalidValue

__all__ = [
    "Account",
    "AccountId",
    "AccountStatus",
    "Calendar",
    "CalendarId",
    "CalendarRole",
    "CalendarStatus",
    "Identity",
    "MirrorRule",
    "Mode",
    "RemoteCalendar",
    "SyncPolicy",
]

AccountId: TypeAlias = int
CalendarId: TypeAlias = int


class AccountStatus(StrEnum):
    """What an account may be used for."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By the host. Its blocks stay, its known series keep expanding; nothing is read or written."""
    AUTH_EXPIRED = "auth_expired"
    """The provider refused the login. Told once; a slow probe remains (I-35)."""
    IDENTITY_CHANGED = "identity_changed"
    """The login turned out to be somebody else's. Nothing is read, planned or written with it (I-46)."""


class Mode(StrEnum):
    """What a sync may do for an owner."""

    WRITE = "write"
    """Keep the calendars in step."""
    OBSERVE = "observe"
    """Read and plan, write nothing to any calendar, and record what would have been written."""

    @classmethod
    def of(cls, value: str) -> Mode:
        """From its text. Raises InvalidValue, naming ``mode``."""
        try:
            return cls(value)
        except ValueError:
            known = " or ".join(f'"{mode}"' for mode in cls)
            raise InvalidValue(f"mode: must be {known}, got {value!r}") from None


class CalendarRole(StrEnum):
    """What the login may do with a calendar."""

    OWNER = "owner"
    WRITER = "writer"
    READER = "reader"
    FREE_BUSY = "free_busy"

    @property
    def writable(self) -> bool:
        """Whether blocks can be written there."""
        return self in {CalendarRole.OWNER, CalendarRole.WRITER}


class CalendarStatus(StrEnum):
    """Whether the provider lets us use an enabled calendar."""

    OK = "ok"
    READ_ONLY = "read_only"
    """A write was refused for lack of rights (I-42): parked and probed, its blocks are not forgotten."""
    VANISHED = "vanished"
    """The provider says there is no such calendar (I-42): its blocks stay and its known series keep expanding."""


def _zone_name(_instance: object, attribute: Attribute[str | None], value: str | None) -> None:
    if value is None:
        return
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValue(f"{attribute.name}: {value!r} is not an IANA time zone name") from None


def _not_blank(_instance: object, attribute: Attribute[str], value: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidValue(f"{attribute.name}: must not be empty")


@frozen
class Account:
    """One authorised login at a provider. An owner has several.

    Attributes:
        owner: The person or unit whose calendars belong together.
        provider: Key of the engine's ``providers``.
        name: The host's name for it, unique within its owner; used in messages.
        email: The login's own address, to recognise its RSVP among attendees.
        timezone: IANA name, for floating times and all-day edges. None: what the provider says.
        base_url: Another server than the provider's own (self-hosted, simulator).
        subject: The provider's stable identity of the login, stored at first connection (I-46).
        login_mark: Keyed hash of the credential whose identity was checked last, where it can be hashed; another
            credential is checked before it is used.
        id: Given by the store.
    """

    owner: str = field(validator=_not_blank)
    provider: str = field(validator=_not_blank)
    name: str = field(validator=_not_blank)
    email: str | None = field(default=None, repr=False)
    timezone: str | None = field(default=None, validator=_zone_name)
    base_url: str | None = None
    subject: str | None = None
    login_mark: str | None = field(default=None, repr=False)
    status: AccountStatus = AccountStatus.ACTIVE
    id: AccountId | None = None

    @property
    def key(self) -> AccountId:
        """The id, for code that only ever sees stored accounts.

        Raises:
            InvalidValue: the account was never saved.
        """
        if self.id is None:
            raise InvalidValue(f"id: account {self.name!r} is not connected yet")
        return self.id


@frozen
class Identity:
    """Who a login is, as the provider says.

    Attributes:
        subject: Stable for the life of the account: Google's primary calendar id, Graph's tenant and user id, the
            CalDAV principal's URL.
        email: The login's address, if the provider tells.
        timezone: IANA name of the login's own zone, if the provider tells.
    """

    subject: str
    email: str | None = field(default=None, repr=False)
    timezone: str | None = None


@frozen
class RemoteCalendar:
    """A calendar as the provider lists it.

    Attributes:
        remote_id: The provider's stable id; for CalDAV the absolute URL of the collection.
        primary: The login's default calendar.
    """

    remote_id: str
    name: str
    role: CalendarRole
    timezone: str | None = None
    primary: bool = False


@frozen
class Calendar:
    """A calendar that an account offers, and what the host lets it do.

    Attributes:
        publish: Its events block the owner's receiving calendars.
        receive: Busy blocks for the owner's other calendars are written to it.
        enabled: Takes part at all. Switched off: its blocks disappear elsewhere, and ours from it.
        timezone: IANA name; floating times and all-day edges are read in it.
        id: Given by the store.
    """

    account_id: AccountId
    owner: str
    remote_id: str
    name: str
    role: CalendarRole = CalendarRole.OWNER
    timezone: str | None = field(default=None, validator=_zone_name)
    primary: bool = False
    publish: bool = False
    receive: bool = False
    enabled: bool = False
    status: CalendarStatus = CalendarStatus.OK
    id: CalendarId | None = None

    @property
    def key(self) -> CalendarId:
        """The id, for code that only ever sees stored calendars.

        Raises:
            InvalidValue: the calendar was never saved.
        """
        if self.id is None:
            raise InvalidValue(f"id: calendar {self.name!r} is not saved yet")
        return self.id

    @property
    def zone(self) -> ZoneInfo:
        """Where its all-day midnights lie; UTC if nobody said."""
        return ZoneInfo(self.timezone or "UTC")

    @property
    def publishes(self) -> bool:
        """Enabled and publishing."""
        return self.enabled and self.publish

    @property
    def receives(self) -> bool:
        """Enabled and receiving."""
        return self.enabled and self.receive


AllDay: TypeAlias = Literal["busy", "free", "skip"]
Unanswered: TypeAlias = Literal["tentative", "busy", "none"]


@frozen(kw_only=True)
class MirrorRule:
    """Which calendar blocks which, and how the block looks.

    Of overlapping rules the first declared decides the look. What a rule leaves None comes from the policy.

    Attributes:
        source: Calendar id whose events block; None: every publishing calendar of the owner.
        target: Calendar id that is blocked; None: every receiving calendar of the owner.
        title: Title of the blocks; ``{title}`` in it shows the source's, private events excepted.
        all_day: How busy all-day events are mirrored.
        unanswered: How invitations nobody answered are mirrored.
    """

    source: CalendarId | None = None
    target: CalendarId | None = None
    title: str | None = None
    all_day: AllDay | None = field(
        default=None, validator=validators.optional(validators.in_(("busy", "free", "skip")))
    )
    unanswered: Unanswered | None = field(
        default=None, validator=validators.optional(validators.in_(("tentative", "busy", "none")))
    )


def _choice(*allowed: str) -> Any:
    def check(_instance: object, attribute: Attribute[str], value: str) -> None:
        if value not in allowed:
            raise InvalidValue(f"{attribute.name}: must be one of {', '.join(allowed)}, got {value!r}")

    return check


def _number(low: float, high: float | None = None) -> Any:
    def check(_instance: object, attribute: Attribute[float], value: float) -> None:
        wrong = isinstance(value, bool) or not isinstance(value, int | float)
        if wrong or value < low or (high is not None and value > high):
            limit = f"at least {low}" if high is None else f"from {low} to {high}"
            raise InvalidValue(f"{attribute.name}: must be a number {limit}, got {value!r}")

    return check


@frozen(kw_only=True)
class SyncPolicy:
    """What holds for the whole installation.

    Attributes:
        horizon_days: How many days ahead are mirrored.
        title: Default title of a block.
        all_day: How busy all-day events are mirrored.
        unanswered: How invitations nobody answered are mirrored.
        guard_max: More deletions than this, and than ``guard_share`` of a source's blocks over 24 h, are held.
        guard_share: See ``guard_max``; 0.5 is half.
        on_block_deleted: What a user's deleting or editing a block means: ``restore`` it, or ``respect`` the wish
            until the source's times change.
        grace_seconds: A block younger than this that seems gone is provider lag, not the user's act.
        full_hours: A calendar not wholly re-read for this long is, as a safety net; one whose push proves itself, seven
            times as rarely.
        polling_seconds: A calendar without healthy push is read at least this often; more often while it changes.
        silence_hours: A calendar with healthy push that was not read for this long is read without one; the pause grows
            to four times that while push proves itself.

    Raises:
        InvalidValue: names the field.
    """

    horizon_days: int = field(default=90, validator=_number(1, 730))
    title: str = field(default="🔒 Busy", validator=_not_blank)
    all_day: AllDay = field(default="busy", validator=_choice("busy", "free", "skip"))
    unanswered: Unanswered = field(default="tentative", validator=_choice("tentative", "busy", "none"))
    guard_max: int = field(default=20, validator=_number(0))
    guard_share: float = field(default=0.5, validator=_number(0, 1))
    on_block_deleted: Literal["restore", "respect"] = field(
        default="restore",
        validator=_choice("restore", "respect"),
    )
    grace_seconds: float = field(default=60, validator=_number(0))
    full_hours: float = field(default=24, validator=_number(1))
    polling_seconds: float = field(default=3600, validator=_number(60))
    silence_hours: float = field(default=6, validator=_number(0.25))
