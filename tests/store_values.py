"""Hypothesis strategies for every value that a store keeps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from calsync_core.models import (
    Account,
    AccountStatus,
    Availability,
    Block,
    BlockContent,
    BlockState,
    Calendar,
    CalendarRole,
    CalendarStatus,
    Cursor,
    Event,
    EventKind,
    Mark,
    MirrorRule,
    Moment,
    Notification,
    NotificationStatus,
    Observation,
    Operation,
    OperationKind,
    PushKind,
    PushState,
    ReadState,
    Reason,
    Response,
    Span,
    StoredSubscription,
    SyncFailure,
    SyncReport,
    SyncType,
    Tag,
    Watch,
    Written,
)

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "UTC")

# Everything a JSON or XML parser can hand out, NUL and half a surrogate pair included.
text = st.text(st.characters(), max_size=12)
names = st.sampled_from(["ana", "bo", "Zoë"])
ids = st.integers(1, 2**62)
flags = st.booleans()
dates = st.dates(date(1, 1, 1), date(9990, 1, 1))
instants = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (a wall time: naive on purpose)


@st.composite
def wall_times(draw: st.DrawFn) -> datetime:
    """An aware datetime in any zone; often at a change of the clocks, in either of its readings."""
    zone = draw(st.one_of(st.just(UTC), st.sampled_from(ZONES).map(ZoneInfo)))
    changes = st.sampled_from(
        [datetime(2026, 10, 25, 2, 30), datetime(2026, 3, 29, 2, 30), datetime(2026, 11, 1, 1, 15)]  # noqa: DTZ001  (a wall time: naive on purpose)
    )
    anywhen = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))  # noqa: DTZ001  (a wall time: naive on purpose)
    return draw(st.one_of(changes, anywhen)).replace(tzinfo=zone, fold=draw(st.integers(0, 1)))


moments: st.SearchStrategy[Moment] = st.one_of(dates, wall_times())


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """All-day or timed, also across zones; never negative."""
    start = draw(moments)
    days = timedelta(days=draw(st.integers(0, 400)))
    if not isinstance(start, datetime):
        return Span(start, start + days)
    length = days + timedelta(seconds=draw(st.integers(0, 86_400)), microseconds=draw(st.integers(0, 999_999)))
    end = (start.astimezone(UTC) + length).astimezone(draw(st.sampled_from([start.tzinfo, UTC])))
    return Span(start, end)


tags = st.builds(Tag, text, text, text)
marks = st.builds(Mark, text, st.integers(0, 99), st.none() | tags, flags)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Any event, series and exceptions included."""
    series = draw(st.none() | text)
    return Event(
        id=draw(text),
        uid=draw(st.none() | text),
        span=draw(spans()),
        series=series,
        original_start=None if series is None else draw(moments),
        and_future=draw(flags),
        recurrence=tuple(draw(st.lists(text, max_size=3))),
        cancelled=draw(flags),
        availability=draw(st.sampled_from(Availability)),
        response=draw(st.sampled_from(Response)),
        kind=draw(st.sampled_from(EventKind)),
        private=draw(flags),
        title=draw(text),
        mark=draw(st.none() | marks),
        adorned=draw(flags),
        parked=draw(st.none() | text),
    )


contents = st.builds(BlockContent, spans(), text, st.sampled_from(Availability))

blocks = st.builds(
    Block,
    key=st.text("0123456789abcdefghijklmnopqrstuv", min_size=1, max_size=32),
    generation=st.integers(0, 999),
    owner=names,
    source_id=ids,
    target_id=ids,
    uid=text,
    slot=text,
    native_id=text,
    content=contents,
    state=st.sampled_from(BlockState),
    seen=st.none() | contents,
    etag=st.none() | text,
    held_since=st.none() | instants,
    approved=flags,
    repairs=st.lists(instants, max_size=3).map(tuple),
    reason=st.none() | text,
    alias=st.none() | text,
    deleted_for=st.none() | st.sampled_from(Reason),
    created_at=st.none() | instants,
    changed_at=st.none() | instants,
)

operations = st.builds(
    Operation,
    kind=st.sampled_from(OperationKind),
    ref=text,
    target_id=ids,
    native_id=text,
    content=contents,
    tag=tags,
    reason=st.sampled_from(Reason),
    decided_at=instants,
    etag=st.none() | text,
    source_id=st.none() | ids,
    before=st.none() | contents,
)

