"""Microsoft's own client against the simulator, over real HTTP. What it can't read or say would fail here."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import graph_models
from graph_world import ANA, IMMUTABLE, PROPERTY, GraphWorld, series, timed

# The SDK's generated code uses what its own base library has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Steps = Callable[[Any], Awaitable[None]]


def _sdk() -> SimpleNamespace:
    """The parts of the SDK that are used here; it may not be installed."""
    names = {
        "Event": "msgraph.generated.models.event",
        "DateTimeTimeZone": "msgraph.generated.models.date_time_time_zone",
        "FreeBusyStatus": "msgraph.generated.models.free_busy_status",
        "Sensitivity": "msgraph.generated.models.sensitivity",
        "EventType": "msgraph.generated.models.event_type",
        "SingleValueLegacyExtendedProperty": "msgraph.generated.models.single_value_legacy_extended_property",
        "Subscription": "msgraph.generated.models.subscription",
        "ODataError": "msgraph.generated.models.o_data_errors.o_data_error",
        "GraphServiceClient": "msgraph",
        "GraphRequestAdapter": "msgraph.graph_request_adapter",
        "options": "msgraph.graph_request_adapter",
        "GraphClientFactory": "msgraph_core",
        "AuthenticationProvider": "kiota_abstractions.authentication",
        "RequestConfiguration": "kiota_abstractions.base_request_configuration",
        "BatchRequestContent": "msgraph_core.requests.batch_request_content",
        "BatchRequestItem": "msgraph_core.requests.batch_request_item",
        "BatchRequestBuilder": "msgraph_core.requests.batch_request_builder",
        "PageIterator": "msgraph_core.tasks.page_iterator",
    }
    return SimpleNamespace(**{name: getattr(importlib.import_module(module), name) for name, module in names.items()})


class _Official:
    """A ``GraphServiceClient`` for the simulator, and the SDK's own names."""

    def __init__(self, world: GraphWorld) -> None:
        self.sdk = sdk = _sdk()
        token = world.simulator.token(ANA)

        class Auth(sdk.AuthenticationProvider):  # type: ignore[name-defined,misc]  # imported only where it is
            async def authenticate_request(self, request: Any, additional_authentication_context: Any = None) -> None:  # noqa: ARG002  (the port's signature)
                request.headers.try_add("Authorization", f"Bearer {token}")

        # The SDK's middlewares wrap a transport and never close it.
        self.connections = httpx.AsyncHTTPTransport()
        plain = httpx.AsyncClient(transport=self.connections, trust_env=False)
        client = sdk.GraphClientFactory.create_with_default_middleware(client=plain, options=sdk.options)
        self.adapter = sdk.GraphRequestAdapter(Auth(), client=client)
        self.adapter.base_url = world.simulator.base_url
        self.client = sdk.GraphServiceClient(request_adapter=self.adapter)

    def settings(self, parameters: Any = None, **values: Any) -> Any:
        """A request configuration: the preferences that an adapter sends always, and query parameters."""
        config = self.sdk.RequestConfiguration(query_parameters=parameters(**values) if parameters else None)
        config.headers.add("Prefer", IMMUTABLE)
        return config

    def moment(self, text: str, zone: str = "UTC") -> Any:
        return self.sdk.DateTimeTimeZone(date_time=text, time_zone=zone)


@pytest.fixture
def world() -> Iterator[GraphWorld]:
    graph_models.require()
    world = GraphWorld()
    with world.simulator:
        yield world


@pytest.fixture
def run(world: GraphWorld) -> Callable[[Steps], None]:
    """Carry out steps with a client that lives as long as they take."""

    def carry_out(steps: Steps) -> None:
        async def all_of_it() -> None:
            official = _Official(world)
            try:
                await steps(official)
            finally:
                await official.connections.aclose()

        asyncio.run(all_of_it())

    return carry_out


def _query(module: str) -> Any:
    """A builder's class of query parameters."""
    found = importlib.import_module(f"msgraph.generated.users.item.{module}")
    stem = "".join(part.title() for part in module.rpartition(".")[2].removesuffix("_request_builder").split("_"))
    return getattr(getattr(found, f"{stem}RequestBuilder"), f"{stem}RequestBuilderGetQueryParameters")


def test_calendars_and_me(world: GraphWorld, run: Callable[[Steps], None]) -> None:
    for number in range(15):
        world.simulator.add_calendar(ANA, f"Calendar {number}", can_edit=False)

    async def steps(official: Any) -> None:
        me = await official.client.me.get()
        assert (me.id, me.user_principal_name) == (world.user, ANA)
        page = await official.client.me.calendars.get()
        found: list[Any] = []
        pages = official.sdk.PageIterator(page, official.adapter)

        def take(item: Any) -> bool:
            found.append(item)
            return True

        await pages.iterate(take)
        assert [one.name for one in found] == ["Calendar", *(f"Calendar {number}" for number in range(15))]
        assert (found[0].is_default_calendar, found[0].can_edit, found[1].can_edit) == (True, True, False)
        assert found[0].owner.address == ANA
        settings = await official.client.me.mailbox_settings.get()
        assert settings.time_zone == "W. Europe Standard Time"

    run(steps)


