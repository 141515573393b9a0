"""An account's calendars: which of them publish, and which receive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext

from calsync_core.errors import CalsyncError, LeaseBusy, StoreError
from calsync_core.log import Logger
from calsync_core.models import Account, Calendar
from calsync_core.web.connect.accounts import choose
from calsync_core.web.connect.answers import Outcome, go, show
from calsync_core.web.connect.desk import Desk, problem_in
from calsync_core.web.connect.pages import CalendarLine, CalendarsPage, Problem
from calsync_core.web.connect.routes import account_of

__all__ = ["offered", "ticked"]

log = Logger("calsync_core.web")


def offered(desk: Desk, owner: str, account: Account) -> Outcome:
    """Ask the provider which calendars there are now, and show them."""
    try:
        with nullcontext() if account.base_url is None else desk.asking(owner):
            calendars = desk.engine.discover(account.key, ends=desk.ends())
    except LeaseBusy as busy:
        return desk.trouble(problem_in(busy), provider=account.provider, account=account.key)
    except StoreError:
        raise
    except CalsyncError as error:
        log.info("calendars_not_listed", account=account.id, kind=type(error).__name__)
        return desk.trouble(problem_in(error), provider=account.provider, account=account.key)
    first = not any(calendar.enabled for calendar in calendars)
    lines = [_line(calendar, proposed=first and (calendar.primary or len(calendars) == 1)) for calendar in calendars]
    return show(_page(desk, owner, account, lines))


def ticked(desk: Desk, owner: str, account: Account, form: Mapping[str, str]) -> Outcome:
    """Do what was chosen. What can't be is shown, and the rest is done."""
    if "shown" not in form:
        log.warning("connect_refused", status=403, reason="incomplete_form")
        return desk.trouble(Problem.FORGED)
    shown = {account_of(each) for each in form["shown"].split(",")}
    # The page may be old: of calendars that it did not show, nothing was said.
    calendars = [each for each in desk.engine.calendars(account_id=account.key) if each.id in shown]
    wishes = {
        calendar.key: (f"publish-{calendar.id}" in form, f"receive-{calendar.id}" in form) for calendar in calendars
    }
    problems = choose(desk.engine, calendars, wishes)
    log.info("calendars_chosen", account=account.id, refused=len(problems))
    if not problems:
        return go(desk.done)
    lines = [
        _line(calendar, problem=problems.get(calendar.key))
        for calendar in desk.engine.calendars(account_id=account.key)
    ]
    return show(_page(desk, owner, account, lines), status=409)


def _page(desk: Desk, owner: str, account: Account, lines: Iterable[CalendarLine]) -> CalendarsPage:
    return CalendarsPage(
        home=desk.site.home,
        token=desk.seals.token(owner),
        account=desk.line(account),
        action=desk.site.calendars(account.key),
        calendars=tuple(lines),
    )


def _line(calendar: Calendar, *, proposed: bool = False, problem: str | None = None) -> CalendarLine:
    """As it is; of an account of which nothing was chosen yet, its own or only calendar is proposed."""
    return CalendarLine(
        id=calendar.key,
        name=calendar.name,
        role=calendar.role,
        writable=calendar.role.writable,
        primary=calendar.primary,
        publish=calendar.publishes or proposed,
        receive=calendar.receives or (proposed and calendar.role.writable),
        problem=problem,
    )
