"""The pages on which people connect their accounts, for any web framework: ``connect_app`` in ``asgi`` and ``wsgi``.

::

    GET  /                           what is connected, and what can be
    GET  /{provider}[?account=ID]    a provider's page: a button, or a form for a password; with an account: once more
    POST /{provider}                 303 to the provider's consent page, or the account is connected with the password
    GET  /{provider}/callback        back from the consent page: the account is connected, 303 to its calendars
    GET  /accounts/{id}/calendars    the account's calendars
    POST /accounts/{id}/calendars    what was ticked is switched on, the rest off, 303 to the host's ``done``

Who asks for ``application/json`` gets the same pages as values, for a frontend of the host's own; in place of a 303,
an object with ``location``. The host decides whose calendars they are (``owner``) and what the pages look like
(``Pages``).
"""

from calsync_core.web.connect.connector import Connector, OwnerOf
from calsync_core.web.connect.default import DefaultPages
from calsync_core.web.connect.pages import (
    AccountLine,
    CalendarLine,
    CalendarsPage,
    HomePage,
    Offer,
    Page,
    Pages,
    Problem,
    ProblemPage,
    StartPage,
)
from calsync_core.web.messages import Received

__all__ = [
    "AccountLine",
    "CalendarLine",
    "CalendarsPage",
    "Connector",
    "DefaultPages",
    "HomePage",
    "Offer",
    "OwnerOf",
    "Page",
    "Pages",
    "Problem",
    "ProblemPage",
    "Received",
    "StartPage",
]