def test_an_event_is_created_read_changed_and_deleted(world: GraphWorld, run: Callable[[Steps], None]) -> None:
    async def steps(official: Any) -> None:
        sdk, events = official.sdk, official.client.me.calendars.by_calendar_id(world.calendar).events
        block = sdk.Event(
            subject="Busy",
            start=official.moment("2026-12-01T09:00:00"),
            end=official.moment("2026-12-01T10:00:00"),
            show_as=sdk.FreeBusyStatus.Tentative,
            sensitivity=sdk.Sensitivity.Private,
            is_reminder_on=False,
            transaction_id="b7c2-1",
            single_value_extended_properties=[sdk.SingleValueLegacyExtendedProperty(id=PROPERTY, value="key")],
        )
        made = await events.post(block, official.settings())
        assert (made.subject, made.show_as, made.sensitivity) == (
            "Busy",
            sdk.FreeBusyStatus.Tentative,
            sdk.Sensitivity.Private,
        )
        assert made.start.date_time == "2026-12-01T09:00:00.0000000"
        assert made.additional_data.get("@odata.etag", "").startswith('W/"')
        assert made.single_value_extended_properties is None
        with pytest.raises(sdk.ODataError) as caught:
            await events.post(block, official.settings())
        assert caught.value.error.code == "ErrorDuplicateTransactionId"
        expand = _query("events.item.event_item_request_builder")
        wanted = official.settings(expand, expand=[f"singleValueExtendedProperties($filter=id eq '{PROPERTY}')"])
        read = await official.client.me.events.by_event_id(made.id).get(wanted)
        assert read.single_value_extended_properties[0].value == "key"
        changed = await official.client.me.events.by_event_id(made.id).patch(
            sdk.Event(show_as=sdk.FreeBusyStatus.Busy), official.settings()
        )
        assert (changed.id, changed.show_as, changed.subject) == (made.id, sdk.FreeBusyStatus.Busy, "Busy")
        await official.client.me.events.by_event_id(made.id).delete(official.settings())
        with pytest.raises(sdk.ODataError) as caught:
            await official.client.me.events.by_event_id(made.id).get(official.settings())
        assert (caught.value.response_status_code, caught.value.error.code) == (404, "ErrorItemNotFound")
        assert caught.value.error.inner_error.request_id

    run(steps)


def test_events_are_found_by_extended_property(world: GraphWorld, run: Callable[[Steps], None]) -> None:
    event = world.put(
        timed(
            "2026-03-03T09:00:00", "2026-03-03T10:00:00", singleValueExtendedProperties=[{"id": PROPERTY, "value": "k"}]
        )
    )
    world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))

    async def steps(official: Any) -> None:
        search = f"singleValueExtendedProperties/Any(ep: ep/id eq '{PROPERTY}' and ep/value eq 'k')"
        parameters = _query("events.events_request_builder")
        found = await official.client.me.events.get(official.settings(parameters, filter=search, select=["subject"]))
        assert [one.id for one in found.value] == [event]

    run(steps)


def test_a_series_and_its_instances(world: GraphWorld, run: Callable[[Steps], None]) -> None:
    weekly = {"type": "weekly", "daysOfWeek": ["monday", "thursday"]}
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", weekly))
    world.simulator.cancel_occurrence(master, date(2026, 3, 5))

    async def steps(official: Any) -> None:
        kinds = official.sdk.EventType
        read = await official.client.me.events.by_event_id(master).get(official.settings())
        assert read.type == kinds.SeriesMaster
        assert [day.value for day in read.recurrence.pattern.days_of_week] == ["monday", "thursday"]
        assert read.recurrence.range.start_date == date(2026, 3, 2)
        parameters = _query("events.item.instances.instances_request_builder")
        window = {"start_date_time": "2026-03-01T00:00:00Z", "end_date_time": "2026-03-15T00:00:00Z"}
        found = await official.client.me.events.by_event_id(master).instances.get(
            official.settings(parameters, **window)
        )
        assert [one.start.date_time[:10] for one in found.value] == ["2026-03-02", "2026-03-09", "2026-03-12"]
        assert {one.type for one in found.value} == {kinds.Occurrence}
        assert found.value[0].original_start == datetime(2026, 3, 2, 8, tzinfo=UTC)

    run(steps)


