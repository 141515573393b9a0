"""Who a login is and what it may see, on servers that say it in their own ways."""

from __future__ import annotations

import pytest

from caldav_scripts import serving
from calsync_core.errors import (
    Rejected,
)
from calsync_core.models import (
    CalendarRole,
)
from scripted_server import (
    Reply,
    Request,
    multistatus,
    prop,
)


def test_the_well_known_address_is_asked() -> None:
    def found(request: Request) -> Reply:
        if request.path == "/.well-known/caldav":
            return Reply(301, headers={"Location": "/svc/"})
        if request.path == "/svc/":
            inner = "<current-user-principal><href>/p/ana/</href></current-user-principal>"
            return multistatus(prop("/svc/", inner))
        if request.path == "/p/ana/":
            mails = '<href>mailto:second@example.com</href><href preferred="1">MAILTO:Ana@Example.com</href>'
            inner = (
                f"<C:calendar-home-set><href>/home/</href></C:calendar-home-set><C:calendar-user-address-set>{mails}"
            )
            return multistatus(prop("/p/ana/", f"{inner}</C:calendar-user-address-set>"))
        return Reply(404)

    with serving(found) as (server, bench):
        who = bench.provider.identify(bench.session)
        assert (who.subject, who.email) == (f"{server.root}/p/ana/", "ana@example.com")


def test_no_caldav_service_is_rejected() -> None:
    with serving(lambda _: Reply(404)) as (_, bench), pytest.raises(Rejected, match="no CalDAV service"):
        bench.provider.identify(bench.session)


def test_what_is_listed_and_how() -> None:
    """The default is primary; subscriptions, task lists and in-trays are left out; shared ones belong to others."""
    calendar = "<resourcetype><collection/><C:calendar/></resourcetype>"
    rights = "<current-user-privilege-set><privilege>{}</privilege></current-user-privilege-set>"
    tasks = '<C:supported-calendar-component-set><C:comp name="VTODO"/></C:supported-calendar-component-set>'
    principal = (
        "<current-user-principal><href>/p/</href></current-user-principal>"
        "<C:calendar-home-set><href>/h/</href></C:calendar-home-set>"
    )
    home = multistatus(
        prop("/h/", "<resourcetype><collection/></resourcetype>", "<displayname/>"),
        prop("/h/one/", f"{calendar}<displayname>One</displayname><owner><href>/p/</href></owner>"),
        prop("/h/two/", calendar + rights.format("<write/>"), "<displayname/><C:calendar-timezone/>"),
        prop("/h/three/", calendar + "<owner><href>/p/bo/</href></owner>" + rights.format("<all/>")),
        prop("/h/four/", calendar + rights.format("<read/>")),
        prop("/h/five/", calendar + rights.format("<C:read-free-busy/>")),
        prop("/h/tasks/", calendar + tasks),
        prop("/h/feed/", "<resourcetype><collection/><C:calendar/><S:subscribed/></resourcetype>"),
        prop(
            "/h/inbox/",
            "<resourcetype><collection/><C:schedule-inbox/></resourcetype>"
            "<C:schedule-default-calendar-URL><href>/h/two</href></C:schedule-default-calendar-URL>",
        ),
    )
    with serving(lambda request: home if request.path == "/h/" else multistatus(prop(request.path, principal))) as (
        server,
        bench,
    ):
        listed = bench.provider.list_calendars(bench.session)
    found = [(one.remote_id.removeprefix(server.root), one.name, one.role, one.primary) for one in listed]
    assert found == [
        ("/h/one/", "One", CalendarRole.OWNER, False),
        ("/h/two/", "two", CalendarRole.OWNER, True),
        ("/h/three/", "three", CalendarRole.WRITER, False),
        ("/h/four/", "four", CalendarRole.READER, False),
        ("/h/five/", "five", CalendarRole.FREE_BUSY, False),
    ]