written = st.builds(
    Written,
    kind=st.sampled_from(OperationKind),
    ref=text,
    target_id=ids,
    before=st.none() | contents,
    after=st.none() | contents,
    seen=st.none() | contents,
)

observations = st.builds(
    Observation.of,
    st.lists(names, max_size=2),
    st.lists(operations, max_size=3),
    held=st.integers(0, 9),
    unsettled=st.integers(0, 9),
)

rules = st.builds(
    MirrorRule,
    source=st.none() | ids,
    target=st.none() | ids,
    title=st.none() | text,
    all_day=st.sampled_from([None, "busy", "free", "skip"]),
    unanswered=st.sampled_from([None, "tentative", "busy", "none"]),
)

reports = st.builds(
    SyncReport,
    sync_type=st.sampled_from(SyncType),
    started_at=instants,
    finished_at=st.none() | instants,
    owner=st.none() | names,
    calendars=st.lists(ids, max_size=3).map(tuple),
    events_processed=st.integers(0, 9),
    busy_blocks_deleted=st.integers(0, 9),
    webhook_triggered=flags,
    polling_fallback=flags,
    echo=flags,
    notified_at=st.none() | instants,
    reading_calls=st.integers(0, 9),
    time_window=st.none() | st.tuples(text, text),
    observed=st.none() | observations,
    undoes=st.none() | ids,
    errors=st.lists(st.builds(SyncFailure, text, st.none() | text, text, text), max_size=2).map(tuple),
    id=st.none() | ids,
)

read_states = st.builds(
    ReadState,
    cursor=st.none() | st.builds(Cursor, text, text),
    round=st.integers(0, 2**40),
    complete=flags,
    read_at=st.none() | instants,
    full_at=st.none() | instants,
    due_at=st.none() | instants,
    failures=st.integers(0, 99),
    last_error=st.none() | text,
    emptied=flags,
)

accounts = st.builds(
    Account,
    owner=names,
    provider=names,
    name=names,
    email=st.none() | text,
    timezone=st.none() | st.sampled_from(ZONES),
    base_url=st.none() | text,
    subject=st.none() | text,
    login_mark=st.none() | text,
    status=st.sampled_from(AccountStatus),
    id=st.none() | ids,
)

calendars = st.builds(
    Calendar,
    account_id=ids,
    owner=names,
    remote_id=text,
    name=text,
    role=st.sampled_from(CalendarRole),
    timezone=st.none() | st.sampled_from(ZONES),
    primary=flags,
    publish=flags,
    receive=flags,
    enabled=flags,
    status=st.sampled_from(CalendarStatus),
    id=st.none() | ids,
)

seconds = st.floats(0, 10**9, allow_nan=False)

subscriptions = st.builds(
    StoredSubscription,
    calendar_id=ids,
    provider=names,
    remote_id=text,
    secret_hash=text,
    url=text,
    created_at=instants,
    expires_at=instants,
    resource=st.none() | text,
    confirmed=flags,
    renewed_at=st.none() | instants,
    id=st.none() | ids,
)

notifications = st.builds(
    Notification,
    calendar_id=ids,
    subscription_id=ids,
    kind=st.sampled_from(PushKind),
    received_at=instants,
    due_at=instants,
    message=st.none() | text,
    item=st.none() | text,
    etag=st.none() | text,
    status=st.sampled_from(NotificationStatus),
    attempts=st.integers(0, 9),
    finished_at=st.none() | instants,
    seconds=st.none() | seconds,
    error=st.none() | text,
    id=st.none() | ids,
)

watches = st.builds(
    Watch,
    pushed_at=st.none() | instants,
    read_at=st.none() | instants,
    interval=seconds,
    due_at=st.none() | instants,
    check_at=st.none() | instants,
    called=st.none() | ids,
    written_at=st.none() | instants,
    unechoed_since=st.none() | instants,
    doubted_at=st.none() | instants,
    proven_at=st.none() | instants,
    subscribed_at=st.none() | instants,
    expires_at=st.none() | instants,
    failures=st.integers(0, 99),
    failed_at=st.none() | instants,
    last_error=st.none() | text,
    unsupported_at=st.none() | instants,
    told=st.sampled_from(PushState),
)

VALUES = {
    Event: events(),
    BlockContent: contents,
    Operation: operations,
    Written: written,
    Block: blocks,
    SyncReport: reports,
    MirrorRule: rules,
    ReadState: read_states,
    Account: accounts,
    Calendar: calendars,
    StoredSubscription: subscriptions,
    Notification: notifications,
    Watch: watches,
}