def test_delta_rounds(world: GraphWorld, run: Callable[[Steps], None]) -> None:
    """The SDK asks for ``calendarView/delta()`` and follows links by ``with_url``."""
    for day in range(2, 27):
        world.put(timed(f"2026-03-{day:02}T09:00:00", f"2026-03-{day:02}T10:00:00"))

    async def steps(official: Any) -> None:
        delta = official.client.me.calendars.by_calendar_id(world.calendar).calendar_view.delta
        parameters = _query("calendars.item.calendar_view.delta.delta_request_builder")
        window = {"start_date_time": "2026-03-01T00:00:00Z", "end_date_time": "2026-04-01T00:00:00Z"}

        async def whole_round(page: Any) -> tuple[list[Any], str]:
            items = list(page.value)
            while page.odata_next_link:
                page = await delta.with_url(page.odata_next_link).get(official.settings())
                items += page.value
            return items, page.odata_delta_link

        items, link = await whole_round(await delta.get(official.settings(parameters, **window)))
        assert len({one.id for one in items}) == 25
        world.simulator.remove_event(items[0].id)
        items_later, _ = await whole_round(await delta.with_url(link).get(official.settings()))
        assert [one.id for one in items_later] == [items[0].id]
        assert items_later[0].additional_data["@removed"] is not None
        world.simulator.expire_delta_links()
        with pytest.raises(official.sdk.ODataError) as caught:
            await delta.with_url(link).get(official.settings())
        assert (caught.value.response_status_code, caught.value.error.code) == (410, "syncStateNotFound")

    run(steps)


def test_a_view(world: GraphWorld, run: Callable[[Steps], None]) -> None:
    world.put(timed("2026-03-03T00:00:00", "2026-03-04T00:00:00", isAllDay=True))

    async def steps(official: Any) -> None:
        parameters = _query("calendar_view.calendar_view_request_builder")
        window = {"start_date_time": "2026-03-01T00:00:00Z", "end_date_time": "2026-04-01T00:00:00Z", "top": 5}
        (found,) = (await official.client.me.calendar_view.get(official.settings(parameters, **window))).value
        assert (found.is_all_day, found.start.date_time) == (True, "2026-03-03T00:00:00.0000000")

    run(steps)


def test_a_batch(world: GraphWorld, run: Callable[[Steps], None]) -> None:
    event = world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00"))

    async def steps(official: Any) -> None:
        sdk, client = official.sdk, official.client
        content = sdk.BatchRequestContent()
        good = client.me.events.by_event_id(event).to_get_request_information(official.settings())
        bad = client.me.events.by_event_id("nonsense").to_get_request_information(official.settings())
        first, second = sdk.BatchRequestItem(good), sdk.BatchRequestItem(bad)
        # The urls in a batch are relative; the SDK makes them so only when asked.
        first.set_url(first.url)
        second.set_url(second.url)
        content.add_request(first.id, first)
        content.add_request(second.id, second)
        answer = await sdk.BatchRequestBuilder(official.adapter).post(content)
        assert answer.get_response_by_id(first.id).status == 200
        assert answer.get_response_by_id(second.id).status == 400

    run(steps)


def test_subscriptions(world: GraphWorld, run: Callable[[Steps], None]) -> None:
    world.simulator.knock = lambda _url, token, _seconds: (200, "text/plain", token)

    async def steps(official: Any) -> None:
        subscriptions = official.client.subscriptions
        wanted = official.sdk.Subscription(
            change_type="created,updated,deleted",
            notification_url="https://host.example/graph",
            lifecycle_notification_url="https://host.example/lifecycle",
            resource=f"/me/calendars/{world.calendar}/events",
            expiration_date_time=world.clock.now() + timedelta(days=6),
            client_state="s3cret",
        )
        made = await subscriptions.post(wanted, official.settings())
        assert made.expiration_date_time == world.clock.now() + timedelta(days=6)
        assert [one.id for one in (await subscriptions.get()).value] == [made.id]
        later = world.clock.now() + timedelta(days=6, hours=23)
        renewed = await subscriptions.by_subscription_id(made.id).patch(
            official.sdk.Subscription(expiration_date_time=later)
        )
        assert renewed.expiration_date_time == later
        await subscriptions.by_subscription_id(made.id).reauthorize.post()
        assert world.simulator.renewal_violations == 1
        await subscriptions.by_subscription_id(made.id).delete()
        assert (await subscriptions.get()).value == []

    run(steps)


def test_everything_that_is_answered_fits_the_models(world: GraphWorld) -> None:
    """What the SDK would drop, because it knows no such property or not of that type, is a mistake here."""
    master = world.put(series("2026-03-02T09:00:00", "2026-03-02T10:00:00", {"type": "daily"}))
    world.simulator.patch_event(world.simulator.occurrence(master, date(2026, 3, 4)), {"subject": "Special"})
    guests = [{"emailAddress": {"address": "bo@elsewhere.example"}}]
    world.put(timed("2026-03-03T09:00:00", "2026-03-03T10:00:00", attendees=guests, body={"content": "x"}))
    window = {"startDateTime": "2026-03-01T00:00:00Z", "endDateTime": "2026-03-10T00:00:00Z"}
    shown = [*world.all_of("me/calendarView", **window), *world.all_of("me/events")]
    shown += [item for item in world.first_round("2026-03-01", "2026-03-10").items if "@removed" not in item]
    assert {item["type"] for item in shown} == {"singleInstance", "seriesMaster", "occurrence", "exception"}
    # The service returns it all the same.
    unknown = {"event.occurrenceId is unknown"}
    assert {problem for item in shown for problem in graph_models.problems_of("event", item)} <= unknown
